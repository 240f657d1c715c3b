"""How the rewards of a step are spread: quantiles for the fan, bins that suit them for the heat map. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.10, 0.25, 0.50, 0.75, 0.90)
MAX_LEVELS = 12  # with more distinct rewards than this, ranges say more than single values
NUM_RANGES = 20
LEVEL_DIGITS = 4  # rewards that agree to this many decimals are one level

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RewardBins:
    """Where each bin of the heat map begins and ends. `levels`: each bin is a single value, not a range."""

    edges: Floats
    centres: Floats
    levels: bool

    @property
    def labels(self) -> list[str]:
        if self.levels:
            return [f"{value:.{LEVEL_DIGITS}g}" for value in self.centres]
        return [f"{low:.3g} to {high:.3g}" for low, high in zip(self.edges, self.edges[1:], strict=False)]

    def same_as(self, other: "RewardBins") -> bool:
        return self.levels == other.levels and np.array_equal(self.edges, other.edges)


def stack_totals(totals: Sequence[NDArray[np.floating]]) -> Floats:
    """[steps, most completions of a step]: one row per step, filled up with NaN, which counts as missing below."""
    width = max((len(values) for values in totals), default=0)
    stacked = np.full((len(totals), width), np.nan)
    for row, values in zip(stacked, totals, strict=True):
        row[: len(values)] = values
    return stacked


def pooled(totals: Floats, window: int) -> Floats:
    """[steps, window · width]: in each row the totals of that step and of the window − 1 steps before it."""
    if window <= 1 or not len(totals):
        return totals
    before = np.full((window - 1, totals.shape[1]), np.nan)
    views = np.lib.stride_tricks.sliding_window_view(np.vstack([before, totals]), window, axis=0)
    return views.reshape(len(totals), -1)


def reward_quantiles(totals: Floats) -> Floats:
    """[steps, 5]: the QUANTILES of each row of totals, linear between values; NaN where a row has none."""
    if totals.shape[1] == 0:
        return np.full((len(totals), len(QUANTILES)), np.nan)
    ordered = np.sort(np.where(np.isfinite(totals), totals, np.nan), axis=1)  # NaN comes last
    count = np.isfinite(ordered).sum(axis=1, keepdims=True)
    place = np.array(QUANTILES) * np.maximum(count - 1, 0)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    below, above = np.take_along_axis(ordered, low, 1), np.take_along_axis(ordered, high, 1)
    quantiles: Floats = below + (above - below) * (place - low)
    return quantiles


def reward_levels(totals: Floats) -> set[float]:
    """The distinct rewards, rounded to LEVEL_DIGITS decimals; at most MAX_LEVELS + 1 of them."""
    valid = totals[np.isfinite(totals)]
    return set(np.unique(np.round(valid, LEVEL_DIGITS))[: MAX_LEVELS + 1].tolist())


def reward_bins(low: float, high: float, levels: set[float]) -> RewardBins:
    """One bin per value when there are few, else NUM_RANGES equal ranges over round bounds that hold low and high."""
    if len(levels) <= MAX_LEVELS:
        centres = np.array(sorted(levels) or [0.0])
        middles = (centres[1:] + centres[:-1]) / 2
        return RewardBins(np.concatenate([[-np.inf], middles, [np.inf]]), centres, levels=True)
    width = _round_up((high - low) / NUM_RANGES)
    first, last = np.floor(low / width), np.floor(high / width)  # the last range holds `high` itself
    edges = width * np.arange(first, last + 2)
    return RewardBins(edges, (edges[1:] + edges[:-1]) / 2, levels=False)


def bin_shares(totals: Floats, bins: RewardBins) -> Floats:
    """[steps, bins]: share of a step's scored completions in each bin. A row sums to 1, or is NaN without rewards."""
    num_bins = len(bins.centres)
    valid = np.isfinite(totals)
    place = np.clip(np.searchsorted(bins.edges, totals[valid], side="right") - 1, 0, num_bins - 1)
    rows = np.nonzero(valid)[0]
    counts = np.bincount(rows * num_bins + place, minlength=len(totals) * num_bins).reshape(len(totals), num_bins)
    size = valid.sum(axis=1, keepdims=True)
    shares: Floats = np.divide(counts, size, out=np.full(counts.shape, np.nan), where=size > 0)
    return shares


def _round_up(width: float) -> float:
    """The next of 1, 2, 2.5, 5, 10 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(width))
    return float(next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= width * (1 - 1e-9)))
