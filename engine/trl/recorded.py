"""A run that TRL recorded, as steps of ours: what its files hold, and in sentences what they do not.

TRL keeps the rows of its newest generation batch and writes them at each logging step, whatever they are by then: the
completions of an evaluation, or those of an earlier step when a batch is used for several updates. Such files are told
by the log, or by their content, and are not taken for completions of the step that they are called after.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.analysis.advantages import group_statistics, total_rewards
from engine.analysis.evaluation import Estimate
from engine.analysis.groups import group_kind
from engine.data.example import example_id
from engine.runs.records import CompletionRecord, EvaluationRecord, GroupKind, GroupRecord, StepRecord
from engine.trl.recorded_files import CHANGED, MAX_ROWS, Layout, Stamp, Table, fail, read_tables
from engine.trl.recorded_groups import EXACT, Floats, Rule, groups_of
from engine.trl.recorded_log import TrainerLog

MAX_REWARDS = 16  # as RunConfig.rewards


@dataclass(frozen=True)
class Recording:
    """What a scan of the files found. sources: {step: its file}, of the files whose rows the step trained on.

    functions: names of the reward columns; weights [R], all 0 when it is not known which of them are rewards, so that
    totals are missing. size: num_generations, None when rows do not tell. rule: how
    advantages come about, None when no rule that is known here gives them.
    """

    layout: Layout
    log: TrainerLog | None
    sources: Mapping[int, Path]
    functions: tuple[str, ...]
    weights: Floats
    size: int | None
    rule: Rule | None
    per_step: int  # groups of a step, at most
    stamps: Mapping[Path, Stamp]  # of the sources, as they were scanned

    @property
    def steps(self) -> list[int]:
        """Every step of which something is known, in order."""
        return sorted({*self.sources, *(self.log.steps if self.log is not None else ())})

    def records(self) -> Iterator[StepRecord]:
        """The steps, in order, each read when it is asked for."""
        held, tables = None, dict[int, Table]()
        for step in self.steps:
            source = self.sources.get(step)
            if source is not None and source != held:
                tables.clear()  # before the next one is read: the tables of one file at a time
                held, tables = source, self._tables_of(source)
            if source is not None and step not in tables:
                fail(f"{source.name} no longer has step {step:,}.", CHANGED)
            yield _step_record(self, step, tables[step] if source is not None else None)

    def _tables_of(self, path: Path) -> dict[int, Table]:
        tables = {table.step: table for table in read_tables(path)}
        if any(table.stamp != self.stamps[path] for table in tables.values()):
            fail(f"{path.name} is not as it was when it was first read.", CHANGED)
        return tables


def each_table(layout: Layout) -> Iterator[tuple[Path, Table]]:
    """All tables of a layout, file by file. Raises DatasetError when a step is in two files, or rows are too many."""
    seen: dict[int, str] = {}
    num_rows = 0
    for path in layout.completions:
        for table in read_tables(path):
            if table.step in seen:
                hint = "TRL writes one file a step: keep the one that belongs to the run."
                fail(f"Step {table.step:,} is in {seen[table.step]} and in {path.name}.", hint)
            seen[table.step] = path.name
            num_rows += len(table)
            if num_rows > MAX_ROWS:
                fail(f"The files have more than {MAX_ROWS:,} rows.", "Import a part of them.")
            yield path, table


def reward_columns(table: Table, log: TrainerLog | None) -> tuple[str, ...]:
    """The reward functions: those the log names; without a log, every column of numbers, which may be one of them."""
    named = [name for name in table.numbers if log is not None and name in log.functions]
    return tuple(named or table.numbers)


def content_key(table: Table) -> bytes:
    """Equal for tables with the same rows, of whatever step."""
    sha = hashlib.sha256()
    for text in (*table.prompts, *table.completions):
        sha.update(text.encode(errors="replace") + b"\0")
    for values in (*table.numbers.values(), table.advantages):
        sha.update(values.tobytes())
    return sha.digest()


def rewards_of(table: Table, functions: Sequence[str]) -> Floats:
    """[B, R], NaN where a value is missing. Raises DatasetError when the table lacks a function."""
    for name in functions:
        if name not in table.numbers:
            what = "holds something else than numbers" if name in table.others else "is missing"
            fail(f"{table.name}: the column of the reward {name!r} {what}.", "All files must come from one run.")
    return np.column_stack([table.numbers[name] for name in functions])


def evaluation_record(log: TrainerLog, step: int, num_generations: int) -> EvaluationRecord | None:
    """An evaluation of TRL as ours; None when the number of its prompts does not follow from the log."""
    found = log.evaluations[step]
    if found.num_prompts is None:
        return None
    metrics = {name: Estimate(value) for name, value in found.rewards.items()}
    return EvaluationRecord(step, found.num_prompts, num_generations, found.seconds, metrics)


def _step_record(recording: Recording, step: int, table: Table | None) -> StepRecord:
    logged = recording.log.steps.get(step, {}) if recording.log is not None else {}
    if table is None:
        means = recording.log.means.get(step, {}) if recording.log is not None else {}
        return StepRecord(step, (), logged, {}, reward_means=means)
    values = rewards_of(table, recording.functions)
    totals = total_rewards(values, recording.weights)
    scale = _batch_std(totals) if recording.rule is not None and recording.rule.scale_rewards == "batch" else None
    rows_of = groups_of(table.prompts, recording.size, table.name)
    groups = [_group(recording, table, rows, totals, scale) for rows in rows_of]
    return StepRecord(step, groups, {**_metrics(groups, totals, values), **logged}, {})


def _group(
    recording: Recording, table: Table, rows: Sequence[int], totals: Floats, batch_std: float | None
) -> GroupRecord:
    own = totals[list(rows)]
    mean, std = (float(values[0]) for values in group_statistics(own, len(own)))
    texts = [table.completions[row] for row in rows]
    prompt = table.prompts[rows[0]]
    by_group = recording.rule is not None and recording.rule.scale_rewards == "group"
    return GroupRecord(
        prompt_id=example_id(prompt, None), prompt=prompt, rendered=None if table.chat else prompt, reference=None,
        columns=_columns(recording, table, rows), prompt_tokens=None, mean=mean, std=std,
        scale=std if by_group else batch_std,
        kind=_kind(recording, own, table.advantages[list(rows)], texts),
        completions=[_completion(recording, table, row, float(totals[row])) for row in rows],
    )  # fmt: skip


def _kind(recording: Recording, totals: Floats, advantages: Floats, texts: Sequence[str]) -> GroupKind:
    """By totals, unless there are advantages all the same: with other weights the totals may not be equal. Totals that
    nobody knows are no failure of a reward function.
    """
    if np.abs(advantages).max() > EXACT:
        return "mixed"
    if not recording.weights.any():
        return "identical" if len(set(texts)) == 1 else "other"
    return group_kind(totals.tolist(), [None] * len(texts), [False] * len(texts), texts)


def _completion(recording: Recording, table: Table, row: int, total: float) -> CompletionRecord:
    rewards = {name: float(table.numbers[name][row]) for name in recording.functions}
    errors = {
        name: "too large or infinite in TRL's file" if (name, row) in table.infinite else "TRL recorded no value"
        for name, value in rewards.items()
        if math.isnan(value)
    }
    return CompletionRecord(
        text=table.completions[row], finish_reason=None, rewards=rewards, total=total,
        advantage=float(table.advantages[row]), tokens=None, mean_kl=None, max_kl=None, mean_entropy=None,
        mean_logprob=None, errors=errors,
    )  # fmt: skip


def _columns(recording: Recording, table: Table, rows: Sequence[int]) -> dict[str, Any]:
    """Logged extra columns: a list with a value for each completion, or one that all of the group share and that is
    no list itself, so that a list is always the former.
    """
    numbers = {name: values for name, values in table.numbers.items() if name not in recording.functions}
    found: dict[str, Any] = {}
    for name, cells in {**table.others, **{name: values.tolist() for name, values in numbers.items()}}.items():
        own = [None if isinstance(cells[row], float) and math.isnan(cells[row]) else cells[row] for row in rows]
        is_shared = not isinstance(own[0], list) and all(value == own[0] for value in own)
        found[name] = own[0] if is_shared else own
    return found


def _metrics(groups: Sequence[GroupRecord], totals: Floats, values: Floats) -> dict[str, float]:
    """What rows tell of a step; the log's own numbers come over them."""
    scored, kinds = totals[~np.isnan(totals)], [group.kind for group in groups]
    stds = np.array([group.std for group in groups if not math.isnan(group.std)])
    means = np.array([group.mean for group in groups if not math.isnan(group.mean)])
    return {
        "reward": float(scored.mean()) if len(scored) else math.nan,
        "reward_std": float(scored.std(ddof=1)) if len(scored) > 1 else math.nan,
        "reward_within_std": float(stds.mean()) if len(stds) else math.nan,
        "reward_between_std": float(means.std(ddof=1)) if len(means) > 1 else math.nan,
        "frac_reward_zero_std": 1 - kinds.count("mixed") / len(kinds),
        "frac_identical": kinds.count("identical") / len(kinds),
        "frac_failed": kinds.count("failed") / len(kinds),
        "frac_other_dead": kinds.count("other") / len(kinds),
        "reward_error_rate": float(np.isnan(values).mean()),
    }


def _batch_std(totals: Floats) -> float:
    scored = totals[~np.isnan(totals)]
    return float(scored.std(ddof=1)) if len(scored) > 1 else math.nan
