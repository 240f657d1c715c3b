"""How many groups will carry no signal? A forecast for each group size, from completions of a few prompts. Pure.

P prompts with n completions each, sampled before training. A group of G' completions is dead when all have the same
total reward, so what matters is how each prompt's completions fall on the values that the total takes.

The chance that a completion is right differs from prompt to prompt, and the formula with the mean of these chances is
far off: for prompts spread as Beta(0.4, 0.6) groups of 8 are dead in 42 of 100 cases, not in 2. Nor does one curve fit
how they differ: sums below 10 and above may be two kinds of prompts. So the prompts to come are taken to be like those
that were sampled, in shares that 16 prompts leave open, and, with the weight of one prompt, like none of them: a
posterior of a Dirichlet process (Ferguson 1973) around Dirichlet(α·m). Each sampled prompt's own chances are
Dirichlet(α·m + its counts), where m is how often each value came in all, and α, how alike prompts are, is drawn by how
well it explains the counts.

How far the 95 % intervals can be trusted, in real runs: benchmarks/preflight.py, with its figures in the README.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.groups import FLAT

Floats = NDArray[np.float64]

COVERAGE = 0.95
GROUP_SIZES = (4, 8, 16, 32)
STEPS_AHEAD = 20  # for which the interval of the forecast is made
# How far learning may have moved the log-odds of the best total against the worst after STEPS_AHEAD steps: anything
# from 0 to RISE, steadily (the demo: 43 to 77 % right, 1.5). A model that has yet to learn the form of an answer learns
# that first and fast: by FORM_BY of these steps its mean may be half way up (SmolLM2 on sums: from hardly ever to every
# other time in 8 steps, and that was not the fastest that can be).
RISE = 2.5
FORM_BY = 0.25
MOMENTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of those steps, at which the share is taken; the first is the start
DRAWS = 1000
PRIOR = 0.5  # Jeffreys' prior of a share
UNSEEN = 1.0  # the weight, in prompts, of prompts that are like none of those sampled
# What each sampled prompt weighs, in prompts: less than 1, since so few prompts differ less among themselves than all
# do. Intervals of the mean of 16 values have to be wider by (17 / 15 · (2.13 / 1.96)²)^½, Student's and the sample's.
SEEN = 0.75
# What is thought of α before anything was sampled: from prompts that are all of one value (0.05) to prompts that are
# alike (1000), each factor as likely as the next.
ALPHAS = np.exp(np.linspace(math.log(0.05), math.log(1000.0), 50))
RAREST = 1e-4  # a mean height below which nothing is learned in so few steps
MAX_VALUES = 32  # of the total that are told apart; all rarer ones together never fill a group
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
    """The share of dead groups for each group size."""

    shares: dict[int, Interval]


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


def forecast_dead(
    totals: Sequence[Sequence[float]], *, prompts_per_step: int, group_sizes: Sequence[int] = GROUP_SIZES,
    learning: bool = True, ceiling: float = math.inf, seed: int = 0,
) -> Forecast | None:  # fmt: skip
    """The share of dead groups at the start of training, for each group size. None when nothing is scored.

    totals: for each prompt the total rewards of its completions, NaN where missing. The value is that of the policy as
    it is. The interval is for the share seen in the first STEPS_AHEAD steps with `prompts_per_step` other prompts each:
    it holds what a few prompts leave open, the chance in those groups, and, with `learning`, a policy that gets better
    meanwhile. Learning moves each total's log-chance in proportion to that total, as a softmax policy that follows it
    would. Where all completions earned the same, a better total may yet come up, if that is below the `ceiling`, what
    the best completion would earn. Beyond the sampled group size a forecast leans on the assumed shape of the spread.
    """
    seen = tally(totals)
    if not len(seen.counts):
        return None
    rng = np.random.default_rng(seed)
    population = _drawn_population(seen, ceiling, rng)
    num_groups = STEPS_AHEAD * prompts_per_step
    learned = rng.uniform(0.0, 1.0, DRAWS) if learning else np.zeros(DRAWS)
    form = population.to_half_way()
    rises = [learned * (moment * RISE + min(1.0, moment / FORM_BY) * form) for moment in MOMENTS]
    courses = [population.after(rise).dead_chances(group_sizes) for rise in rises]
    shares = {}
    for place, size in enumerate(group_sizes):
        share = np.mean([course[place] for course in courses], axis=0)
        come = rng.binomial(num_groups, np.clip(share, 0.0, 1.0)) / num_groups
        low, high = np.quantile(come, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
        value = float(courses[0][place].mean())
        shares[size] = Interval(value, min(value, float(low)), max(value, float(high)))
    return Forecast(shares)


@dataclass(frozen=True)
class Tally:
    """How often each prompt's completions took each value of the total: values [V] ascending, counts [P, V]."""

    values: Floats
    counts: Floats


def tally(totals: Sequence[Sequence[float]]) -> Tally:
    """Totals closer than rounding are one value. Prompts with fewer than two scored completions are left out."""
    rows = [np.asarray(row, dtype=np.float64) for row in totals]
    rows = [row[np.isfinite(row)] for row in rows]
    rows = [row for row in rows if row.size > 1]
    if not rows:
        return Tally(np.zeros(0), np.zeros((0, 0)))
    found = np.unique(np.concatenate(rows))
    with np.errstate(over="ignore"):  # so far apart that a float cannot say how far
        first = np.concatenate([[True], np.diff(found) > FLAT * np.maximum(1.0, np.abs(found[1:]))])
    places = np.cumsum(first) - 1
    counts = np.zeros((len(rows), int(places[-1]) + 1))
    for prompt, row in enumerate(rows):
        np.add.at(counts[prompt], places[np.searchsorted(found, row)], 1)
    return Tally(found[first], counts)


@dataclass(frozen=True)
class _Population:
    """What may be true of the prompts to come: D versions of N kinds of prompts, of which each gives V values.

    log_chances [D, N, V]; weights [D, N], the shares of the kinds. heights [V]: each value between the worst, 0, and
    the best, 1. fills [V]: whether a group can be all of this value.
    """

    log_chances: Floats
    weights: Floats
    heights: Floats
    fills: NDArray[np.bool_]

    def to_half_way(self) -> Floats:
        """[D]: by how much the log-odds of the mean height are below even; 0 where it is above."""
        mean = (self.weights * (np.exp(self.log_chances) @ self.heights)).sum(axis=1).clip(RAREST, 1 - RAREST)
        missing: Floats = np.maximum(0.0, np.log((1 - mean) / mean))
        return missing

    def after(self, rise: Floats) -> "_Population":
        """Odds of the best value against the worst times e^rise [D], and of those between by their heights."""
        tilted = self.log_chances + rise[:, None, None] * self.heights
        return _Population(_normalized(tilted), self.weights, self.heights, self.fills)

    def dead_chances(self, group_sizes: Sequence[int]) -> list[Floats]:
        """The chance that a group is all of one value, in each version: [D] for each group size."""
        logs = self.log_chances[..., self.fills]
        return [(self.weights * np.exp(size * logs).sum(axis=-1)).sum(axis=1) for size in group_sizes]


def _drawn_population(seen: Tally, ceiling: float, rng: np.random.Generator) -> _Population:
    values, counts, fills = _padded(seen)
    prompts, num_values = counts.shape
    known = counts.sum(axis=0) + PRIOR / num_values
    alpha = rng.choice(ALPHAS, DRAWS, p=_alpha_weights(counts, known / known.sum()))[:, None]
    # n completions of one prompt tell as much of m as (1 + α)·n / (n + α) of different prompts would.
    worth = (1 + alpha) / (counts.sum() / prompts + alpha)
    mean = np.exp(_log_dirichlet(PRIOR / num_values + worth * counts.sum(axis=0), rng))
    around = (alpha * mean)[:, None, :]
    chances = np.concatenate([_log_dirichlet(around + counts, rng), _log_dirichlet(around, rng)], axis=1)
    weights = rng.standard_gamma(np.append(np.full(prompts, SEEN), UNSEEN), (DRAWS, prompts + 1))
    shares = weights / weights.sum(axis=1, keepdims=True)
    return _Population(chances, shares, _heights(seen, values, ceiling), fills)


def _heights(seen: Tally, values: Floats, ceiling: float) -> Floats:
    """Each value between the worst, 0, and the best, 1."""
    if len(seen.values) == 1:  # the other one would be worse, if nothing can be better
        return np.array([0.0, 0.0 if seen.values[0] >= ceiling - FLAT else 1.0])
    halves = values / 2  # the span of two large numbers may be too large for a float
    found: Floats = (halves - halves[0]) / (halves[-1] - halves[0])
    return found


def _padded(seen: Tally) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Values, counts, and which values can fill a group: two values at least, and the rarest of too many as one."""
    values, counts = seen.values, seen.counts
    if len(values) == 1:  # another may come, though none did
        return np.append(values, values + 1), np.pad(counts, ((0, 0), (0, 1))), np.array([True, True])
    if len(values) <= MAX_VALUES:
        return values, counts, np.ones(len(values), dtype=bool)
    common = np.argsort(-counts.max(axis=0), kind="stable")[:MAX_VALUES]
    kept = np.isin(np.arange(len(values)), common)
    rest = counts[:, ~kept].sum(axis=1)
    middle = np.average(values[~kept], weights=counts[:, ~kept].sum(axis=0))
    order = np.argsort(np.append(values[kept], middle))
    fills = np.append(np.ones(MAX_VALUES, dtype=bool), False)
    return np.append(values[kept], middle)[order], np.column_stack([counts[:, kept], rest])[:, order], fills[order]


def _alpha_weights(counts: Floats, mean: Floats) -> Floats:
    """How likely each of ALPHAS is: the Dirichlet-multinomial likelihood of the counts around this mean."""
    tried = counts.sum(axis=1)
    log_weights = np.zeros_like(ALPHAS)
    for total, times in zip(*np.unique(tried, return_counts=True), strict=True):
        log_weights += times * (_lgamma(ALPHAS) - _lgamma(ALPHAS + total))
    for share, column in zip(mean, counts.T, strict=True):
        for came, times in zip(*np.unique(column[column > 0], return_counts=True), strict=True):
            log_weights += times * (_lgamma(ALPHAS * share + came) - _lgamma(ALPHAS * share))
    weights = np.exp(log_weights - log_weights.max())
    normalized: Floats = weights / weights.sum()
    return normalized


def _log_dirichlet(shapes: Floats, rng: np.random.Generator) -> Floats:
    """Logarithms of Dirichlet draws over the last axis. Shapes near 0 give gammas too small for a float, so a gamma of
    shape s is drawn as Gamma(s + 1) · U^(1/s), in logarithms (Marsaglia and Tsang 2000, section 6).
    """
    uniform = rng.uniform(np.finfo(float).tiny, 1.0, shapes.shape)
    return _normalized(np.log(rng.standard_gamma(shapes + 1)) + np.log(uniform) / shapes)


def _normalized(logs: Floats) -> Floats:
    top = logs - logs.max(axis=-1, keepdims=True)
    found: Floats = top - np.log(np.exp(top).sum(axis=-1, keepdims=True))
    return found


def _times(factor: float, logs: Floats) -> Floats:
    """factor × logs, with 0 × −∞ = 0."""
    return factor * logs if factor else np.zeros_like(logs)
