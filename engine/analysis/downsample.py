"""Fewer points for a chart, without losing a spike: each bucket keeps its lowest and its highest point. Pure."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Series = tuple[NDArray[np.float64], NDArray[np.float64]]


def keep_extremes(x: ArrayLike, y: ArrayLike, limit: int = 1000) -> Series:
    """At most `limit` of the points (x, y), in order: first, last, and the minimum and maximum of each bucket.

    x, y [N], x ascending; NaN in y marks a gap, and a bucket of nothing else keeps one so that the gap stays visible.
    Raises ValueError for a limit below 4.
    """
    if limit < 4:
        raise ValueError(f"limit is {limit}; it takes 4 points to keep first, last, minimum and maximum.")
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.size <= limit:
        return x, y
    inner = y[1:-1]
    size = -(-inner.size // ((limit - 2) // 2))
    num_buckets = -(-inner.size // size)
    buckets = np.full((num_buckets, size), np.nan)
    buckets.reshape(-1)[: inner.size] = inner
    missing = np.isnan(buckets)
    lowest = np.where(missing, np.inf, buckets).argmin(axis=1)
    highest = np.where(missing, -np.inf, buckets).argmax(axis=1)  # of nothing but NaN both are the first
    starts = 1 + size * np.arange(num_buckets)
    order = np.unique(np.concatenate([[0], starts + lowest, starts + highest, [x.size - 1]]))
    return x[order], y[order]


def average_runs(values: NDArray[np.float64], limit: int) -> NDArray[np.float64]:
    """Rows averaged in consecutive, near-equal runs until at most `limit` are left: [N, …] → [≤ limit, …].

    NaN entries do not count; a run of NaN stays NaN.
    """
    if len(values) <= limit:
        return values
    starts = np.linspace(0, len(values), limit, endpoint=False).astype(int)
    valid = np.isfinite(values)
    count = np.add.reduceat(valid.astype(np.float64), starts, axis=0)
    total = np.add.reduceat(np.where(valid, values, 0.0), starts, axis=0)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def run_starts(steps: ArrayLike, limit: int) -> NDArray[np.float64]:
    """The first step of each run that `average_runs` makes."""
    values: NDArray[np.float64] = np.asarray(steps, dtype=np.float64)
    if len(values) <= limit:
        return values
    starts: NDArray[np.float64] = values[np.linspace(0, len(values), limit, endpoint=False).astype(int)]
    return starts
