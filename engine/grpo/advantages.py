"""From reward values to advantages: each completion is measured against the other completions of its prompt.

B completions in group order, G completions a group, R reward functions.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from engine.config_loss import Aggregation, Baseline, ScaleRewards

STD_GUARD = 1e-4  # added to the standard deviation, as in TRL; not inside a root
_FLAT = 1e-8  # rewards closer than this, relative to their size, are equal
# Below it an advantage is a rounding error: rewards that differ at all give at least 5e-9, and a reward at the mean of
# its group leaves about 1e-16, as the sums of GDPO do.
NO_ADVANTAGE = 1e-9


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
    rewards: Tensor,
    weights: Tensor,
    group_size: int,
    *,
    scale_rewards: ScaleRewards = "group",
    aggregation: Aggregation = "sum_then_normalize",
    baseline: Baseline = "mean",
) -> Tensor:
    """Advantage of each completion: A_i = (R_i − baseline) / (s + 1e-4), with R_i the weighted sum of its rewards.

    rewards [B, R]: row i belongs to group i // group_size; finite, or NaN for a missing value. weights [R].
    returns [B]. s is the group's n−1 standard deviation for "group", that of all B totals for "batch"; "none" does not
    divide. The baseline is the mean of the group in every case, or with "leave_one_out" of the others in it.
    "normalize_then_sum" compares each reward within its group first; scale_rewards does not matter then.

    Outcome supervision of GRPO, arXiv:2402.03300; "none" is Dr. GRPO, arXiv:2503.20783; "leave_one_out" RLOO,
    arXiv:2402.14740; "normalize_then_sum" GDPO, arXiv:2601.05242. A missing total, a group with fewer than two scored
    completions where others are needed to judge one, and a dead group get advantage 0: no evidence, no gradient. What
    is within NO_ADVANTAGE of it becomes 0, too. Raises ValueError when B is not a multiple of group_size.
    """
    if len(rewards) % group_size:
        raise ValueError(f"{len(rewards)} completions are not whole groups of {group_size}")
    rewards, weights = rewards.double(), weights.double()
    if aggregation == "normalize_then_sum":
        return _no_evidence_is_0(_normalized_then_summed(rewards, weights, group_size, baseline))
    totals = total_rewards(rewards, weights)
    advantages = distance_to_baseline(totals, group_size, baseline)
    scale = advantage_scale(totals, group_size, scale_rewards)
    if scale is not None:
        advantages = advantages / (scale.repeat_interleave(group_size) + STD_GUARD)
    return _no_evidence_is_0(advantages.masked_fill(dead_groups(totals, group_size).repeat_interleave(group_size), 0.0))


def distance_to_baseline(totals: Tensor, group_size: int, baseline: Baseline) -> Tensor:
    """R_i − baseline, [B]: the group's mean, or the mean of the others, which is n / (n − 1) as far with n scored."""
    grouped = totals.view(-1, group_size)
    distance = grouped - grouped.nanmean(dim=1, keepdim=True)
    if baseline == "leave_one_out":
        count = (~grouped.isnan()).sum(dim=1, keepdim=True)
        distance = distance * count / (count - 1)  # one scored completion alone: 0 / 0, which is no evidence
    return distance.view(-1)


def advantage_scale(totals: Tensor, group_size: int, scale_rewards: ScaleRewards) -> Tensor | None:
    """The divisor of each group's advantages before the guard, [B / G]; None when they are not divided."""
    if scale_rewards == "none":
        return None
    group_std = group_statistics(totals, group_size).std
    if scale_rewards == "group":
        return group_std
    return _nan_std(totals.view(1, -1)).expand(group_std.shape)


def _normalized_then_summed(rewards: Tensor, weights: Tensor, group_size: int, baseline: Baseline) -> Tensor:
    """GDPO: z_k within each group, S = Σ w_k z_k over what is not missing, then z of S over all completions. [B].

    The mean of S needs no subtracting: each z_k sums to 0 over its group, and so does S over all completions.
    """
    columns = rewards.T.reshape(-1)  # every reward's groups, one below the other
    std = group_statistics(columns, group_size).std.repeat_interleave(group_size)
    z = distance_to_baseline(columns, group_size, baseline) / (std + STD_GUARD)
    flat = dead_groups(columns, group_size).repeat_interleave(group_size) & ~columns.isnan()
    z = z.masked_fill(flat, 0.0).view(rewards.shape[1], -1).T
    summed = total_rewards(z, weights)
    return summed / (_nan_std(summed.view(1, -1)) + STD_GUARD)


def _no_evidence_is_0(advantages: Tensor) -> Tensor:
    return advantages.masked_fill(~(advantages.abs() > NO_ADVANTAGE), 0.0).float()


def _nan_std(values: Tensor) -> Tensor:
    """n−1 standard deviation of each row without its NaNs; NaN where fewer than two values are left."""
    count = (~values.isnan()).sum(dim=1)
    variance = (values - values.nanmean(dim=1, keepdim=True)).square().nanmean(dim=1)
    return (variance * count / (count - 1)).sqrt()  # of one value 0 / 0
