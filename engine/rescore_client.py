"""Asks a child process to score the stored completions of a run with other rewards. Light: no reward runs here.

What was found is a file in the run's folder `rescored`, named by what was asked, so that the same question is answered
at once. It is a Parquet file: a row for each completion, and the summary in its metadata.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine.analysis.rescored import Passes, RewardChange, Summary
from engine.analysis.step_sample import sample_of
from engine.child_task import ChildTask
from engine.config_io import default_params
from engine.errors import RewardError, StoreError
from engine.rewards.python_file import NAME as PYTHON_FILE
from engine.rewards.worker.files import read_reward_file
from engine.runs.paths import RunPaths, read_config
from engine.runs.reader import RunReader

FOLDER = "rescored"
METADATA = b"grpo_lab_rescored"
MAX_COMPLETIONS = 4000
MAX_METADATA = 4 * 2**20
MAX_LISTED = 50
SPARE_S = 60.0  # beyond the budget: reading, the call under way when the budget ends, writing

Choose = Literal["spread", "newest"]


@dataclass(frozen=True)
class RescoreRequest:
    """`rewards`: the whole list, as RewardSpec in JSON has it. Those that are as in the run, but for weight, gate and
    limits, keep the values that are stored; with `recompute` they are scored again too.

    `choose`: evenly spaced steps, or the newest; as many as have about `max_completions`. What is not scored after
    `budget_s` is left out, and `Rescored.words` says so.
    """

    run: str
    rewards: tuple[Mapping[str, Any], ...]
    choose: Choose = "spread"
    max_completions: int = MAX_COMPLETIONS
    recompute: bool = False
    budget_s: float = 120.0


@dataclass(frozen=True)
class Job:
    """What the child is told: the request, the steps it means now, in words too, and the file to write."""

    request: RescoreRequest
    steps: tuple[int, ...]
    words: str
    file: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        raw = json.loads(text)
        request = raw["request"]
        return cls(
            RescoreRequest(**{**request, "rewards": tuple(request["rewards"])}), tuple(raw["steps"]), raw["words"],
            raw["file"],
        )  # fmt: skip


@dataclass(frozen=True)
class ReadRow:
    """A completion that is worth reading, with all that is said of it before and after."""

    step: int
    group_index: int
    completion_index: int
    prompt: str
    completion: str
    reference: str | None
    total_before: float | None
    total_after: float | None
    advantage_before: float | None
    advantage_after: float | None
    passed_before: bool | None
    passed_after: bool | None
    parsed_before: str | None
    parsed_after: str | None
    values_before: Mapping[str, float | None]
    values_after: Mapping[str, float | None]
    reasons_after: Mapping[str, str]


@dataclass(frozen=True)
class Rescored:
    """What was found. `problem`: why nothing was. `words`: which steps; `scored`: the rewards that were called.

    `raised`, `lowered`: completions whose total changes most, up and down.
    """

    run_id: str
    problem: str = ""
    file: str = ""
    words: str = ""
    rewards: tuple[Mapping[str, Any], ...] = ()
    scored: tuple[str, ...] = ()
    summary: Summary | None = None
    raised: tuple[ReadRow, ...] = ()
    lowered: tuple[ReadRow, ...] = ()
    seconds: float = 0.0
    at: float = 0.0
    traceback: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Rescored":
        """Raises ValueError, KeyError or TypeError when the text is not what to_json writes."""
        raw: dict[str, Any] = json.loads(text)
        found = raw["summary"]
        return cls(**{
            **raw, "rewards": tuple(raw["rewards"]), "scored": tuple(raw["scored"]),
            "summary": None if found is None else _summary(found),
            "raised": tuple(ReadRow(**row) for row in raw["raised"]),
            "lowered": tuple(ReadRow(**row) for row in raw["lowered"]),
        })  # fmt: skip


def start_rescore(request: RescoreRequest, *, cwd: Path | None = None) -> ChildTask[Rescored]:
    """Begin. Relative paths of reward files begin at `cwd`. The result never raises; `problem` says what is wrong.

    Raises LabError for what is wrong before the child begins: no such run, no such file, nothing stored.
    """
    job = job_of(request, cwd=cwd)
    run_id = Path(request.run).name
    return ChildTask(
        "engine.rescore", job.to_json(), Rescored.from_json,
        lambda why: Rescored(run_id, problem=f"There is no result: {why}."),
        timeout_s=request.budget_s + SPARE_S, cwd=cwd,
    )  # fmt: skip


def stored_rescore(request: RescoreRequest, *, cwd: Path | None = None) -> Rescored | None:
    """The answer to the same question, if it was asked before. Raises LabError as start_rescore does."""
    return read_rescored(Path(job_of(request, cwd=cwd).file))


def list_rescored(paths: RunPaths) -> list[Rescored]:
    """What was asked of a run before, newest first."""
    folder = paths.root / FOLDER
    files = sorted(folder.glob("*.parquet"))[:MAX_LISTED] if folder.is_dir() else []
    found = [one for file in files if (one := read_rescored(file)) is not None]
    return sorted(found, key=lambda one: -one.at)


def read_rescored(file: Path) -> Rescored | None:
    """The summary of a file; None where there is none, or it cannot be read."""
    try:
        text = (pq.read_schema(file).metadata or {}).get(METADATA, b"")
        return replace(Rescored.from_json(text.decode()), file=str(file)) if len(text) <= MAX_METADATA else None
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return None


def read_rows(found: Rescored) -> pd.DataFrame:
    """A row for each completion: what analysis.rescored.step_rows gives, group_index, completion_index, passed_,
    parsed_ and reasons_before and _after: what summary takes. Raises StoreError when the file cannot be read.
    """
    try:
        frame: pd.DataFrame = pq.read_table(found.file).to_pandas()
        return frame.assign(**{
            name: pd.Series([json.loads(text) if isinstance(text, str) else {} for text in frame[name]], dtype=object)
            for name in ("reasons_before", "reasons_after")
        })  # fmt: skip
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        raise StoreError(f"{found.file}: {error}.", hint="Delete it and score again.") from error


def job_of(request: RescoreRequest, *, cwd: Path | None = None) -> Job:
    """The steps that the request means now, its reward files named by their content, and the file for the answer."""
    paths = RunPaths(Path(request.run))
    config, reader = read_config(paths), RunReader(paths.db)
    pinned = replace(request, rewards=tuple(_pinned(spec, cwd or Path.cwd()) for spec in request.rewards))
    last, superseded, *_ = reader.change_token()
    if not last:
        raise StoreError(f"{paths.run_id} has no step yet.", hint="Score it when it has some.")
    rollout = config.rollout
    first, per_step = max(reader.first_step(), 1), rollout.num_generations * rollout.prompts_per_step
    steps, words = chosen_steps(request.choose, first, int(last), per_step, request.max_completions)
    asked = {**asdict(pinned), "run": "", "steps": steps, "superseded": superseded}
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
    return Job(pinned, steps, words, str(paths.root / FOLDER / f"{key}.parquet"))


def chosen_steps(
    choose: Choose, first: int, last: int, per_step: int, max_completions: int
) -> tuple[tuple[int, ...], str]:
    """The steps, and what to call them."""
    if choose == "spread":
        sample = sample_of(first, last, per_step, max_completions)
        return tuple(sample.steps), sample.words
    count = min(max(1, max_completions // max(per_step, 1)), last - first + 1)
    words = f"the newest {count:,} of {last - first + 1:,} steps" if count > 1 else "the newest step"
    return tuple(range(last - count + 1, last + 1)), words


def _pinned(spec: Mapping[str, Any], cwd: Path) -> Mapping[str, Any]:
    """The same, with the hash of its file where it has one and names none."""
    function = spec.get("function") or spec.get("name")
    params = {**default_params(str(function)), **(spec.get("params") or {})}
    if function == PYTHON_FILE and not params.get("sha256"):
        if not params.get("path"):
            raise RewardError(f"The reward {spec.get('name')!r} names no file.", hint="Set its path.")
        params["sha256"] = hashlib.sha256(read_reward_file(cwd / str(params["path"]))).hexdigest()
    return {**spec, "params": params}


def _summary(raw: Mapping[str, Any]) -> Summary:
    rewards = tuple(
        RewardChange(**{
            **one, "reasons_before": _counts(one["reasons_before"]), "reasons_after": _counts(one["reasons_after"])
        })
        for one in raw["rewards"]
    )  # fmt: skip
    return Summary(**{**raw, "passes": Passes(**raw["passes"]), "rewards": rewards})


def _counts(raw: Any) -> tuple[tuple[str, int], ...]:
    return tuple((str(reason), int(count)) for reason, count in raw)
