"""Calls the reward functions of a run on a batch of completions. A value that cannot be had is NaN, with its reason."""

import math
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config import RewardSpec
from engine.config_problems import short
from engine.errors import ConfigError, RewardError
from engine.rewards.protocol import MISSING, Completion, RewardFunction, StepScores, completion_text
from engine.rewards.registry import REWARDS, absence_problems, function_of, reward_problems

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
    steps.
    """

    name: str
    function: RewardFunction
    parse: Callable[[str], str | None] | None = None
    needs_offsets: bool = False


@dataclass(frozen=True)
class Scores:
    """`values` [B, R] has a row for each completion and a column for each reward; NaN is missing.

    `errors` says for each completion why values are missing: {reward: reason}. `parsed` is what the pass reward read.
    `steps` has for each completion the (token position, score) pairs of the rewards that score steps; their value is
    the mean score. `metrics` is what functions gave to log_metric. `raw` has for each completion what functions gave
    where limits or gates made another number of it (see shaping.py).
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    errors: list[dict[str, str]]
    parsed: list[str | None]
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    steps: Sequence[Mapping[str, StepScores]] = ()
    raw: Sequence[Mapping[str, float]] = ()


def bind_rewards(specs: Sequence[RewardSpec]) -> list[BoundReward]:
    """The functions of these rewards. Raises ConfigError for an unknown name, bad settings, or a package not here."""
    problems = [
        p for index, spec in enumerate(specs) for p in (*reward_problems(index, spec), *absence_problems(index, spec))
    ]
    if problems:
        raise ConfigError(problems)
    return [_bind(spec) for spec in specs]


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
) -> Scores:
    """Score B completions with R rewards; prompts, completion_ids and every column have B entries.

    Functions see completions as strings, or as one-message lists when `conversational`. `parsed` is read by
    `pass_reward`, by default the first reward that reads an answer. A function that raises gives NaN for the whole
    batch. Raises RewardError when one does not return B values.
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
    values = np.full((len(texts), len(rewards)), np.nan)
    errors: list[dict[str, str]] = [{} for _ in texts]
    steps: list[dict[str, StepScores]] = [{} for _ in texts]
    metrics: dict[str, float] = {}
    for index, reward in enumerate(rewards):
        offsets = {"completion_offsets": completion_offsets} if reward.needs_offsets else {}
        results, reasons = _call(reward, {**call, **offsets}, len(texts), metrics)
        for row, result in enumerate(results):
            if isinstance(result, Sequence) and not isinstance(result, str):
                result, found, reasons[row] = _mean_of_steps(result, len(completion_ids[row]), reasons[row])
                steps[row] |= {reward.name: found} if found else {}
            values[row, index], reason = _number(result, reasons[row])
            if reason is not None:
                errors[row][reward.name] = reason
    parsed = _parsed(rewards, texts, pass_reward)
    names = tuple(reward.name for reward in rewards)
    return Scores(names, values, errors, parsed, time.perf_counter() - started, metrics, steps)


def _bind(spec: RewardSpec) -> BoundReward:
    info = REWARDS[function_of(spec)]
    params, parse = info.params.model_validate(spec.params), info.parse
    bound_parse = None if parse is None else lambda text: parse(params, text)
    return BoundReward(spec.name, info.make(params), bound_parse, info.steps)


def _call(
    reward: BoundReward, call: Mapping[str, Any], expected: int, metrics: dict[str, float]
) -> tuple[Sequence[Any], list[str | None]]:
    """What the function returned for each completion, and why it returned None where it did."""
    extra: dict[str, list[Any]] = {}
    try:
        results: Any = reward.function(**call, log_extra=extra.__setitem__, log_metric=metrics.__setitem__)
    except Exception as error:  # any failure of a reward function: the run goes on, the values are missing
        reason = f"{type(error).__name__}: {error}"[:500]
        return [None] * expected, [reason] * expected
    if not isinstance(results, Sequence) or isinstance(results, str) or len(results) != expected:
        given = f"{len(results)} values" if isinstance(results, list | tuple) else type(results).__name__
        raise RewardError(
            f"Reward '{reward.name}' returned {given} for {expected} completions.",
            hint="A reward function returns a list with one number or None for each completion.",
        )
    reasons = extra.get(MISSING, [])
    return results, list(reasons) if len(reasons) == expected else [None] * expected


def _number(result: Any, reason: str | None) -> tuple[float, str | None]:
    """The value, and why it is missing if it is."""
    if result is None:
        return math.nan, reason or "returned None"
    try:
        value = float(result) if not isinstance(result, str) else math.nan
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    return (value, None) if math.isfinite(value) else (math.nan, f"returned {short(result)}, not a finite number")


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
    return [answer if answer is None else answer[:MAX_PARSED] for answer in map(parse, texts)]
