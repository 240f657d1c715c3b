"""What becomes of a reward's values before they count: limits, gates, and what a failure takes with it. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.config_rewards import RewardSpec, is_trained
from engine.rewards.protocol import StepScores
from engine.rewards.registry import info_of
from engine.rewards.score import Scores

_TAKEN = "it counts only together with {}, which failed"
_TAKEN_BY = re.compile(re.escape(_TAKEN).replace(r"\{\}", "(.*)"), re.DOTALL)


def shaped(scores: Scores, specs: Sequence[RewardSpec]) -> Scores:
    """The scores as they count, with what a function gave kept in `raw` where that is another number.

    First the limits of each reward, then its gate: where the other reward is below the bar it counts 0, and where that
    one is missing it is missing too, as nobody knows whether it would have counted. Gates look at what functions gave,
    so their order does not matter. Last, where a trained reward has failed, the other trained ones are missing too: a
    total of what is left would count the failure as 0. One that a function declined (None) takes nothing with it: what
    it does not apply to is judged by the others. `specs` are those of the columns, in their order.
    """
    given = scores.values
    values = np.column_stack([_limited(given[:, place], spec) for place, spec in enumerate(specs)])
    errors = [dict(found) for found in scores.errors]
    for place, spec in enumerate(specs):
        if spec.gate:
            bar = given[:, scores.names.index(spec.gate)]
            values[:, place] = np.where(np.isnan(values[:, place]) | (bar >= spec.gate_at), values[:, place], 0.0)
            _undecided(values[:, place], bar, spec, errors)
    steps = _without_failures(values, scores, specs, errors)
    raw = [
        {name: float(given[row, i]) for i, name in enumerate(scores.names) if _differ(given[row, i], values[row, i])}
        for row in range(len(given))
    ]
    return replace(scores, values=values, errors=errors, raw=raw, steps=steps)


def best_total(specs: Sequence[RewardSpec]) -> float:
    """What a completion would earn for which every reward gives its best, by the ranges that rewards declare."""
    total = 0.0
    for spec in (spec for spec in specs if spec.weight):
        info = info_of(spec)
        # What a function of the user's can give, nobody has declared.
        ends = _limited(np.array((-np.inf, np.inf) if info is None or info.make is None else info.value_range), spec)
        total += float((spec.weight * ends).max())
    return total


def told_failed(errors: Mapping[str, str]) -> frozenset[str]:
    """The rewards that failed at a completion, as far as the stored reasons of the others tell."""
    return frozenset(found[1] for reason in errors.values() if (found := _TAKEN_BY.fullmatch(reason)))


def _limited(values: NDArray[np.float64], spec: RewardSpec) -> NDArray[np.float64]:
    low = -np.inf if spec.clip_low is None else spec.clip_low
    return np.clip(values, low, np.inf if spec.clip_high is None else spec.clip_high)  # NaN stays NaN


def _undecided(
    values: NDArray[np.float64], bar: NDArray[np.float64], spec: RewardSpec, errors: list[dict[str, str]]
) -> None:
    """Make the values missing whose gate is, with the reason."""
    for row in np.flatnonzero(np.isnan(bar) & ~np.isnan(values)):
        values[row] = np.nan
        errors[row][spec.name] = f"it counts only with {spec.gate}, which is missing"


def _without_failures(
    values: NDArray[np.float64], scores: Scores, specs: Sequence[RewardSpec], errors: list[dict[str, str]]
) -> list[Mapping[str, StepScores]]:
    """Make the trained values missing beside which a trained one failed, with the reason. Returns the step scores left.

    A reward whose gate has failed has failed with it.
    """
    trained = {spec.name for spec in specs if is_trained(spec)}
    gates = {spec.name: spec.gate for spec in specs if spec.name in trained}
    steps = list(scores.steps)
    for row, failures in enumerate(scores.failed):
        failed = [name for name, gate in gates.items() if name in failures or gate in failures]
        if not failed:
            continue
        for name in trained - failures:
            place = scores.names.index(name)
            if not np.isnan(values[row, place]):
                values[row, place] = np.nan
                errors[row][name] = _TAKEN.format(failed[0])
        if steps:
            steps[row] = {name: found for name, found in steps[row].items() if name not in trained}
    return steps


def _differ(given: float, counts: float) -> bool:
    return not np.isnan(given) and given != counts
