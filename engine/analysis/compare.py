"""Two or more runs on one axis: what a run has spent by each step, and whether a monitor falls while a reward rises.

Pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.analysis.smoothing import debiased_ema

Values = NDArray[np.float64]
MIN_POINTS = 20  # steps below which nothing is said of a turn


@dataclass(frozen=True)
class Turn:
    """Where a monitor was at its best, and what has happened since. `kl` is the KL there, NaN when it is not known."""

    step: int
    kl: float
    monitor_then: float
    monitor_now: float
    reward_then: float
    reward_now: float


def working_seconds(finished_at: ArrayLike, attempts: Sequence[tuple[float, float | None]]) -> Values:
    """Seconds that engines had worked on a run when each step was finished [N]: time between attempts does not count.

    attempts: (started, ended) of each engine process in seconds since 1970, oldest first. One that was killed has no
    end and counts up to the last step that it finished. Without attempts, seconds since the first step. Loading,
    evaluations, checkpoints and replayed steps count: an engine worked on them. Never falls, whatever the clock did.
    """
    at = np.asarray(finished_at, dtype=np.float64)
    if not at.size:
        return at
    if not attempts:
        return np.maximum.accumulate(at - at[0])
    total = np.zeros_like(at)
    starts = [started for started, _ in attempts]
    for (started, ended), following in zip(attempts, [*starts[1:], math.inf], strict=True):
        mine = at[(at >= started) & (at < following)]
        end = ended if ended is not None else float(mine.max()) if mine.size else started
        total += np.clip(at, started, max(started, min(end, following))) - started
    return np.maximum.accumulate(total)


def spent_so_far(per_step: ArrayLike) -> Values:
    """Running total [N] of what each step spent; NaN at a step that does not say, which adds nothing."""
    values = np.asarray(per_step, dtype=np.float64)
    known = np.isfinite(values)
    return np.where(known, np.cumsum(np.where(known, values, 0.0)), np.nan)


def turned(steps: ArrayLike, kl: ArrayLike, reward: ArrayLike, monitor: ArrayLike, weight: float) -> Turn | None:
    """Over-optimisation: since its best smoothed value the monitor fell, while the trained reward rose. None if not so.

    steps, kl, reward, monitor [N]. The best value is the one with the highest lower bound, two standard errors below:
    the first ones are means of a few steps. Both changes must exceed twice the standard error of the difference. What
    is looked for is figure 1 of Gao et al. 2022, arXiv:2210.10760. Raises ValueError unless 0 < weight < 1: around
    values that are not smoothed there is no spread to see.
    """
    if not 0 < weight < 1:
        raise ValueError(f"the weight of a smoothed line is {weight}; here it must be above 0 and below 1.")
    smooth_kl, smooth_reward, smooth_monitor = (debiased_ema(values, weight) for values in (kl, reward, monitor))
    known = np.flatnonzero(np.isfinite(smooth_reward) & np.isfinite(smooth_monitor))
    if known.size < MIN_POINTS:
        return None
    errors_monitor = _standard_errors(monitor, smooth_monitor, weight)
    errors_reward = _standard_errors(reward, smooth_reward, weight)
    backwards = known[::-1]  # a plateau ends where the fall begins
    peak = int(backwards[np.argmax(smooth_monitor[backwards] - 2 * errors_monitor[backwards])])
    last = int(known[-1])
    fell, rose = smooth_monitor[peak] - smooth_monitor[last], smooth_reward[last] - smooth_reward[peak]
    ends = [peak, last]
    if fell <= 2 * math.hypot(*errors_monitor[ends]) or rose <= 2 * math.hypot(*errors_reward[ends]):
        return None
    return Turn(
        int(np.asarray(steps)[peak]), float(smooth_kl[peak]), float(smooth_monitor[peak]), float(smooth_monitor[last]),
        float(smooth_reward[peak]), float(smooth_reward[last]),
    )  # fmt: skip


def _standard_errors(raw: ArrayLike, smooth: Values, weight: float) -> Values:
    """Of each value of a smoothed line [N], when raw values are independent with one spread σ around what they mean.

    σ follows from the distances to the line, x_t − y_t = w (x_t − y_(t−1)), of which the spread is w σ √(2 / (1 + w)).
    A mean of t values has the variance σ² (1 − w) / (1 + w) · (1 + w^t) / (1 − w^t).
    """
    values = np.asarray(raw, dtype=np.float64)
    count = np.maximum(np.cumsum(np.isfinite(values)), 1)
    rest = (values - smooth)[np.isfinite(values - smooth)]
    sigma = float(np.std(rest)) / (weight * math.sqrt(2 / (1 + weight)))
    faded = weight**count
    errors: Values = sigma * np.sqrt((1 - weight) / (1 + weight) * (1 + faded) / (1 - faded))
    return errors
