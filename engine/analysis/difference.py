"""Is one run better than another on held-out prompts, or is it chance? Differences with intervals and tests. Pure.

One value per prompt and run: the completions of a prompt are not independent of each other, prompts are. Two runs that
were asked the same prompts are compared prompt by prompt, which takes out how hard each prompt is (Miller 2024,
arXiv:2411.00640). The answer is for these two policies: how another training seed would have come out, it cannot say.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.analysis.evaluation import Estimate, Z, pass_shares, t_quantile

Values = NDArray[np.float64]

MAX_EXACT = 100_000  # outcomes that are counted one by one; above, DRAWS of them are drawn
DRAWS = 9_999
SEED = 0  # the same evaluations always give the same p
FEW_LEVELS = 50
ALIKE = 1e-9  # two differences closer than this are the same number, rounded in two ways


@dataclass(frozen=True)
class Difference:
    """Run A less run B: `value` with its 95 % interval (NaN where it cannot be known), and the two-sided p.

    `num_prompts`: the pairs, or unpaired the prompts of A, with those of B in `num_other`. `exact`: p counts every
    outcome; otherwise it is from DRAWS random ones.
    """

    value: float
    low: float
    high: float
    p: float
    num_prompts: int
    paired: bool
    num_other: int = 0
    exact: bool = True


def prompt_values(prompts: Mapping[str, Any], num_generations: int, key: str) -> dict[str, float]:
    """Prompt id → value of a metric, from the `prompts` that an evaluation stored; empty where it has no such metric.

    key: pass_at_<k>, majority_at_<n>, reward, or rewards/<name>/mean. Missing values are left out. Raises ValueError
    when the columns do not fit each other.
    """
    ids, column = prompts.get("id") or [], _column(prompts, num_generations, key)
    if column is None:
        return {}
    if len(column) != len(ids) or len(set(ids)) != len(ids):
        raise ValueError(f"the evaluation stores {len(column)} values of {key} for {len(ids)} prompts")
    return {str(name): float(value) for name, value in zip(ids, column, strict=True) if value is not None}


def _column(prompts: Mapping[str, Any], n: int, key: str) -> Sequence[float | None] | None:
    if key.startswith("pass_at_"):
        right, k = prompts.get("right"), int(key.removeprefix("pass_at_"))
        if right is None or k > n:
            return None
        decided = prompts.get("decided") or []
        if len(decided) != len(right):
            raise ValueError(
                f"the evaluation stores {len(right)} counts of right completions, but {len(decided)} of decided ones"
            )
        return pass_shares(zip(decided, right, strict=True), k)
    if key.startswith("majority_at_"):
        return prompts.get("majority") if key == f"majority_at_{n}" else None
    if key.startswith("rewards/"):
        return (prompts.get("rewards") or {}).get(key.removeprefix("rewards/").removesuffix("/mean"))
    return prompts.get(key)


def difference(
    a: Mapping[str, float], b: Mapping[str, float], of_a: Estimate, of_b: Estimate, *, shares: bool
) -> Difference | None:
    """Run A less run B, from prompt id → value of each. None when either has no value.

    Paired when both were asked the same prompts, or when at least half of the smaller set is in both; else unpaired,
    with the interval from `of_a` and `of_b`. shares: the values are in 0…1.
    """
    if not a or not b:
        return None
    common = [name for name in a if name in b]
    if 2 * len(common) >= min(len(a), len(b)):
        return paired_difference([a[name] for name in common], [b[name] for name in common], shares=shares)
    return unpaired_difference(list(a.values()), list(b.values()), of_a, of_b)


def paired_difference(a: Sequence[float], b: Sequence[float], *, shares: bool) -> Difference:
    """Mean of a_i − b_i over prompts [P], P ≥ 1, with its interval, and the p of the sign-flip test.

    Interval of shares: Agresti and Min 2005 for matched proportions, which adds half a pair of each of the four kinds,
    so that it does not shrink to a point when no prompt differs; of other values: Student's t over the differences.
    """
    values = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    p, exact = sign_flip_p(values)
    low, high = _agresti_min(values) if shares else _student(values)
    return Difference(float(values.mean()), low, high, p, values.size, True, values.size, exact)


def sign_flip_p(values: Values) -> tuple[float, bool]:
    """The two-sided p of per-prompt differences [P], and whether it is exact.

    If the two runs were alike, each difference could as well have had the other sign: p is the share of all 2^P choices
    of signs whose sum is at least as far from 0 as the one seen (Fisher 1935; Pitman 1937). Equal sizes are counted
    together, so that with one completion per prompt, where it is McNemar's exact test, it is exact for any P.
    """
    sizes, counts = np.unique(np.round(np.abs(values), 12), return_counts=True)
    sizes, counts = sizes[sizes > ALIKE], counts[sizes > ALIKE]
    seen = abs(float(values.sum())) - ALIKE * max(values.size, 1)
    if math.prod(int(c) + 1 for c in counts) <= MAX_EXACT:
        sums, chances = np.zeros(1), np.ones(1)
        for size, count in zip(sizes, counts, strict=True):
            up = np.arange(count + 1)
            sums = (sums[:, None] + size * (2 * up - count)).ravel()
            chances = (chances[:, None] * _coin_chances(int(count))).ravel()
        return min(1.0, float(chances[np.abs(sums) >= seen].sum())), True
    rng = np.random.default_rng(SEED)
    sums = np.zeros(DRAWS)
    for size, count in zip(sizes, counts, strict=True):
        heads = rng.random(DRAWS) < 0.5 if count == 1 else rng.binomial(int(count), 0.5, DRAWS)
        sums += size * (2.0 * heads - count)
    return (1 + int((np.abs(sums) >= seen).sum())) / (1 + DRAWS), False


def unpaired_difference(a: Sequence[float], b: Sequence[float], of_a: Estimate, of_b: Estimate) -> Difference:
    """Mean of a [P] less mean of b [Q]. Interval from those of the two runs: d − √((A−l_A)² + (u_B−B)²) to its mirror
    image (Newcombe 1998, method 10; for any intervals Zou and Donner 2008). p: a permutation test, the share of ways to
    deal all values out to two runs of P and Q prompts that differ at least as much.
    """
    one, two = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    value = float(one.mean() - two.mean())
    low = value - math.hypot(of_a.value - of_a.low, of_b.high - of_b.value)
    high = value + math.hypot(of_a.high - of_a.value, of_b.value - of_b.low)
    return Difference(value, low, high, _deal_p(one, two), one.size, False, two.size, exact=False)


def holm(ps: Sequence[float]) -> list[float]:
    """p values of several tests, adjusted so that one false alarm among all of them is as rare as p says.

    The smallest times m, the next times m − 1, …, never falling and at most 1. Holm 1979.
    """
    adjusted, highest = [math.nan] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = highest
    return adjusted


def _agresti_min(values: Values) -> tuple[float, float]:
    """Mean ± z·SE of the differences with four half pairs added: +1, −1, 0 and 0."""
    count = values.size + 2
    mean = float(values.sum()) / count
    error = math.sqrt((float((values**2).sum() + 1) / count - mean**2) / count)
    return max(-1.0, mean - Z * error), min(1.0, mean + Z * error)


def _student(values: Values) -> tuple[float, float]:
    """NaN with fewer than two differences, or when all are equal: no spread tells how sure they are."""
    if values.size < 2 or np.ptp(values) < ALIKE:
        return math.nan, math.nan
    mean, half = float(values.mean()), t_quantile(values.size - 1) * float(values.std(ddof=1)) / math.sqrt(values.size)
    return mean - half, mean + half


def _coin_chances(count: int) -> Values:
    """[count + 1]: the chance of 0, 1, … heads in `count` tosses."""
    logs = [math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) for k in range(count + 1)]
    return np.exp(np.array(logs) - count * math.log(2))


def _deal_p(a: Values, b: Values) -> float:
    rng = np.random.default_rng(SEED)
    pooled, size = np.concatenate([a, b]), a.size
    scale = 1 / a.size + 1 / b.size  # mean(a) − mean(b) = sum(a)·scale − a constant
    constant = float(pooled.sum()) / b.size
    seen = abs(float(a.sum()) * scale - constant) - ALIKE
    levels, counts = np.unique(np.round(pooled, 12), return_counts=True)
    if levels.size <= FEW_LEVELS:  # how many of each level A gets says all, and is quicker to draw
        sums = rng.multivariate_hypergeometric(counts, size, DRAWS, method="marginals") @ levels
    else:
        sums = np.array([rng.permutation(pooled)[:size].sum() for _ in range(DRAWS)])
    return (1 + int((np.abs(sums * scale - constant) >= seen).sum())) / (1 + DRAWS)
