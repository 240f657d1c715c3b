"""Which rows of a recorded step are a group, and by which rule their advantages came from their rewards. Pure.

TRL records rows and no groups. A group is num_generations rows in a row with the same prompt, on every process, so the
lengths of such stretches are multiples of num_generations: of 2 when a batch happens to hold a prompt twice.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.analysis.advantages import group_advantages, total_rewards
from engine.config_loss import Aggregation, Baseline, LossConfig, ScaleRewards
from engine.config_problems import short
from engine.runs.schema import COMPLETION_BITS, GROUP_BITS
from engine.trl.recorded_files import CHANGED, fail

Floats = NDArray[np.float64]

EXACT = 1e-3  # TRL computes in float32; below it an advantage is the recorded one
WEIGHT_ERROR = 1e-4
MAX_GROUPS, MAX_ROWS_OF_GROUP = 1 << GROUP_BITS, 1 << COMPLETION_BITS  # what a key of a completion holds
LEAVE_OUT = "Import the run without this file."
MIN_SIZE = 2  # TRL refuses to train on groups of one


@dataclass(frozen=True)
class Rule:
    """How rewards became advantages."""

    scale_rewards: ScaleRewards = "group"
    aggregation: Aggregation = "sum_then_normalize"
    baseline: Baseline = "mean"

    @classmethod
    def of(cls, loss: LossConfig) -> "Rule":
        return cls(loss.scale_rewards, loss.multi_objective_aggregation, loss.baseline)

    def as_settings(self) -> dict[str, str]:
        """As fields of LossConfig."""
        return {
            "scale_rewards": self.scale_rewards, "multi_objective_aggregation": self.aggregation,
            "baseline": self.baseline,
        }  # fmt: skip


RULES = (
    Rule(), Rule("none"), Rule("batch"), Rule("none", baseline="leave_one_out"),
    Rule("group", "normalize_then_sum"), Rule("group", baseline="leave_one_out"),
)  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """The numbers of one step: rewards [B, R], NaN where missing, and advantages [B], as recorded."""

    step: int
    rewards: Floats
    advantages: Floats


def stretches(prompts: Sequence[str]) -> list[int]:
    """How many rows in a row have the same prompt, stretch by stretch."""
    return [sum(1 for _ in rows) for _, rows in groupby(prompts)]


def group_size(lengths: Iterable[int]) -> int | None:
    """num_generations from the stretches of all steps; None when they have no common length above 1."""
    found = math.gcd(*lengths)
    return found if found >= MIN_SIZE else None


def divisors(size: int) -> list[int]:
    """Smaller group sizes of which a stretch of `size` rows may hold several, the largest first."""
    return [smaller for smaller in range(size // 2, MIN_SIZE - 1, -1) if size % smaller == 0]


def groups_of(prompts: Sequence[str], size: int | None, name: str = "The file") -> list[list[int]]:
    """The rows of each group: `size` in a row, or, when that is not known, all rows of a prompt. name: of the file.

    Raises DatasetError for rows that are not whole groups, as the size came from other rows than these, and for more
    than a step of ours holds.
    """
    groups = _groups(prompts, size)
    largest = max(groups, key=len, default=[])
    if len(largest) > MAX_ROWS_OF_GROUP:
        what = f"{name} has a group of {len(largest):,} rows in one step, more than {MAX_ROWS_OF_GROUP:,}"
        fail(f"{what}: those of the prompt {short(prompts[largest[0]])}.", LEAVE_OUT)
    if len(groups) > MAX_GROUPS:
        fail(f"{name} has {len(groups):,} groups in one step, more than {MAX_GROUPS:,}.", LEAVE_OUT)
    return groups


def _groups(prompts: Sequence[str], size: int | None) -> list[list[int]]:
    if size is not None:
        slices = [list(range(first, first + size)) for first in range(0, len(prompts), size)]
        for own in slices:
            if own[-1] >= len(prompts) or len({prompts[row] for row in own}) > 1:
                fail(f"Rows {own[0] + 1} to {own[-1] + 1} are no group of {size} with one prompt.", CHANGED)
        return slices
    rows: dict[str, list[int]] = {}
    for row, prompt in enumerate(prompts):
        rows.setdefault(prompt, []).append(row)
    return list(rows.values())


def find_rule(steps: Sequence[Rows], weights: Floats, size: int, first: Iterable[Rule] = ()) -> Rule | None:
    """The first rule that gives every recorded advantage; None when none does, or no advantage differs from 0."""
    if not any(np.abs(step.advantages).max() > EXACT for step in steps):
        return None
    return next((rule for rule in (*first, *RULES) if all(gives(rule, step, weights, size) for step in steps)), None)


def gives(rule: Rule, step: Rows, weights: Floats, size: int) -> bool:
    """Whether a rule gives all recorded advantages of a step."""
    found = group_advantages(
        step.rewards, weights, size,
        scale_rewards=rule.scale_rewards, aggregation=rule.aggregation, baseline=rule.baseline,
    )  # fmt: skip
    return bool((np.abs(found - step.advantages) <= EXACT * np.maximum(1.0, np.abs(step.advantages))).all())


def find_weights(
    logged: Mapping[int, float], means: Mapping[int, Mapping[str, float]], names: Sequence[str]
) -> Floats | None:
    """The weights from the log: its reward is the sum of weight × mean of each function, as far as none is missing.

    logged: {step: reward}. None unless the steps leave one solution, which gives each reward to WEIGHT_ERROR.
    """
    rows = [
        ([means[step].get(name, math.nan) for name in names], reward)
        for step, reward in logged.items()
        if step in means
    ]
    known = [(values, reward) for values, reward in rows if np.isfinite([*values, reward]).all()]
    if len(known) < len(rows) or len(known) <= len(names):  # as many as names always have a solution
        return None
    values, rewards = np.array([row for row, _ in known]), np.array([reward for _, reward in known])
    found, _, rank, _ = np.linalg.lstsq(values, rewards, rcond=1e-6)
    exact = np.abs(values @ found - rewards) <= WEIGHT_ERROR * np.maximum(1.0, np.abs(rewards))
    if rank < len(names) or not exact.all():
        return None
    rounded: Floats = np.where(np.abs(found - found.round(3)) < WEIGHT_ERROR, found.round(3), found)
    return rounded


def confirmed(steps: Sequence[Rows], logged: Mapping[int, float], weights: Floats) -> Literal["yes", "no", "unknown"]:
    """Whether totals with these weights have the logged mean. logged: of steps whose rows are all that was sampled."""
    totals = {step.step: total_rewards(step.rewards, weights) for step in steps if step.step in logged}
    checks = [(float(np.nanmean(own)), logged[step]) for step, own in totals.items() if not np.isnan(own).all()]
    if not checks:
        return "unknown"
    return "yes" if all(abs(a - b) <= EXACT * max(1.0, abs(b)) for a, b in checks) else "no"
