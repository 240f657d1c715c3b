"""What held-out completions say about the policy: pass@k, majority@k, mean rewards, each with a 95 % interval. Pure.

P held-out prompts, n completions each. Prompts are independent of each other, completions of one prompt are not: an
interval is therefore made from one value per prompt. It answers for the choice of prompts and completions, not for how
another training run would have come out.

A completion is decided when its pass reward has a value. One whose pass reward is missing is neither right nor wrong:
it is left out, and counted.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

UNDECIDED = "undecided"  # the metric that counts completions without a pass reward

Z = 1.959963984540054  # 97.5 % quantile of the normal distribution
_T = {
    1: 12.7062,
    2: 4.3027,
    3: 3.1824,
    4: 2.7764,
}  # 97.5 % of Student's t, where the series is too coarse


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; NaN where something cannot be known."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Outcomes:
    """All completions of an evaluation, one row per prompt.

    right [P, n]: 1 right, 0 wrong, NaN undecided, and None when no reward decides; answers [P][n], None for a
    completion that states none, and None altogether when the pass reward reads no answers; rewards {function: [P, n]}
    and totals [P, n], NaN where missing.
    """

    right: NDArray[np.float64] | None
    answers: Sequence[Sequence[str | None]] | None
    rewards: Mapping[str, NDArray[np.float64]]
    totals: NDArray[np.float64]

    @property
    def num_generations(self) -> int:
        return int(self.totals.shape[1])

    def counts(self) -> list[tuple[int, int]]:
        """(decided, right) completions of each prompt [P]; empty when no reward decides."""
        if self.right is None:
            return []
        decided, right = (~np.isnan(self.right)).sum(axis=1), np.nansum(self.right, axis=1)
        return [(int(n), int(c)) for n, c in zip(decided, right, strict=True)]


def read_estimates(stored: Mapping[str, Mapping[str, float | None]]) -> dict[str, Estimate]:
    """Estimates from {metric: {"value": x, "low": x, "high": x}}, where None stands for NaN."""

    def number(value: float | None) -> float:
        return math.nan if value is None else float(value)

    return {
        name: Estimate(*(number(parts.get(key)) for key in ("value", "low", "high"))) for name, parts in stored.items()
    }


def metric_course(evaluations: Iterable[Mapping[str, Estimate]], name: str) -> NDArray[np.float64]:
    """Value, low and high of a metric in each evaluation: [N, 3], NaN where it was not measured."""
    unknown = Estimate(math.nan)
    found = [metrics.get(name, unknown) for metrics in evaluations]
    return np.array([(e.value, e.low, e.high) for e in found], dtype=np.float64).reshape(-1, 3)


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that at least one of k completions is right, unbiased, from n of which c are right; 1 ≤ k ≤ n.

    1 − C(n−c, k) / C(n, k), as the product 1 − Π_{i=n−c+1..n} (1 − k/i), which stays exact where the binomials
    overflow. Chen et al. 2021, arXiv:2107.03374.
    """
    if not 1 <= k <= n or not 0 <= c <= n:
        raise ValueError(f"pass@{k} of {n} completions with {c} right: it takes 1 ≤ k ≤ n and 0 ≤ c ≤ n.")
    if n - c < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


def pass_shares(counts: Iterable[tuple[int, int]], k: int) -> list[float | None]:
    """pass@k of each prompt [P] from its (decided, right) completions; None where fewer than k are decided."""
    return [pass_at_k(decided, right, k) if decided >= k else None for decided, right in counts]


def pass_ks(n: int) -> list[int]:
    """The k for which pass@k is measured with n completions: the powers of two below n, and n itself."""
    return [*(2**i for i in range((n - 1).bit_length())), n]


def majority_at_k(answers: Sequence[str | None], right: Sequence[bool]) -> float:
    """Whether the answer that most completions of a prompt give is right: 1, 0, or, when answers tie, between.

    Tied answers share: the mean over them of the share of their completions that are right. A completion without an
    answer has no vote; without any vote the result is 0.
    """
    votes = Counter(answer for answer in answers if answer is not None)
    if not votes:
        return 0.0
    most = max(votes.values())
    hits = Counter(answer for answer, is_right in zip(answers, right, strict=True) if is_right)
    winners = [answer for answer, count in votes.items() if count == most]
    return sum(hits[answer] for answer in winners) / (most * len(winners))


def metrics_of(outcomes: Outcomes) -> dict[str, Estimate]:
    """pass_at_1, pass_at_k for every k of `pass_ks`, majority_at_n, undecided, reward, and rewards/<name>/mean for each
    function.

    Those about right and wrong are left out when nothing decides, and majority@n also for n = 1 or without answers. A
    prompt with fewer than k decided completions is left out of pass@k; NaN when no prompt is left.
    """
    n, counts = outcomes.num_generations, outcomes.counts()
    metrics: dict[str, Estimate] = {}
    if outcomes.right is not None:
        for k in pass_ks(n):
            metrics[f"pass_at_{k}"] = _share_of_known(pass_shares(counts, k))
        if (majority := majorities(outcomes)) is not None:
            metrics[f"majority_at_{n}"] = _share_of_known(majority)
        metrics[UNDECIDED] = Estimate(float(sum(n - decided for decided, _ in counts)))
    metrics["reward"] = mean_estimate(outcomes.totals)
    for name, values in outcomes.rewards.items():
        metrics[f"rewards/{name}/mean"] = mean_estimate(values)
    return metrics


def majorities(outcomes: Outcomes) -> list[float | None] | None:
    """majority@n of each prompt [P], None for a prompt without a decided completion: the others have no vote.

    None altogether for a single completion, without answers, or when nothing decides.
    """
    if outcomes.right is None or outcomes.answers is None or outcomes.num_generations == 1:
        return None
    return [_majority(answers, hits) for answers, hits in zip(outcomes.answers, outcomes.right, strict=True)]


def _majority(answers: Sequence[str | None], right: NDArray[np.float64]) -> float | None:
    """Over the decided completions of a prompt [n]; None without any."""
    votes = [(answer, bool(hit)) for answer, hit in zip(answers, right, strict=True) if not math.isnan(hit)]
    return majority_at_k(*zip(*votes, strict=True)) if votes else None


def prompt_counts(outcomes: Outcomes) -> dict[str, Any]:
    """What each prompt came to, as columns of P entries: enough to compute pass@k for any k, and all means, again.

    {"right": completions that are right, "decided": of so many that are right or wrong, "majority": of majority_at_k,
    "reward": mean total, "rewards": {function: mean}}; None where there is no value.
    """
    counts = None if outcomes.right is None else outcomes.counts()
    rewards = {name: _or_none(prompt_means(values)) for name, values in outcomes.rewards.items()}
    return {
        "right": None if counts is None else [right for _, right in counts],
        "decided": None if counts is None else [decided for decided, _ in counts],
        "majority": majorities(outcomes),
        "reward": _or_none(prompt_means(outcomes.totals)),
        "rewards": rewards,
    }


def undecided_words(metrics: Mapping[str, Estimate], num_prompts: int, num_generations: int) -> str:
    """What is left out of an evaluation: "3 of 64 completions could not be scored; they are left out.", "" for none."""
    count = metrics.get(UNDECIDED, Estimate(0.0)).value
    if not count > 0:  # NaN: not known
        return ""
    every = num_prompts * num_generations
    noun, rest = "completion" if every == 1 else "completions", "it is" if count == 1 else "they are"
    return f"{count:,.0f} of {every:,} {noun} could not be scored; {rest} left out."


def _share_of_known(values: Iterable[float | None]) -> Estimate:
    return share_estimate([value for value in values if value is not None])


def share_estimate(values: ArrayLike) -> Estimate:
    """The mean of per-prompt shares [P] in 0…1, and its interval: Wilson's for as many trials as the prompts are worth.

    Prompts whose completions differ among themselves say more than a single yes or no: their mean varies less than
    that of as many coin flips. m = p(1−p) / (s²/P) is the number of flips that vary as much, scaled by (z/t)² for s
    being an estimate from P values, and never below P. With one completion per prompt m = P: the plain Wilson interval.
    The method is Korn and Graubard's (1998) with Wilson's interval, as compared by Franco et al. (2019).
    """
    shares = np.asarray(values, dtype=np.float64)
    if not shares.size:
        return Estimate(math.nan)
    count, share = shares.size, float(shares.mean())
    variance = float(shares.var(ddof=1)) / count if count > 1 else 0.0
    worth = float(count)
    if variance > 0:
        worth = max(worth, share * (1 - share) / variance * (Z / t_quantile(count - 1)) ** 2)
    return Estimate(share, *wilson(share, worth))


def mean_estimate(values: NDArray[np.float64]) -> Estimate:
    """The mean of per-prompt means of values [P, n], and its interval. NaN is missing, and so is a prompt of only NaN.

    Rewards of nothing but 0 and 1 are shares (`share_estimate`). Others get Student's t interval over the prompts,
    which needs two prompts that differ: equal values have no spread that could tell how sure they are.
    """
    means = prompt_means(values)
    means = means[~np.isnan(means)]
    known = values[~np.isnan(values)]
    if not means.size:
        return Estimate(math.nan)
    if np.isin(known, (0.0, 1.0)).all():
        return share_estimate(means)
    mean = float(means.mean())
    if means.size < 2 or np.ptp(means) == 0:
        return Estimate(mean)
    half = t_quantile(means.size - 1) * float(means.std(ddof=1)) / math.sqrt(means.size)
    return Estimate(mean, mean - half, mean + half)


def prompt_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the known values of each row of [P, n]; NaN for a row without any."""
    known = ~np.isnan(values)
    counts = known.sum(axis=1)
    sums = np.where(known, values, 0.0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def wilson(share: float, count: float) -> tuple[float, float]:
    """The 95 % Wilson interval of a share of `count` trials, which need not be a whole number. Wilson 1927."""
    z2 = Z**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def t_quantile(freedom: int) -> float:
    """97.5 % quantile of Student's t: from a table up to 4 degrees of freedom, then within 0.2 % by its series in 1/ν.

    Abramowitz and Stegun 1964, 26.7.5.
    """
    if freedom in _T:
        return _T[freedom]
    terms = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
    )
    return Z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))


def _or_none(values: NDArray[np.float64]) -> list[float | None]:
    return [None if math.isnan(value) else float(value) for value in values]
