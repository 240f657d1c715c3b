"""From reward values to advantages: each completion is measured against the other completions of its prompt.

B completions in group order, G completions a group, R reward functions.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

ScaleRewards = Literal["group", "batch", "none"]

STD_GUARD = 1e-4  # added to the standard deviation, as in TRL; not inside a root
_FLAT = 1e-8  # rewards closer than this, relative to their size, are equal


class GroupStatistics(NamedTuple):
    """Mean and n−1 standard deviation of each group, [B / G]; over scored completions only."""

    mean: Tensor
    std: Tensor


def total_rewards(rewards: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum of the reward functions, skipping missing values.

    rewards [B, R]: NaN marks a missing value. weights [R].
    returns [B]: NaN where every trained function (weight not 0) is missing; a missing monitor does not matter.
    """
    trained = weights != 0
    values = rewards[:, trained]
    total = torch.nan_to_num(values, nan=0.0) @ weights[trained].to(values.dtype)
    return total.masked_fill(values.isnan().all(dim=1), torch.nan)


def group_statistics(totals: Tensor, group_size: int) -> GroupStatistics:
    """Baseline and spread of each group. totals [B]; NaN is left out. std is NaN below two scored completions."""
    grouped = totals.view(-1, group_size)
    return GroupStatistics(grouped.nanmean(dim=1), _nan_std(grouped))


def dead_groups(totals: Tensor, group_size: int) -> Tensor:
    """[B / G] bool: groups whose scored completions all have the same total, so that nothing can be learned."""
    grouped = totals.view(-1, group_size)
    high = grouped.nan_to_num(nan=-torch.inf).amax(dim=1)
    low = grouped.nan_to_num(nan=torch.inf).amin(dim=1)
    return (high - low) <= _FLAT * high.abs().clamp(min=1.0)


def group_advantages(
    rewards: Tensor, weights: Tensor, group_size: int, *, scale_rewards: ScaleRewards = "group"
) -> Tensor:
    """Advantage of each completion: A_i = (R_i − mean_g) / (s + 1e-4), with R_i the weighted sum of its rewards.

    rewards [B, R]: row i belongs to group i // group_size; NaN marks a missing value. weights [R].
    returns [B]. s is the group's n−1 standard deviation for "group", that of all B totals for "batch"; "none" does not
    divide. The baseline is the group mean in every case.

    Outcome supervision of GRPO, arXiv:2402.03300; "none" is Dr. GRPO, arXiv:2503.20783. A missing total, a group with
    fewer than two scored completions when s is its own, and a dead group get advantage 0: no evidence, no gradient.
    """
    totals = total_rewards(rewards.double(), weights.double())
    mean, std = group_statistics(totals, group_size)
    advantages = totals - mean.repeat_interleave(group_size)
    scale = advantage_scale(totals, std, scale_rewards)
    if scale is not None:
        advantages = advantages / (scale.repeat_interleave(group_size) + STD_GUARD)
    advantages = advantages.masked_fill(dead_groups(totals, group_size).repeat_interleave(group_size), 0.0)
    return advantages.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0).float()


def advantage_scale(totals: Tensor, group_std: Tensor, scale_rewards: ScaleRewards) -> Tensor | None:
    """The divisor of each group's advantages before the guard, [B / G]; None when they are not divided."""
    if scale_rewards == "none":
        return None
    if scale_rewards == "group":
        return group_std
    return _nan_std(totals.view(1, -1)).expand(group_std.shape)


def _nan_std(values: Tensor) -> Tensor:
    """n−1 standard deviation of each row without its NaNs; NaN where fewer than two values are left."""
    count = (~values.isnan()).sum(dim=1)
    squares = (values - values.nanmean(dim=1, keepdim=True)).square().nansum(dim=1)
    return torch.where(count > 1, (squares / (count - 1).clamp(min=1)).sqrt(), torch.nan)
