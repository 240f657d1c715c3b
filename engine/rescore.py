"""Scores the stored completions of a run with other rewards: `python -m engine.rescore`, the child of rescore_client.

Each step is one call, as when it was trained. Limits, gates and weights of the step apply as in the engine; rewards
that are as they were keep their stored values.
"""

import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine.analysis.rescored import step_rows, summary, worth_reading
from engine.analysis.what_if import Settings
from engine.child_task import serve
from engine.config import RewardSpec, RunConfig
from engine.config_io import default_params, pass_reward
from engine.errors import LabError, StoreError
from engine.rescore_client import FOLDER, METADATA, Job, ReadRow, Rescored
from engine.rescore_data import StepInput, read_step
from engine.reward_check.types import shown
from engine.rewards.protocol import PASS, TrainerState
from engine.rewards.registry import function_of
from engine.rewards.score import BoundReward, Scores, bind_rewards, close_rewards, score
from engine.rewards.shaping import shaped, told_failed
from engine.runs.durable import disk_errors, write_atomic
from engine.runs.paths import RunPaths, parse_config_of, read_config
from engine.runs.reader import RunReader

MAX_READ = 12  # completions worth reading, in each direction

Tell = Callable[[int, int, str], None]


class OutOfTime(Exception):
    """The budget is used up."""


@dataclass
class _Work:
    """One re-score under way. `fresh`: rewards that are called, the others are as stored."""

    before: RunConfig
    after: RunConfig
    fresh: list[BoundReward]
    ends: float
    frames: list[pd.DataFrame] = field(default_factory=list)
    traceback: str = ""

    def check_time(self) -> None:
        if time.monotonic() > self.ends:
            raise OutOfTime


def rescore(job: Job, tell: Tell) -> Rescored:
    """Score, write the file, and give its summary. Never raises for what run, rewards or data are."""
    started, paths = time.monotonic(), RunPaths(Path(job.request.run))
    try:
        before = read_config(paths)
        after = changed_config(paths, before, job.request.rewards)
        fresh = [spec for spec in after.rewards if job.request.recompute or not is_stored(spec, before)]
        work = _Work(before, after, bind_rewards(fresh, paths.rewards), started + job.request.budget_s)
        try:
            _score_all(work, RunReader(paths.db), job.steps, tell)
        finally:
            close_rewards(work.fresh)
        return _finished(job, paths, work, time.monotonic() - started)
    except LabError as error:
        return Rescored(paths.run_id, problem=str(error))


def changed_config(paths: RunPaths, config: RunConfig, rewards: Sequence[Mapping[str, Any]]) -> RunConfig:
    """The run's configuration with this list. Raises ConfigError naming every problem of it."""
    raw = config.model_dump(mode="json")
    names = [spec.get("name") for spec in rewards]
    if raw["evaluation"]["pass_reward"] not in names:
        raw["evaluation"]["pass_reward"] = None
    return parse_config_of(paths, {**raw, "rewards": [dict(spec) for spec in rewards]})


def is_stored(spec: RewardSpec, config: RunConfig) -> bool:
    """Whether the run has the values of this very function and settings, whatever its weight was."""
    return any(
        one.name == spec.name and function_of(one) == function_of(spec) and _params(one) == _params(spec)
        for one in config.rewards
    )


def _params(spec: RewardSpec) -> dict[str, Any]:
    params = {**default_params(function_of(spec)), **spec.params}
    same = ("timeout_s", "memory_mb", "kind", *(("path",) if params.get("sha256") else ()))  # no other value by these
    return {name: value for name, value in params.items() if name not in same}


def _score_all(work: _Work, reader: RunReader, steps: Sequence[int], tell: Tell) -> None:
    """In an order that is spread over the run from the beginning, as time may run out."""
    order = np.random.default_rng(0).permutation(len(steps)).tolist()
    for done, place in enumerate(order):
        tell(done, len(steps), f"step {steps[place]:,}")
        try:
            work.check_time()
            stored = read_step(reader, work.before, steps[place])
            if stored is not None:
                work.frames.append(_step_frame(work, stored))
        except OutOfTime:
            return


def _step_frame(work: _Work, stored: StepInput) -> pd.DataFrame:
    given, parsed = _given(work, stored)
    counted = shaped(given, work.after.at_step(stored.before.step).rewards)
    after = replace(stored.before, rewards=counted.values, steps=tuple(counted.steps))
    frame = step_rows(stored.before, after, Settings.of(work.before), Settings.of(work.after))
    return frame.assign(
        group_index=stored.group_index, completion_index=stored.completion_index,
        passed_before=stored.passed, passed_after=_passed(given, pass_reward(work.after)),
        parsed_before=pd.Series(stored.parsed, dtype=object), parsed_after=pd.Series(parsed, dtype=object),
        reasons_before=pd.Series([dict(found) for found in stored.reasons], dtype=object),
        reasons_after=pd.Series(counted.errors, dtype=object),
        text=stored.texts, prompt=stored.prompt_texts, reference=pd.Series(stored.references, dtype=object),
    )  # fmt: skip


def _given(work: _Work, stored: StepInput) -> tuple[Scores, Sequence[str | None]]:
    """What every function of the new list gives, called or stored; and the answers that the pass reward reads."""
    step, decides = stored.before.step, pass_reward(work.after)
    found = score(
        work.fresh, prompts=stored.prompts, completions=stored.texts, completion_ids=stored.ids,
        columns=stored.columns, conversational=stored.conversational, pass_reward=decides,
        completion_offsets=stored.offsets, waiting=work.check_time,
        trainer_state=TrainerState(step - 1, work.before.optim.max_steps),
    )  # fmt: skip
    work.traceback = work.traceback or next((note.traceback for note in found.notes if note.traceback), "")
    called = {name: found.values[:, place] for place, name in enumerate(found.names)}
    names = tuple(spec.name for spec in work.after.rewards)
    values = np.column_stack([called[name] if name in called else stored.given[name] for name in names])
    kept = set(names) - set(called)
    # A stored value that is there now may have a reason all the same: it did not count then, beside a failure.
    absent = [{name for name in kept if np.isnan(stored.given[name][row])} for row in range(len(stored.texts))]
    old = list(zip(stored.reasons, absent, strict=True))
    errors = [{**_of(*then), **new} for then, new in zip(old, found.errors, strict=True)]
    gates = {spec.name: spec.gate for spec in work.before.rewards}
    failed = [_failed_then(*then, gates) | new for then, new in zip(old, found.failed, strict=True)]
    steps = [{**_of(then, kept), **new} for then, new in zip(stored.steps, found.steps, strict=True)]
    parsed = found.parsed if decides in called else stored.parsed
    return Scores(names, values, errors, list(parsed), found.seconds, steps=steps, failed=failed), parsed


def _failed_then(reasons: Mapping[str, str], absent: set[str], gates: Mapping[str, str]) -> frozenset[str]:
    """Which of the stored values that are not there failed; a reward that has one failed with its gate."""
    return frozenset(name if name in absent else gates.get(name, "") for name in told_failed(reasons)) & absent


def _of(found: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name in names}


def _passed(given: Scores, decides: str | None) -> np.ndarray[Any, np.dtype[np.float64]]:
    """1, 0, or NaN where nothing decides: by what the function gave, as in the engine."""
    if decides is None:
        return np.full(len(given.values), np.nan)
    values = given.values[:, given.names.index(decides)]
    return np.where(np.isnan(values), np.nan, (values >= PASS).astype(np.float64))


def _finished(job: Job, paths: RunPaths, work: _Work, seconds: float) -> Rescored:
    if not work.frames:
        raise StoreError(f"{paths.run_id}: no completions could be scored.", hint="Allow more time, or other steps.")
    rows = pd.concat(work.frames, ignore_index=True)
    rows = rows.sort_values(["step", "group_index", "completion_index"], ignore_index=True)
    raised, lowered = worth_reading(rows, MAX_READ)
    left = len(job.steps) - len(work.frames)
    more = f"; {left:,} of them not scored within {job.request.budget_s:g} s" if left else ""
    found = Rescored(
        paths.run_id, "", job.file, job.words + more, job.request.rewards,
        tuple(reward.name for reward in work.fresh), summary(rows), _read(rows, raised), _read(rows, lowered),
        seconds, time.time(), work.traceback,
    )  # fmt: skip
    if not left:  # half an answer is not kept for the next who asks
        _write(paths, found, rows)
    return found if not left else replace(found, file="")


def _read(rows: pd.DataFrame, places: Sequence[int]) -> tuple[ReadRow, ...]:
    return tuple(_read_row(rows.iloc[place]) for place in places)


def _read_row(row: "pd.Series[Any]") -> ReadRow:
    values = {
        side: {name.split("/", 1)[1]: _known(row[name]) for name in row.index if str(name).startswith(f"{side}/")}
        for side in ("before", "after")
    }
    passed = {side: None if np.isnan(row[f"passed_{side}"]) else bool(row[f"passed_{side}"]) for side in values}
    return ReadRow(
        step=int(row["step"]), group_index=int(row["group_index"]), completion_index=int(row["completion_index"]),
        prompt=shown(row["prompt"]), completion=shown(row["text"]),
        reference=None if row["reference"] is None else shown(row["reference"]),
        total_before=_known(row["total_before"]), total_after=_known(row["total_after"]),
        advantage_before=_known(row["advantage_before"]), advantage_after=_known(row["advantage_after"]),
        passed_before=passed["before"], passed_after=passed["after"],
        parsed_before=row["parsed_before"], parsed_after=row["parsed_after"],
        values_before=values["before"], values_after=values["after"], reasons_after=row["reasons_after"],
    )  # fmt: skip


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _write(paths: RunPaths, found: Rescored, rows: pd.DataFrame) -> None:
    """Texts stay in run.db, and are not written again."""
    kept = rows.drop(columns=["text", "prompt", "reference"]).assign(
        **{name: rows[name].map(lambda reasons: json.dumps(reasons) if reasons else None)
           for name in ("reasons_before", "reasons_after")},
        **{name: rows[name].map(_storable, na_action="ignore") for name in ("parsed_before", "parsed_after")},
    )  # fmt: skip
    table = pa.Table.from_pandas(kept, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), METADATA: found.to_json().encode()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    with disk_errors(paths.root):
        (paths.root / FOLDER).mkdir(exist_ok=True)
        write_atomic(Path(found.file), buffer.getvalue())


def _storable(text: str) -> str:
    """Without half characters, which UTF-8 does not have."""
    return text.encode(errors="replace").decode()


if __name__ == "__main__":
    raise SystemExit(serve(lambda request, tell: rescore(Job.from_json(request), tell).to_json()))
