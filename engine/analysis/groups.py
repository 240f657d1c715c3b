"""What kind of group it is: does it carry signal, and if not, why not."""

from collections.abc import Sequence

import numpy as np

from engine.runs.records import GroupKind

FLAT = 1e-8  # totals closer than this, relative to their size, are equal
NO_ADVANTAGE = 1e-9  # as engine.grpo.advantages: below it an advantage is a rounding error, and 0


def is_dead(totals: Sequence[float]) -> bool:
    """Whether all scored completions have the same total, so that every advantage is 0."""
    scored = np.asarray(totals, dtype=float)
    scored = scored[np.isfinite(scored)]
    if scored.size < 2:
        return True
    return bool(scored.max() - scored.min() <= FLAT * max(1.0, abs(float(scored.max()))))


def group_kind(
    totals: Sequence[float], passed: Sequence[bool | None], truncated: Sequence[bool], texts: Sequence[str]
) -> GroupKind:
    """mixed: has signal. Else the first that holds of failed, solved, truncated, identical, hopeless, other.

    `passed` holds None where no reward decides right or wrong. Several may hold; the first is the one that says what
    to do. failed: fewer than two completions have a reward, so nothing else that is known of the group counts, and a
    reward function wants repair. solved comes before identical, since a learned answer is the same each time, and
    nothing is wrong. truncated comes before identical and hopeless: what was cut off could not be right. identical
    comes before hopeless: the policy tries only one answer, which no easier reward and no more time would change.
    """
    if not is_dead(totals):
        return "mixed"
    if np.isfinite(np.asarray(totals, dtype=float)).sum() < 2:
        return "failed"
    if all(value is True for value in passed):
        return "solved"
    if all(truncated):
        return "truncated"
    if len(set(texts)) == 1:
        return "identical"
    if all(value is False for value in passed):
        return "hopeless"
    return "other"
