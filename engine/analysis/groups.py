"""What kind of group it is: does it carry signal, and if not, why not."""

from collections.abc import Sequence

import numpy as np

from engine.runs.records import GroupKind

FLAT = 1e-8  # totals closer than this, relative to their size, are equal


def is_dead(totals: Sequence[float]) -> bool:
    """Whether all scored completions have the same total, so that every advantage is 0."""
    scored = np.asarray(totals, dtype=float)
    scored = scored[np.isfinite(scored)]
    if scored.size < 2:
        return True
    return bool(scored.max() - scored.min() <= FLAT * max(1.0, abs(float(scored.max()))))


def group_kind(totals: Sequence[float], passed: Sequence[bool | None], truncated: Sequence[bool]) -> GroupKind:
    """mixed: has signal. Else solved (all right), truncated (all cut), hopeless (all wrong), other.

    `passed` holds None where no reward decides right or wrong.
    """
    if not is_dead(totals):
        return "mixed"
    if all(value is True for value in passed):
        return "solved"
    if all(truncated):
        return "truncated"
    if all(value is False for value in passed):
        return "hopeless"
    return "other"
