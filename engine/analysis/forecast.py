"""How many groups will carry no signal? A forecast for each group size, from completions of a few prompts. Pure.

P prompts with n completions each, sampled before training. A group of G' completions is dead when all have the same
total reward, so what matters is how each prompt's completions fall on the values that the total takes.

The chance that a completion is right differs from prompt to prompt, and the formula with the mean of these chances is
far off: for prompts spread as Beta(0.4, 0.6) groups of 8 are dead in 42 of 100 cases, not in 2. So the spread itself is
estimated: chances are Beta(a, b) over prompts, (a, b) is known only as far as the sample tells, and the forecast is the
mean over what is known of it. With Jeffreys' prior for each prompt alone it is biased where prompts are alike.

How far the 95 % intervals can be trusted: against simulated prompts of eight kinds they held 85 to 100 % of what came,
most of them 91 to 97 %. In real runs of the embedded model (benchmarks/preflight.py) they held 45 of 45 in those by
which RISE was chosen, and 64 of 75 (85 %) in fresh ones: too few. They missed where prompts are of two kinds, where 16
prompts happened to be unlike the others, and where the policy may have learned faster than RISE.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.analysis.groups import FLAT

Floats = NDArray[np.float64]

COVERAGE = 0.95
GROUP_SIZES = (4, 8, 16, 32)
STEPS_AHEAD = 20  # for which the interval of the forecast is made
# How far learning may have moved the log-odds of the best total after STEPS_AHEAD steps: anything from 0 to this. The
# demo, which learns fast, moves them by 1.5 in its first 20 steps (from 43 to 77 % right): benchmarks/preflight.py.
RISE = 2.0
MOMENTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of those steps, at which the share is taken; the first is the start
DRAWS = 4000
PRIOR = 0.5  # Jeffreys' prior of a share
# What is thought of a and b before anything was sampled: a mean a / (a + b) by its own prior, and any a + b, from
# prompts that are all right or all wrong (0.05) to prompts that are alike (1000), each factor as likely as the next.
MEANS = 1 / (1 + np.exp(-np.linspace(-9.0, 9.0, 61)))
SUMS = np.exp(np.linspace(math.log(0.05), math.log(1000.0), 50))
_ANGLES = np.linspace(0, math.pi / 2, 4001)

_lgamma = np.vectorize(math.lgamma, otypes=[np.float64])


@dataclass(frozen=True)
class Interval:
    """A value that is expected, and the 95 % interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """The share of dead groups for each group size.

    `two_values`: the total took at most two values. `num_groups`: the groups of the first STEPS_AHEAD steps, for which
    the intervals hold. `prompts`: those it was made from, each with two scored completions or more.
    """

    shares: dict[int, Interval]
    two_values: bool
    num_groups: int
    prompts: int


def pass_posterior(right: int, tried: int) -> Interval:
    """The pass rate of a prompt after `right` of `tried` completions: mean and equal-tailed interval.

    Beta(right + ½, tried − right + ½). With none or all right the interval reaches to 0 or 1, since nothing speaks
    against it. Brown, Cai and DasGupta 2001, section 3.1.
    """
    a, b = right + PRIOR, tried - right + PRIOR
    # With p = sin²θ the density is ∝ sin^(2a−1) θ cos^(2b−1) θ, which has no pole for a, b ≥ ½.
    with np.errstate(divide="ignore"):
        sines, cosines = np.log(np.sin(_ANGLES)), np.log(np.maximum(np.cos(_ANGLES), 0.0))
    log_density = _times(2 * a - 1, sines) + _times(2 * b - 1, cosines)
    density = np.exp(log_density - log_density.max())
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    tail = (1 - COVERAGE) / 2
    low, high = np.sin(np.interp([tail, 1 - tail], mass / mass[-1], _ANGLES)) ** 2
    return Interval(a / (a + b), 0.0 if right == 0 else float(low), 1.0 if right == tried else float(high))


def same_value_chance(a: ArrayLike, b: ArrayLike, group_size: int) -> Floats:
    """E[p^G]: the chance that a whole group takes a value that each completion takes with a chance p ~ Beta(a, b).

    B(a + G, b) / B(a, b) = Π_{j<G} (a + j) / (a + b + j), element by element.
    """
    first, both = np.asarray(a, dtype=np.float64), np.add(a, b)
    chance = np.ones_like(both)
    for j in range(group_size):
        chance *= (first + j) / (both + j)
    return chance


def forecast_dead(
    totals: Sequence[Sequence[float]], *, prompts_per_step: int, group_sizes: Sequence[int] = GROUP_SIZES,
    rise: float = RISE, seed: int = 0,
) -> Forecast | None:  # fmt: skip
    """The share of dead groups at the start of training, for each group size. None when nothing is scored.

    totals: for each prompt the total rewards of its completions, NaN where missing. The value is that of the policy as
    it is. The interval is for the share seen in the first STEPS_AHEAD steps with `prompts_per_step` other prompts each:
    it holds what a few prompts leave open, the chance in those groups, and a policy that learns meanwhile: the
    log-odds of the best total have risen by anything from 0 to `rise` at the end.
    Beyond the sampled group size a forecast leans on the assumed shape of the spread.

    With more than two values of the total the chance of each value is Beta over prompts by itself, and the chances that
    a group is all of one value add up. A value that no prompt gave twice counts as never filling a group.
    """
    counts = value_counts(totals)
    if not len(counts):
        return None
    rng = np.random.default_rng(seed)
    spread = _drawn_spread(counts, rng)
    num_groups = STEPS_AHEAD * prompts_per_step
    risen = rng.uniform(0.0, rise, DRAWS)
    shares = {}
    for size in group_sizes:
        courses = [spread.after(moment * risen).dead_chances(size) for moment in MOMENTS]
        seen = rng.binomial(num_groups, np.mean(courses, axis=0)) / num_groups
        low, high = np.quantile(seen, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
        value = float(courses[0].mean())
        shares[size] = Interval(value, min(value, float(low)), max(value, float(high)))
    return Forecast(shares, counts.shape[1] == 2, num_groups, len(counts))


@dataclass(frozen=True)
class _Spread:
    """What may be true of prompts, in DRAWS versions: the chance of each of K values is Beta over prompts.

    means, sums [K, DRAWS]: a / (a + b) and a + b. `rises`: whether the last value is the best, which learning favours.
    """

    means: Floats
    sums: Floats
    rises: bool

    def after(self, rise: Floats) -> "_Spread":
        """The odds of the best value times e^rise [DRAWS]; the other values share what is left as before."""
        if not self.rises:
            return self
        best = self.means[-1]
        odds = best / (1 - best) * np.exp(rise)
        risen = odds / (1 + odds)
        others = self.means[:-1] * (1 - risen) / (1 - best)
        return _Spread(np.concatenate([others, risen[None]]), self.sums, True)

    def dead_chances(self, group_size: int) -> Floats:
        """The chance that a group is all of one value, in each version [DRAWS]."""
        chances = same_value_chance(self.means * self.sums, (1 - self.means) * self.sums, group_size)
        clipped: Floats = np.clip(chances.sum(axis=0), 0.0, 1.0)
        return clipped


def value_counts(totals: Sequence[Sequence[float]]) -> Floats:
    """How often each prompt's completions took each value of the total: [P, V], V at least 2.

    Totals closer than rounding are one value. Prompts with fewer than two scored completions are left out.
    """
    rows = [np.asarray(row, dtype=np.float64) for row in totals]
    rows = [row[np.isfinite(row)] for row in rows]
    rows = [row for row in rows if row.size > 1]
    if not rows:
        return np.zeros((0, 2))
    values = np.unique(np.concatenate(rows))
    apart = np.diff(values) > FLAT * np.maximum(1.0, np.abs(values[1:]))
    places = np.concatenate([[0], np.cumsum(apart)])
    counts = np.zeros((len(rows), max(2, int(places[-1]) + 1)))
    for prompt, row in enumerate(rows):
        np.add.at(counts[prompt], places[np.searchsorted(values, row)], 1)
    return counts


def _drawn_spread(counts: Floats, rng: np.random.Generator) -> _Spread:
    """Drawn from a grid, weighted by the beta-binomial likelihood and the prior.

    The mean is Beta(2/V, 2 − 2/V), which is uniform for V = 2, and the sum log-uniform.
    """
    num_values, tried = counts.shape[1], counts.sum(axis=1)
    means, sums = (grid.ravel() for grid in np.meshgrid(MEANS, SUMS, indexing="ij"))
    part = 2 / num_values
    prior = part * np.log(means) + (2 - part) * np.log1p(-means)  # of the grid's even steps in log(m / (1 − m))
    wanted = [0] if num_values == 2 else np.flatnonzero(counts.max(axis=0) > 1).tolist()
    known: dict[tuple[float, float], Floats] = {}
    chosen = np.zeros((len(wanted), DRAWS), dtype=np.int64)
    for place, value in enumerate(wanted):
        log_weights = prior.copy()
        for pair in zip(counts[:, value].tolist(), tried.tolist(), strict=True):
            if pair not in known:
                known[pair] = _log_likelihood(means * sums, (1 - means) * sums, *pair)
            log_weights += known[pair]
        weights = np.exp(log_weights - log_weights.max())
        chosen[place] = rng.choice(len(weights), DRAWS, p=weights / weights.sum())
    if num_values == 2:  # what is not the one is the other
        both = np.concatenate([means[chosen], 1 - means[chosen]])
        return _Spread(both, np.repeat(sums[chosen], 2, axis=0), rises=bool(counts[:, 1].any()))
    return _Spread(means[chosen], sums[chosen], rises=num_values - 1 in wanted)


def _log_likelihood(a: Floats, b: Floats, times: float, tried: float) -> Floats:
    """Of a value that came `times` in `tried` completions of a prompt: log B(a + k, b + n − k) − log B(a, b)."""
    found: Floats = (
        _lgamma(a + times) + _lgamma(b + tried - times) - _lgamma(a + b + tried) - _lgamma(a) - _lgamma(b)
        + _lgamma(a + b)
    )  # fmt: skip
    return found


def _times(factor: float, logs: Floats) -> Floats:
    """factor × logs, with 0 × −∞ = 0."""
    return factor * logs if factor else np.zeros_like(logs)
