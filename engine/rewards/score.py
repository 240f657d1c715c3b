"""Calls the reward functions of a run on a batch of completions. A value that cannot be had is NaN, with its reason."""

import math
import operator
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config import RewardSpec
from engine.errors import ConfigError, RewardError
from engine.rewards.protocol import MISSING, Completion, Failed, RewardFunction, StepScores, completion_text
from engine.rewards.python_file import PythonFileParams, limits_of, target_of
from engine.rewards.registry import REWARDS, absence_problems, function_of, reward_problems
from engine.rewards.worker.client import CallResult, LibraryTarget, RewardWorker
from engine.rewards.worker.values import Logged
from engine.shown import short

MAX_PARSED = 200  # characters of a parsed answer that are kept

# What the convention itself passes; a dataset column of such a name cannot be passed too.
_RESERVED = frozenset(
    {
        *("prompt", "completion", "prompts", "completions", "completion_ids", "completion_offsets", "trainer_state"),
        *("log_extra", "log_metric"),
    }
)


@dataclass(frozen=True)
class BoundReward:
    """A reward of the run: its function with the settings filled in.

    `parse` gives the answer that the function reads in a completion, when it reads one. `needs_offsets`: it scores
    steps. `worker`: where it runs, if not in this process; `function` then asks it.
    """

    name: str
    function: RewardFunction
    parse: Callable[[str], str | None] | None = None
    needs_offsets: bool = False
    worker: RewardWorker | None = None


@dataclass(frozen=True)
class RewardNote:
    """What a call of a reward left for the log: the first traceback, and the first part of what was printed."""

    name: str
    traceback: str
    output: str


@dataclass(frozen=True)
class Scores:
    """`values` [B, R] has a row for each completion and a column for each reward; NaN is missing. `errors` says for
    each completion why values are missing: {reward: reason}. `parsed` is what the pass reward read. `steps` has for
    each completion the (token position, score) pairs of the rewards that score steps; their value is the mean score.
    `metrics` is what each reward gave to log_metric, a mean over these completions by name, and `refused` says why
    numbers of a name are not among them. `raw` has for each completion what functions gave where limits or gates made
    another number of it (see shaping.py). `failed` names for each completion the rewards whose value should be there
    and is not: a None that a function returned is no failure. `notes` are for the log.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    errors: list[dict[str, str]]
    parsed: list[str | None]
    seconds: float
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    steps: Sequence[Mapping[str, StepScores]] = ()
    raw: Sequence[Mapping[str, float]] = ()
    failed: Sequence[frozenset[str]] = ()
    notes: Sequence[RewardNote] = ()
    refused: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass
class _Results:
    """What one reward gave: a result for each completion, why there is none, and whether that is a failure."""

    results: Sequence[Any]
    reasons: list[str | None]
    failed: list[bool]


@dataclass(frozen=True)
class _Cell:
    """One value, NaN where it is missing, with the reason and whether that is a failure."""

    value: float
    reason: str | None
    failed: bool
    steps: StepScores


def bind_rewards(specs: Sequence[RewardSpec], copies: Path | None = None) -> list[BoundReward]:
    """The functions of these rewards; those with a worker have to be closed (close_rewards).

    `copies`: the folder with the run's own copies of reward files. Raises ConfigError for an unknown name, bad
    settings, or a package that is not here.
    """
    problems = [
        p for index, spec in enumerate(specs) for p in (*reward_problems(index, spec), *absence_problems(index, spec))
    ]
    if problems:
        raise ConfigError(problems)
    return [_bind(spec, copies) for spec in specs]


def close_rewards(rewards: Sequence[BoundReward]) -> None:
    """End the workers of these rewards, with all they started."""
    for reward in rewards:
        if reward.worker is not None:
            reward.worker.close()


def score(
    rewards: Sequence[BoundReward],
    *,
    prompts: Sequence[str | list[dict[str, str]]],
    completions: Sequence[Completion],
    completion_ids: Sequence[Sequence[int]],
    columns: Mapping[str, Sequence[Any]],
    conversational: bool,
    pass_reward: str | None = None,
    trainer_state: Any = None,
    completion_offsets: Sequence[Sequence[int]] | None = None,
    waiting: Callable[[], None] = lambda: None,
) -> Scores:
    """Score B completions with R rewards; prompts, completion_ids and every column have B entries.

    Functions see completions as strings, or as one-message lists when `conversational`. `parsed` is read by
    `pass_reward`, by default the first reward that reads an answer. A function that raises gives NaN for the whole
    batch. Workers begin first and are asked last, so that they compute at the same time; `waiting` is called now and
    then meanwhile, and may raise. Raises RewardError when a function of the library does not return B values.
    """
    started = time.perf_counter()
    texts = [completion_text(completion) for completion in completions]
    call = {
        **{name: list(column) for name, column in columns.items() if name not in _RESERVED},
        "prompts": list(prompts),
        "completions": [[{"role": "assistant", "content": text}] for text in texts] if conversational else texts,
        "completion_ids": completion_ids,
        "trainer_state": trainer_state,
    }
    given = _Given(call, completion_offsets)
    given.ask(rewards, waiting)
    values = np.full((len(texts), len(rewards)), np.nan)
    errors: list[dict[str, str]] = [{} for _ in texts]
    failed: list[set[str]] = [set() for _ in texts]
    steps: list[dict[str, StepScores]] = [{} for _ in texts]
    for index, reward in enumerate(rewards):
        for row, cell in enumerate(given.cells(reward.name, completion_ids)):
            values[row, index] = cell.value
            steps[row] |= {reward.name: cell.steps} if cell.steps else {}
            if cell.reason is not None:
                errors[row][reward.name] = cell.reason
                failed[row] |= {reward.name} if cell.failed else set()
    return Scores(
        tuple(reward.name for reward in rewards), values, errors, _parsed(rewards, texts, pass_reward),
        time.perf_counter() - started, given.metrics, steps, failed=[frozenset(row) for row in failed],
        notes=given.notes, refused=given.refused,
    )  # fmt: skip


class _Given:
    """What the rewards gave for a call: asked of workers and functions, then read one completion at a time."""

    def __init__(self, call: Mapping[str, Any], completion_offsets: Any) -> None:
        self.call = call
        self.offsets = completion_offsets
        self.metrics: dict[str, Mapping[str, float]] = {}
        self.refused: dict[str, Mapping[str, str]] = {}
        self.notes: list[RewardNote] = []
        self.results: dict[str, _Results] = {}

    def ask(self, rewards: Sequence[BoundReward], waiting: Callable[[], None]) -> None:
        """Workers begin first and are asked last."""
        workers = [(reward.name, reward.worker) for reward in rewards if reward.worker is not None]
        for _, worker in workers:
            worker.submit(for_worker(self.call))
        for reward in rewards:
            if reward.worker is None:
                offsets = {"completion_offsets": self.offsets} if reward.needs_offsets else {}
                logged = Logged()
                self.results[reward.name] = _call(reward, {**self.call, **offsets}, self.notes, logged)
                self._keep(reward.name, logged.means(), logged.refused)
        for name, worker in workers:
            self.results[name] = self._from_worker(name, worker.result(waiting))

    def _from_worker(self, name: str, found: CallResult) -> _Results:
        self._keep(name, found.metrics, found.refused)
        if found.traceback or found.output:
            self.notes.append(RewardNote(name, found.traceback, found.output))
        return _Results(found.values, list(found.reasons), list(found.failed))

    def _keep(self, name: str, metrics: Mapping[str, float], refused: Mapping[str, str]) -> None:
        self.metrics |= {name: metrics} if metrics else {}
        self.refused |= {name: refused} if refused else {}

    def cells(self, name: str, completion_ids: Sequence[Sequence[int]]) -> Iterator[_Cell]:
        """One for each completion."""
        given = self.results[name]
        for row, result in enumerate(given.results):
            yield _cell(result, given.reasons[row], given.failed[row], len(completion_ids[row]))


def _cell(result: Any, reason: str | None, failed: bool, length: int) -> _Cell:
    """A result as a number, with the steps that it is the mean of; an empty list of steps is as good as None."""
    found: StepScores = []
    meant = result is None and not failed
    if isinstance(result, Sequence) and not isinstance(result, str):
        meant = len(result) == 0
        result, found, reason = _mean_of_steps(result, length, reason)
    value, reason = _number(result, reason)
    return _Cell(value, reason, reason is not None and not meant, found)


def for_worker(call: Mapping[str, Any]) -> dict[str, Any]:
    """The call as a worker takes it: plain data alone."""
    state = call.get("trainer_state")
    plain = state if state is None or isinstance(state, Mapping) else dict(vars(state))
    return {**{name: value for name, value in call.items() if not callable(value)}, "trainer_state": plain}


def _bind(spec: RewardSpec, copies: Path | None) -> BoundReward:
    info = REWARDS[function_of(spec)]
    params, parse = info.params.model_validate(spec.params), info.parse
    bound_parse = None if parse is None else lambda text: parse(params, text)
    if info.where != "worker":
        assert info.make is not None
        return BoundReward(spec.name, info.make(params), bound_parse, info.steps)
    if isinstance(params, PythonFileParams):
        worker = RewardWorker(target_of(params, copies), limits_of(params))
    else:
        worker = RewardWorker(LibraryTarget(info.name, params.model_dump(mode="json")))
    return BoundReward(spec.name, _through(worker), bound_parse, info.steps, worker)


def _through(worker: RewardWorker) -> RewardFunction:
    """A worker as a function of TRL's convention."""

    def function(*, log_extra: Any = None, log_metric: Any = None, **call: Any) -> list[float | None]:
        found = worker.call(for_worker(call))
        for name, value in found.metrics.items() if log_metric else ():
            log_metric(name, value)
        if log_extra:
            log_extra(MISSING, found.reasons)
        return found.values

    return function


def _call(reward: BoundReward, call: Mapping[str, Any], notes: list[RewardNote], logged: Logged) -> _Results:
    """What the function returned for each completion, and why it returned None where it did."""
    expected = len(call["completions"])
    extra: dict[str, list[Any]] = {}
    try:
        results: Any = reward.function(**call, log_extra=extra.__setitem__, log_metric=logged.log)
    except Exception as error:  # any failure of a reward function: the run goes on, the values are missing
        reason = f"{type(error).__name__}: {error}"[:500]
        notes.append(RewardNote(reward.name, "".join(traceback.format_exception(error))[:4000], ""))
        return _Results([None] * expected, [reason] * expected, [True] * expected)
    if not isinstance(results, Sequence) or isinstance(results, str) or len(results) != expected:
        given = f"{len(results)} values" if isinstance(results, list | tuple) else type(results).__name__
        raise RewardError(
            f"Reward '{reward.name}' returned {given} for {expected} completions.",
            hint="A reward function returns a list with one number or None for each completion.",
        )
    reasons = extra.get(MISSING, [])
    told = list(reasons) if len(reasons) == expected else [None] * expected
    return _Results(results, told, [False] * expected)


def _number(result: Any, reason: str | None) -> tuple[float, str | None]:
    """The value, and why it is missing if it is."""
    if result is None:
        return math.nan, reason or "returned None"
    try:
        value = float(result) if not isinstance(result, str) else math.nan
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if math.isfinite(value):
        return value, None
    return math.nan, reason or f"returned {short(result)}, not a finite number"


def _mean_of_steps(
    result: Sequence[Any], length: int, reason: str | None
) -> tuple[float | None, StepScores, str | None]:
    """(mean score, the steps, why they are missing): one step that cannot be read makes the whole value missing."""
    try:
        found = [(operator.index(position), float(score)) for position, score in result]
    except (TypeError, ValueError, OverflowError):
        return None, [], f"returned {short(result)}, not a finite number, nor (token position, score) pairs"
    for position, score in found:
        if not 0 <= position < length:
            return None, [], f"scored a step at token {position} of a completion of {length} tokens"
        if not math.isfinite(score):
            return None, [], f"scored the step at token {position} {score}, not a finite number"
    if not found:
        return None, [], reason or "returned no step"
    return sum(score for _, score in found) / len(found), found, None


def _parsed(rewards: Sequence[BoundReward], texts: Sequence[str], wanted: str | None) -> list[str | None]:
    parse = next((r.parse for r in rewards if r.parse is not None and wanted in (None, r.name)), None)
    if parse is None:
        return [None] * len(texts)
    return [_read(parse, text) for text in texts]


def _read(parse: Callable[[str], str | None], text: str) -> str | None:
    """The answer in a completion; none where it cannot be read in time, for which the reward has its reason."""
    try:
        answer = parse(text)
    except Failed:
        return None
    return answer if answer is None else answer[:MAX_PARSED]
