"""What another list of rewards makes of stored completions, beside what they got. Pure: frames in, numbers out.

"Before" is what the run counted, "after" what the other rewards make of the same completions, both with the weights
that the step has. Advantages are only known of groups that the step trained on.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.analysis.advantages import Floats
from engine.analysis.groups import FLAT, NO_ADVANTAGE
from engine.analysis.what_if import Settings, StoredStep, judge

MAX_REASONS = 5  # of one reward, the commonest


@dataclass(frozen=True)
class Passes:
    """Completions by whether they were right before and after; undecided: one of the two is not known."""

    stays_right: int
    becomes_right: int
    becomes_wrong: int
    stays_wrong: int
    undecided: int


@dataclass(frozen=True)
class RewardChange:
    """One reward before and after, of all completions. None where it has no value, or is in only one of the lists.

    `changed` of `compared` completions with both values have another one; `correlation` is Pearson's, None where one
    side does not vary. `reasons`: the commonest ones for missing values, with how often.
    """

    name: str
    mean_before: float | None
    mean_after: float | None
    changed: int
    compared: int
    correlation: float | None
    missing_before: int
    missing_after: int
    reasons_before: tuple[tuple[str, int], ...] = ()
    reasons_after: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Summary:
    """All completions together. `changed`: of totals. `flipped` of `num_signed` advantages that are not 0 in both
    change their sign. `gained`, `lost`: groups that have signal only after, or only before.
    """

    num_steps: int
    num_groups: int
    num_completions: int
    changed: int
    mean_before: float | None
    mean_after: float | None
    correlation: float | None
    passes: Passes
    flipped: int
    num_signed: int
    live_before: int
    live_after: int
    gained: int
    lost: int
    rewards: tuple[RewardChange, ...]


def step_rows(before: StoredStep, after: StoredStep, old: Settings, new: Settings) -> pd.DataFrame:
    """One row per completion of a step, in order: totals, advantages, whether its group has signal, every reward.

    Columns: step, trained, total_/advantage_/live_before and _after, before/<name> and after/<name>. Advantages are
    NaN in groups that the step did not train on.
    """
    size, count = before.group_size, len(before.lengths)
    columns: dict[str, NDArray[np.generic] | int] = {"step": before.step, "trained": before.trained.repeat(size)}
    for side, step, settings in (("before", before, old), ("after", after, new)):
        found = judge(step, settings)
        columns |= {f"total_{side}": found.totals, f"advantage_{side}": found.advantages}
        columns[f"live_{side}"] = found.live.repeat(size)
        columns |= {f"{side}/{name}": step.rewards[:, place] for place, name in enumerate(settings.names)}
    return pd.DataFrame(columns, index=range(count))


def summary(rows: pd.DataFrame) -> Summary:
    """rows: of step_rows for all steps, with group_index, passed_ and reasons_before and _after.

    passed_: 1, 0 or NaN; reasons_: a mapping from a reward to why it is missing.
    """
    totals = _pair(rows, "total_before", "total_after")
    groups = rows.drop_duplicates(["step", "group_index"])
    live = [groups[f"live_{side}"].to_numpy(dtype=np.bool_) for side in ("before", "after")]
    signs = _signs(rows)
    return Summary(
        num_steps=int(rows["step"].nunique()), num_groups=len(groups), num_completions=len(rows),
        changed=_differing(*totals), mean_before=_mean(totals[0]), mean_after=_mean(totals[1]),
        correlation=_correlation(*totals), passes=passes(rows),
        flipped=int((signs[0] * signs[1] < 0).sum()), num_signed=int(((signs[0] != 0) & (signs[1] != 0)).sum()),
        live_before=int(live[0].sum()), live_after=int(live[1].sum()),
        gained=int((live[1] & ~live[0]).sum()), lost=int((live[0] & ~live[1]).sum()),
        rewards=tuple(reward_change(rows, name) for name in reward_names(rows)),
    )  # fmt: skip


def reward_names(rows: pd.DataFrame) -> list[str]:
    """Of both lists: those before, then those that are new."""
    names = [column.split("/", 1)[1] for column in rows.columns if column.startswith(("before/", "after/"))]
    return list(dict.fromkeys(names))


def passes(rows: pd.DataFrame) -> Passes:
    """The table of right and wrong before and after."""
    before, after = _pair(rows, "passed_before", "passed_after")
    known = ~np.isnan(before) & ~np.isnan(after)
    was, is_now = before[known] == 1, after[known] == 1
    return Passes(
        int((was & is_now).sum()), int((~was & is_now).sum()), int((was & ~is_now).sum()),
        int((~was & ~is_now).sum()), int((~known).sum()),
    )  # fmt: skip


def reward_change(rows: pd.DataFrame, name: str) -> RewardChange:
    """One reward before and after; a list that does not have it has no values and no missing ones."""
    sides = [rows[f"{side}/{name}"].to_numpy(dtype=np.float64) if f"{side}/{name}" in rows else None
             for side in ("before", "after")]  # fmt: skip
    before, after = (np.full(len(rows), np.nan) if side is None else side for side in sides)
    missing = [0 if side is None else int(np.isnan(side).sum()) for side in sides]
    return RewardChange(
        name, _mean(before), _mean(after), _differing(before, after),
        int((~np.isnan(before) & ~np.isnan(after)).sum()), _correlation(before, after), missing[0], missing[1],
        _reasons(rows["reasons_before"], name), _reasons(rows["reasons_after"], name),
    )  # fmt: skip


def worth_reading(rows: pd.DataFrame, count: int) -> tuple[list[int], list[int]]:
    """Positions of the completions whose total rises most, and of those whose total falls most; largest first.

    Where totals change alike, those come first whose advantage changes more. Only real changes are among them.
    """
    change = rows["total_after"].to_numpy(dtype=np.float64) - rows["total_before"].to_numpy(dtype=np.float64)
    moved = rows["advantage_after"].to_numpy(dtype=np.float64) - rows["advantage_before"].to_numpy(dtype=np.float64)
    scale = np.maximum(np.abs(rows["total_before"].to_numpy(dtype=np.float64)), 1.0)
    real = np.abs(change) > FLAT * scale
    found = []
    for sign in (1.0, -1.0):
        places = np.flatnonzero(real & (sign * change > 0))
        order = np.lexsort((-np.nan_to_num(np.abs(moved[places])), -np.abs(change[places])))
        found.append(places[order][:count].tolist())
    return found[0], found[1]


def _pair(rows: pd.DataFrame, before: str, after: str) -> tuple[Floats, Floats]:
    return rows[before].to_numpy(dtype=np.float64), rows[after].to_numpy(dtype=np.float64)


def _signs(rows: pd.DataFrame) -> tuple[Floats, Floats]:
    """-1, 0 or 1 for each advantage that is known before and after; rounding errors are 0."""
    before, after = _pair(rows, "advantage_before", "advantage_after")
    known = ~np.isnan(before) & ~np.isnan(after)
    found = [np.where(np.abs(side[known]) > NO_ADVANTAGE, np.sign(side[known]), 0.0) for side in (before, after)]
    return found[0], found[1]


def _differing(before: Floats, after: Floats) -> int:
    """Completions with two values that differ."""
    return int((np.abs(after - before) > FLAT * np.maximum(np.abs(before), 1.0)).sum())  # NaN is not larger


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _correlation(before: Floats, after: Floats) -> float | None:
    known = ~np.isnan(before) & ~np.isnan(after)
    a, b = before[known], after[known]
    if len(a) < 2 or np.ptp(a) <= FLAT or np.ptp(b) <= FLAT:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _reasons(column: Sequence[Mapping[str, str]] | pd.Series, name: str) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(found[name] for found in column if name in found).most_common(MAX_REASONS))
