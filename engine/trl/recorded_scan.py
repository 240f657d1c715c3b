"""Looks once through the files of a recorded run: whose rows they are, what a group is, what advantages come from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from engine.config_loss import LossConfig
from engine.trl.recorded import MAX_REWARDS, Recording, content_key, each_table, reward_columns, rewards_of
from engine.trl.recorded_choice import Evidence, choose_columns, choose_weights, given_weights
from engine.trl.recorded_files import Layout, Stamp, Table, fail
from engine.trl.recorded_groups import EXACT, Floats, Rows, Rule, divisors, group_size, stretches
from engine.trl.recorded_log import TrainerLog, read_log

MAX_LISTED = 12  # steps named in a sentence


@dataclass(frozen=True)
class Found:
    """A recording, the evaluations whose group size is known, and sentences: what is there and what is not."""

    recording: Recording
    eval_sizes: Mapping[int, int]
    notes: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass
class _Scan:
    """What is gathered file by file. lengths: stretches of rows with one prompt."""

    log: TrainerLog | None
    functions: tuple[str, ...] = ()
    chat: bool = False
    sources: dict[int, Path] = field(default_factory=dict)
    stamps: dict[Path, Stamp] = field(default_factory=dict)
    rows: list[Rows] = field(default_factory=list)
    lengths: set[int] = field(default_factory=set)
    repeated: list[int] = field(default_factory=list)
    of_evaluation: dict[int, list[int]] = field(default_factory=dict)
    extra: dict[str, None] = field(default_factory=dict)
    contents: set[bytes] = field(default_factory=set)

    def take(self, path: Path, table: Table) -> None:
        if not self.functions:
            self.functions = _checked(reward_columns(table, self.log), table)
        if table.step == 0 or (self.log is not None and table.step in self.log.evaluations):
            self.of_evaluation[table.step] = stretches(table.prompts)
            return
        if self._is_repeated(table):
            self.repeated.append(table.step)
            return
        self.chat = self.chat or table.chat
        self.sources[table.step] = path
        self.stamps[path] = table.stamp
        self.rows.append(Rows(table.step, rewards_of(table, self.functions), table.advantages))
        self.lengths.update(stretches(table.prompts))
        self.extra.update(dict.fromkeys(name for name in (*table.numbers, *table.others) if name not in self.functions))

    def _is_repeated(self, table: Table) -> bool:
        """Whether the rows were those of an earlier step: the log has no reward where nothing was sampled."""
        key = content_key(table)
        seen = key in self.contents
        self.contents.add(key)
        of_log = self.log is not None and table.step in self.log.steps and table.step not in self.log.sampled
        return seen or of_log


def scan(
    layout: Layout, *, weights: Sequence[float] | None = None, size: int | None = None, loss: LossConfig | None = None
) -> Found:
    """Read everything once. weights, size, loss: of TRL's config, when it is given.

    Raises DatasetError for files that cannot be used, or that are not of a run with these settings.
    """
    log = read_log(layout.state) if layout.state is not None else None
    found = _Scan(log)
    for path, table in each_table(layout):
        found.take(path, table)
    if not found.sources and (log is None or not log.steps):
        fail(f"{layout.folder} has no step with completions or numbers.", "Choose a folder with a recorded run.")
    functions = found.functions or (log.functions if log is not None else ())
    if not functions:
        fail(f"{layout.folder} names no reward function.", "It should be a run of TRL's GRPOTrainer.")
    by_rows = _size(found, group_size(found.lengths) if found.lengths else None, size)
    logged = {step: numbers["reward"] for step, numbers in log.steps.items() if "reward" in numbers} if log else {}
    ordered = sorted(found.rows, key=lambda rows: rows.step)
    covered = {
        rows.step: logged[rows.step] for rows in ordered if rows.step in logged and _covers(rows, functions, log)
    }
    evidence = Evidence(ordered, logged, covered, by_rows, [Rule.of(loss)] if loss is not None else [])
    given = np.array(weights, dtype=np.float64) if weights is not None else None
    smaller = divisors(by_rows) if size is None and by_rows is not None else []
    read = _read_with_sizes(evidence, smaller, functions, given, log)
    found.extra.update(dict.fromkeys(name for name in functions if name not in read.functions))
    functions, decided, actual, rule = read.functions, read.weights, read.size, read.rule
    recording = Recording(
        layout, log, dict(sorted(found.sources.items())), functions, decided, actual, rule, _per_step(ordered, actual),
        found.stamps,
    )  # fmt: skip
    several = ", or several groups of one prompt" if rule is None and smaller else ""
    notes = (*_counted(found, log, actual, functions, several), read.words, _arithmetic(rule, ordered, actual))
    missing = tuple(_missing(found, log, read.unknown))
    return Found(recording, _eval_sizes(found, log, actual), tuple(filter(None, notes)), missing)


@dataclass(frozen=True)
class _Reading:
    """What was settled on. words: where the weights come from; unknown: why there are no totals, "" when there are."""

    functions: tuple[str, ...]
    weights: Floats
    size: int | None
    rule: Rule | None
    words: str
    unknown: str


def _read_with_sizes(
    evidence: Evidence, smaller: Sequence[int], functions: tuple[str, ...], given: Floats | None, log: TrainerLog | None
) -> _Reading:
    """With the first group size whose advantages some rule gives: that of the rows, else a smaller one; else the rows'.

    smaller: sizes that the rows allow as well, where each batch held one prompt in several groups.
    """
    by_rows = _read(evidence, functions, given, log)
    if by_rows.rule is not None:
        return by_rows
    others = (_read(replace(evidence, size=size), functions, given, log) for size in smaller)
    return next((read for read in others if read.rule is not None), by_rows)


def _read(evidence: Evidence, functions: tuple[str, ...], given: Floats | None, log: TrainerLog | None) -> _Reading:
    chosen, unknown = _columns(evidence, functions, given, log)
    if chosen is not None:
        functions, evidence = tuple(functions[place] for place in chosen), evidence.of(chosen)
    if unknown and given is None:
        weights, words = np.zeros(len(functions)), ""
    elif given is not None:
        weights, words = given_weights(evidence, _checked_weights(given, functions))
    else:
        weights, words = choose_weights(evidence, functions, log)
    return _Reading(functions, weights, evidence.size, evidence.rule(weights), words, unknown)


def _per_step(rows: Sequence[Rows], size: int | None) -> int:
    return max((len(step.advantages) // (size or 1) for step in rows), default=1)


def _checked(functions: tuple[str, ...], table: Table) -> tuple[str, ...]:
    if not functions:
        fail(f"{table.name} has no column with the values of a reward function.", "TRL writes one for each function.")
    if len(functions) > MAX_REWARDS:
        what = f"{table.name} has {len(functions):,} columns of numbers that may be reward functions"
        fail(f"{what}, at most {MAX_REWARDS} can be kept.", "A trainer_state.json beside them tells which ones are.")
    return functions


def _size(found: _Scan, by_rows: int | None, given: int | None) -> int | None:
    """num_generations of the config where rows agree with it, else what rows say."""
    if given is None or not found.lengths:
        return by_rows
    if any(length % given for length in found.lengths):
        fail(
            f"The config says num_generations {given}, but prompts stand in stretches of {sorted(found.lengths)[:8]}.",
            "Name the config of this run, or none.",
        )
    return given


def _columns(
    evidence: Evidence, functions: Sequence[str], given: Floats | None, log: TrainerLog | None
) -> tuple[Sequence[int] | None, str]:
    """Which of the columns are rewards where there is a choice, or why nobody knows; None and "" where there is none.

    TRL writes a column for each reward function, so a single one is it, and as many as the config has weights are they.
    """
    named = log is not None and any(name in log.functions for name in functions)
    if named or not evidence.rows or len(functions) == (1 if given is None else len(given)):
        return None, ""
    return choose_columns(evidence, functions, given)


def _checked_weights(given: Floats, functions: Sequence[str]) -> Floats:
    if len(given) != len(functions):
        said = f"The config has {len(given)} reward weights, the run has {len(functions)} reward functions"
        fail(f"{said} ({', '.join(functions)}).", "Name the config of this run, or none.")
    return given


def _covers(rows: Rows, functions: Sequence[str], log: TrainerLog | None) -> bool:
    """Whether the rows of a file are all that its entry of the log is a mean of: the means of each function agree."""
    means = log.means.get(rows.step, {}) if log is not None else {}
    own = {name: column[~np.isnan(column)] for name, column in zip(functions, rows.rewards.T, strict=True)}
    return all(
        name in means and len(values) and abs(float(values.mean()) - means[name]) <= EXACT
        for name, values in own.items()
    )


def _arithmetic(rule: Rule | None, rows: Sequence[Rows], size: int | None) -> str:
    count = sum(len(step.advantages) for step in rows)
    if not rows:
        return ""
    if size is None or rule is None:
        return (
            "The recorded advantages are shown as they are: the rules that are known here do not give them from the "
            "rewards, or there is none to compare with."
        )
    how = {"group": "divided by the group's standard deviation", "none": "not divided",
           "batch": "divided by the standard deviation of the batch"}[rule.scale_rewards]  # fmt: skip
    if rule.aggregation == "normalize_then_sum":
        how = "each reward compared in its group first, then summed"
    others = ", compared with the mean of the others" if rule.baseline == "leave_one_out" else ""
    return f"Computed again from the rewards, all {count:,} advantages are those recorded, to {EXACT:g}: {how}{others}."


def _counted(
    found: _Scan, log: TrainerLog | None, size: int | None, functions: Sequence[str], several: str
) -> list[str]:
    rows = sum(len(step.advantages) for step in found.rows)
    notes = [f"{rows:,} completions of {len(found.sources):,} steps, scored by {', '.join(functions)}."]
    if found.rows and size is not None:
        notes.append(f"They stand in groups of {size}{several}.")
    if found.rows and size is None:
        notes.append(
            "Prompts do not stand in stretches of one length, so all rows of a prompt in a step are one group."
        )
    if found.extra:
        notes.append(f"Logged beside them, and kept with the groups: {', '.join(found.extra)}.")
    if log is not None:
        notes.append(f"Numbers of {len(log.steps):,} steps from trainer_state.json.")
    return notes


def _missing(found: _Scan, log: TrainerLog | None, unknown: str) -> list[str]:
    """What is not there, in sentences. unknown: why there are no total rewards, "" when there are."""
    lost = [unknown] if unknown else []
    if log is None:
        computed = "" if unknown else " Rewards are computed from the rows."
        lost.append(f"No trainer_state.json: no KL, entropy, loss, lengths or times.{computed}")
    elif without := [step for step in log.steps if step not in {*found.sources, *found.repeated, *found.of_evaluation}]:
        lost.append(f"Numbers but no completions: {_steps(without)}.")
    if log is not None and (unlogged := [step for step in found.sources if step not in log.steps]):
        lost.append(f"Completions but no entry of the log, so with rewards alone: {_steps(unlogged)}.")
    if found.repeated:
        lost.append(
            f"Trained again on the completions of a step before, which are kept once: {_steps(found.repeated)}."
        )
    if found.of_evaluation:
        what = "An evaluation took the place of the step's completions in the file"
        lost.append(f"{what}: {_steps(sorted(found.of_evaluation))}.")
    if log is not None and log.left_out:
        more = f" and {len(log.left_out) - 20} more" if len(log.left_out) > 20 else ""
        lost.append(f"Logged, without a place here: {', '.join(log.left_out[:20])}{more}.")
    if found.chat:
        lost.append("Prompts are conversations: how the chat template rendered them is not recorded.")
    return [*lost, "TRL does not record tokens: no lengths or ends of single completions, and no token view."]


def _steps(steps: Sequence[int]) -> str:
    """step 4; steps 2, 4, 6 and 20 more"""
    rest = len(steps) - MAX_LISTED
    listed = ", ".join(f"{step:,}" for step in steps[:MAX_LISTED])
    return f"step{'s' if len(steps) > 1 else ''} {listed}{f' and {rest:,} more' if rest > 0 else ''}"


def _eval_sizes(found: _Scan, log: TrainerLog | None, size: int | None) -> dict[int, int]:
    """Completions for each prompt of an evaluation, where its file holds the evaluation alone: {step: size}."""
    sizes = {}
    for step, lengths in found.of_evaluation.items():
        common, evaluation = math.gcd(*lengths), log.evaluations.get(step) if log is not None else None
        prompts = evaluation.num_prompts if evaluation is not None else None
        if prompts is not None and sum(lengths) <= prompts * common:
            sizes[step] = common
    return sizes
