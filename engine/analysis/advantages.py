"""Advantages from stored rewards, in numpy: what engine.grpo.advantages and engine.grpo.process do in torch, for pages.

The same steps in the same precision (float64, then float32), held to the engine's by tests/unit/analysis and, on every
run that a test makes, by tests/conftest.py. B completions in group order, G a group, R reward functions, T tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.analysis.arithmetic import STD_GUARD
from engine.analysis.groups import FLAT, NO_ADVANTAGE
from engine.config_loss import Aggregation, Baseline, LossConfig, ScaleRewards

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Steps = Mapping[str, Sequence[tuple[int, float]]]  # reward that scores steps → its (token position, score) pairs


class GroupStatistics(NamedTuple):
    """Mean and n−1 standard deviation of each group, [B / G]; over scored completions only."""

    mean: Floats
    std: Floats


@dataclass(frozen=True)
class Credit:
    """What each completion got. totals [B], NaN when missing. advantages [B]: under process supervision the mean over
    the completion's tokens, and then tokens [B, T] has each token's, 0 after the completion's end.
    """

    totals: Floats
    advantages: Singles
    tokens: Singles | None = None


def credit(
    rewards: ArrayLike,
    names: Sequence[str],
    steps: Sequence[Steps],
    lengths: ArrayLike,
    group_size: int,
    weights: Mapping[str, float],
    loss: LossConfig,
) -> Credit:
    """The advantages of the groups that one step trains on, as engine.train.credit gives them.

    rewards [B, R] with a column for each of `names`, NaN where a value is missing; steps [B]: what each completion's
    rewards scored within it; lengths [B]: its tokens. Raises ValueError when B is not a multiple of group_size.
    """
    values, counts = np.asarray(rewards, dtype=np.float64), np.asarray(lengths)
    of_steps = {name for found in steps for name in found}
    all_weights = np.array([weights[name] for name in names], dtype=np.float64)
    of_outcome = all_weights * np.array([name not in of_steps for name in names], dtype=np.float64)
    totals = total_rewards(values, all_weights)
    outcome = np.zeros(len(values), dtype=np.float32)
    if of_outcome.any():
        outcome = group_advantages(
            values, of_outcome, group_size,
            scale_rewards=loss.scale_rewards, aggregation=loss.multi_objective_aggregation, baseline=loss.baseline,
        )  # fmt: skip
    trained = [name for name in names if weights[name] and name in of_steps]
    if not trained:
        return Credit(totals, outcome)
    process = np.zeros((len(values), int(counts.max())), dtype=np.float32)
    for name in trained:
        placed = at_positions([row.get(name, ()) for row in steps], process.shape[1])
        scored = process_advantages(placed, group_size, scale_rewards=loss.scale_rewards)
        process += np.float32(weights[name]) * scored
    inside = np.arange(process.shape[1]) < counts[:, None]
    tokens: Singles = (process + outcome[:, None]) * inside
    return Credit(totals, tokens.sum(axis=1, dtype=np.float32) / counts.astype(np.float32), tokens)


def total_rewards(rewards: Floats, weights: Floats) -> Floats:
    """[B]: weighted sum of the rewards [B, R] with weights [R] that are not missing; NaN where no trained one is left.

    A missing monitor (weight 0) does not matter.
    """
    trained = weights != 0
    values = rewards[:, trained]
    totals: Floats = np.nan_to_num(values, nan=0.0) @ weights[trained]
    totals[np.isnan(values).all(axis=1)] = np.nan
    return totals


def group_statistics(totals: Floats, group_size: int) -> GroupStatistics:
    """Baseline and spread of each group. totals [B]; NaN is left out. std is NaN below two scored completions."""
    grouped = totals.reshape(-1, group_size)
    return GroupStatistics(_nan_mean(grouped), _nan_std(grouped))


def dead_groups(totals: Floats, group_size: int) -> NDArray[np.bool_]:
    """[B / G]: groups whose scored completions all have the same total, so that nothing can be learned."""
    grouped = totals.reshape(-1, group_size)
    missing = np.isnan(grouped)
    high = np.where(missing, -np.inf, grouped).max(axis=1)
    low = np.where(missing, np.inf, grouped).min(axis=1)
    dead: NDArray[np.bool_] = high - low <= FLAT * np.maximum(np.abs(high), 1.0)
    return dead


def group_advantages(
    rewards: Floats,
    weights: Floats,
    group_size: int,
    *,
    scale_rewards: ScaleRewards = "group",
    aggregation: Aggregation = "sum_then_normalize",
    baseline: Baseline = "mean",
) -> Singles:
    """Advantage of each completion, [B], from rewards [B, R] and weights [R]: the equations, sources and rules for what
    is missing are those of engine.grpo.advantages.group_advantages. Raises ValueError when B is no multiple of G.
    """
    _whole_groups(len(rewards), group_size)
    if aggregation == "normalize_then_sum":
        return _no_evidence_is_0(_normalized_then_summed(rewards, weights, group_size, baseline))
    totals = total_rewards(rewards, weights)
    advantages = _distance_to_baseline(totals, group_size, baseline)
    if scale_rewards == "group":
        advantages = advantages / (group_statistics(totals, group_size).std.repeat(group_size) + STD_GUARD)
    elif scale_rewards == "batch":
        advantages = advantages / (_nan_std(totals[None, :]) + STD_GUARD)
    advantages[dead_groups(totals, group_size).repeat(group_size)] = 0.0
    return _no_evidence_is_0(advantages)


def process_advantages(scores: Floats, group_size: int, *, scale_rewards: ScaleRewards = "group") -> Singles:
    """[B, T] from scores [B, T], NaN where no step ends: as engine.grpo.process.process_advantages, with its source."""
    _whole_groups(len(scores), group_size)
    grouped = scores.reshape(len(scores) // group_size, -1)
    mean, std = _nan_mean(grouped), _nan_std(grouped)
    centred = grouped - mean[:, None]
    if scale_rewards == "group":
        centred = centred / (std[:, None] + STD_GUARD)
    elif scale_rewards == "batch":
        centred = centred / (_nan_std(grouped.reshape(1, -1)) + STD_GUARD)
    centred[dead_groups(grouped.reshape(-1), grouped.shape[1])] = 0.0
    z = np.nan_to_num(centred, nan=0.0).reshape(scores.shape)
    summed: Singles = z[:, ::-1].cumsum(axis=1)[:, ::-1].astype(np.float32)
    return summed


def at_positions(scores: Sequence[Sequence[tuple[int, float]]], length: int) -> Floats:
    """[B, length] from (token position, score) pairs of each completion; several scores of one position add up.

    NaN where no step ends. Raises ValueError for a position outside the `length` tokens.
    """
    placed = np.full((len(scores), length), np.nan)
    for row, pairs in enumerate(scores):
        for position, score in pairs:
            if not 0 <= position < length:
                raise ValueError(f"completion {row}: step score at token {position}, but it has {length} tokens")
            known = placed[row, position]
            placed[row, position] = score if np.isnan(known) else known + score
    return placed


def _distance_to_baseline(totals: Floats, group_size: int, baseline: Baseline) -> Floats:
    """R_i − baseline, [B]: the group's mean, or the mean of the others, which is n / (n − 1) as far with n scored."""
    grouped = totals.reshape(-1, group_size)
    distance = grouped - _nan_mean(grouped)[:, None]
    if baseline == "leave_one_out":
        count = (~np.isnan(grouped)).sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):  # one scored completion alone: 0 / 0, no evidence
            distance = distance * count / (count - 1)
    return distance.reshape(-1)


def _normalized_then_summed(rewards: Floats, weights: Floats, group_size: int, baseline: Baseline) -> Floats:
    """GDPO, [B]: z_k within each group, S = Σ w_k z_k over what is not missing, then z of S over all completions."""
    columns = rewards.T.reshape(-1)  # every reward's groups, one below the other
    std = group_statistics(columns, group_size).std.repeat(group_size)
    z = _distance_to_baseline(columns, group_size, baseline) / (std + STD_GUARD)
    z[dead_groups(columns, group_size).repeat(group_size) & ~np.isnan(columns)] = 0.0
    summed = total_rewards(z.reshape(rewards.shape[1], -1).T, weights)
    return summed / (_nan_std(summed[None, :]) + STD_GUARD)


def _no_evidence_is_0(advantages: Floats) -> Singles:
    evident: Singles = np.where(np.abs(advantages) > NO_ADVANTAGE, advantages, 0.0).astype(np.float32)
    return evident


def _nan_mean(values: Floats) -> Floats:
    """Mean of each row without its NaNs; NaN where none is left."""
    count = (~np.isnan(values)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        mean: Floats = np.nansum(values, axis=1) / count
    return mean


def _nan_std(values: Floats) -> Floats:
    """n−1 standard deviation of each row without its NaNs; NaN where fewer than two values are left."""
    count = (~np.isnan(values)).sum(axis=1)
    variance = _nan_mean((values - _nan_mean(values)[:, None]) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):  # of one value 0 / 0
        std: Floats = np.sqrt(variance * count / (count - 1))
    return std


def _whole_groups(count: int, group_size: int) -> None:
    if count % group_size:
        raise ValueError(f"{count} completions are not whole groups of {group_size}")
