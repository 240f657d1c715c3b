"""Process supervision: rewards for the steps within a completion, and the advantage of each token that follows.

B completions in group order, G a group, T completion tokens (padded).
"""

import torch
from torch import Tensor

from engine.config_loss import ScaleRewards
from engine.grpo.advantages import STD_GUARD, dead_groups, group_statistics


def process_advantages(scores: Tensor, group_size: int, *, scale_rewards: ScaleRewards = "group") -> Tensor:
    """Advantage of each token: the sum of the normalised scores of all steps that end at or after it.

    scores [B, T]: the score of the step whose last token this is, NaN elsewhere. returns [B, T]. A score is normalised
    over all steps of its group: z = (score − mean) / (std + 1e-4), n−1 std; over all groups' std for "batch", not
    divided for "none". DeepSeekMath, arXiv:2402.03300, section 4.1.3. Steps of a group that all scored the same, and a
    group with fewer than two steps, give 0. Raises ValueError when B is not a multiple of group_size.
    """
    if len(scores) % group_size:
        raise ValueError(f"{len(scores)} completions are not whole groups of {group_size}")
    grouped = scores.double().view(len(scores) // group_size, -1)
    mean, std = group_statistics(grouped.reshape(-1), grouped.shape[1])
    centred = grouped - mean[:, None]
    if scale_rewards != "none":
        whole = group_statistics(grouped.reshape(-1), grouped.numel()).std
        centred = centred / ((std if scale_rewards == "group" else whole)[:, None] + STD_GUARD)
    flat = dead_groups(grouped.reshape(-1), grouped.shape[1])
    z = centred.masked_fill(flat[:, None], 0.0).nan_to_num(nan=0.0).view(scores.shape)
    return z.flip(1).cumsum(1).flip(1).float()


def add_outcome(process: Tensor, outcome: Tensor, mask: Tensor) -> Tensor:
    """[B, T]: both kinds of advantage together, 0 in the padding. outcome [B]: one advantage for the completion."""
    return (process + outcome[:, None]) * mask.to(process.dtype)


def at_positions(scores: list[list[tuple[int, float]]], length: int) -> Tensor:
    """[B, length] from (token position, score) pairs of each completion; several scores of one position add up.

    NaN where no step ends. Raises ValueError for a position outside the completion's `length` tokens.
    """
    placed = torch.full((len(scores), length), torch.nan, dtype=torch.float64)
    for row, pairs in enumerate(scores):
        for position, score in pairs:
            if not 0 <= position < length:
                raise ValueError(f"completion {row}: step score at token {position}, but it has {length} tokens")
            known = placed[row, position]
            placed[row, position] = score if known.isnan() else known + score
    return placed
