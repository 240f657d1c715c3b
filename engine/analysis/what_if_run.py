"""What other settings would have changed in many steps: signal, signs, and which lengths get the push. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.advantages import Floats
from engine.analysis.groups import FLAT
from engine.analysis.what_if import Settings, StoredStep, judge

MAX_BUCKETS = 8  # of completion lengths


@dataclass(frozen=True)
class Change:
    """One step under two settings. lengths, before, after [N]: of each completion that the step trained on, its tokens
    and the push on each of them, 0 where a smaller group does not have it.

    flipped of num_signed: advantages that change their sign, of those that are not 0 in both. new_best of num_live:
    groups in which another completion scores best, of those with signal before and after.
    """

    step: int
    dead_before: float
    dead_after: float
    flipped: int
    num_signed: int
    new_best: int
    num_live: int
    lengths: NDArray[np.int64]
    before: Floats
    after: Floats


@dataclass(frozen=True)
class Summary:
    """Changes of several steps together. Shares of 0…1, NaN where there is nothing to share; push: how much larger the
    sum of all tokens' pushes is after, as a factor.
    """

    num_steps: int
    dead_before: float
    dead_after: float
    flipped: float
    new_best: float
    push: float


@dataclass(frozen=True)
class PushByLength:
    """For each range of completion lengths its share of the completions, and of the push before and after. [buckets]"""

    labels: tuple[str, ...]
    completions: Floats
    before: Floats
    after: Floats


def change_of(step: StoredStep, before: Settings, after: Settings) -> Change:
    """One step under both settings; where a group is made smaller, its first completions stand for it."""
    old, new = judge(step, before), judge(step, after)
    rows = np.flatnonzero(~np.isnan(old.advantages))
    both = rows[~np.isnan(new.advantages[rows])]
    signs = np.sign(old.advantages[both]), np.sign(new.advantages[both])
    live = np.flatnonzero(old.live & new.live & step.trained)
    best = [totals.reshape(-1, step.group_size)[live] for totals in (old.totals, new.totals)]
    return Change(
        step.step, old.dead_share, new.dead_share,
        flipped=int((signs[0] * signs[1] < 0).sum()), num_signed=int(((signs[0] != 0) & (signs[1] != 0)).sum()),
        new_best=sum(_best(a) != _best(b) for a, b in zip(*best, strict=True)), num_live=len(live),
        lengths=step.lengths[rows], before=np.nan_to_num(old.push[rows]), after=np.nan_to_num(new.push[rows]),
    )  # fmt: skip


def summary(changes: Sequence[Change]) -> Summary:
    """All steps together: each counts the same for the share of groups without signal."""
    sums = [
        sum(float((np.abs(push) * change.lengths).sum()) for change, push in pairs)
        for pairs in ([(c, c.before) for c in changes], [(c, c.after) for c in changes])
    ]
    return Summary(
        len(changes),
        _share(sum(change.dead_before for change in changes), len(changes)),
        _share(sum(change.dead_after for change in changes), len(changes)),
        _share(sum(change.flipped for change in changes), sum(change.num_signed for change in changes)),
        _share(sum(change.new_best for change in changes), sum(change.num_live for change in changes)),
        _share(sums[1], sums[0]),
    )


def push_by_length(changes: Sequence[Change]) -> PushByLength:
    """Which lengths get the push: |push| × tokens, summed over completions, as shares of all.

    Each length is a range of its own when there are at most MAX_BUCKETS; else ranges hold about as many completions.
    """
    lengths = np.concatenate([change.lengths for change in changes]) if changes else np.empty(0, dtype=np.int64)
    if not len(lengths):
        return PushByLength((), np.empty(0), np.empty(0), np.empty(0))
    starts = np.unique(lengths)
    if len(starts) > MAX_BUCKETS:
        starts = np.unique(np.quantile(lengths, np.arange(MAX_BUCKETS) / MAX_BUCKETS, method="lower"))
    place = np.searchsorted(starts, lengths, side="right") - 1
    ends = [int(lengths[place == bucket].max()) for bucket in range(len(starts))]
    labels = tuple(f"{a}" if a == b else f"{a}–{b}" for a, b in zip(starts.tolist(), ends, strict=True))
    before, after = (np.abs(np.concatenate([getattr(c, name) for c in changes])) for name in ("before", "after"))
    sums = [
        np.bincount(place, weight, len(starts)) for weight in (np.ones(len(lengths)), before * lengths, after * lengths)
    ]
    shares = [values / max(float(values.sum()), np.finfo(np.float64).tiny) for values in sums]
    return PushByLength(labels, *shares)


def _best(totals: Floats) -> set[int]:
    """Which completions of a group have its highest total."""
    highest = float(np.nanmax(totals))
    return set(np.flatnonzero(totals >= highest - FLAT * max(1.0, abs(highest))).tolist())


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
