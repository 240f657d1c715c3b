"""From rewards to advantages: of whole completions, or, where a reward scores steps, of every token."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.config import RunConfig
from engine.grpo.advantages import advantage_scale, group_advantages, group_statistics, total_rewards
from engine.grpo.process import add_outcome, at_positions, process_advantages
from engine.rewards.score import Scores


@dataclass(frozen=True)
class Credit:
    """What each completion got, and why. B completions, G a group, T tokens of the longest completion.

    totals [B]: weighted sum of its rewards, NaN when missing. mean, std [B / G]: of the totals of its group. scale
    [B / G]: what the rewards that judge whole completions were divided by, None when they are not divided.
    advantages [B]: of those rewards, or, with step scores, the mean over the completion's tokens. tokens [B, T]:
    advantages under process supervision.
    """

    totals: Tensor
    mean: Tensor
    std: Tensor
    scale: Tensor | None
    advantages: Tensor
    tokens: Tensor | None = None

    @property
    def of_lesson(self) -> Tensor:
        """What the loss multiplies with: [B, T] under process supervision, else [B]."""
        return self.advantages if self.tokens is None else self.tokens


def credit(scores: Scores, lengths: Sequence[int], group_size: int, config: RunConfig) -> Credit:
    """The advantages of a step's completions of these token lengths, in group order."""
    rewards = torch.from_numpy(scores.values)
    weights = torch.tensor([spec.weight for spec in config.rewards], dtype=torch.float64)
    of_steps = {name for found in scores.steps for name in found}
    outcome_weights = weights * torch.tensor([name not in of_steps for name in scores.names], dtype=torch.float64)
    loss = config.loss
    totals, outcome_totals = total_rewards(rewards, weights), total_rewards(rewards, outcome_weights)
    found = Credit(
        totals,
        *group_statistics(totals, group_size),
        scale=advantage_scale(outcome_totals, group_size, loss.scale_rewards),
        advantages=_outcome(rewards, outcome_weights, group_size, config),
    )
    trained = [name for name, weight in zip(scores.names, weights.tolist(), strict=True) if weight and name in of_steps]
    return _with_steps(found, scores, trained, lengths, group_size, config) if trained else found


def _outcome(rewards: Tensor, weights: Tensor, group_size: int, config: RunConfig) -> Tensor:
    if not bool(weights.any()):
        return torch.zeros(len(rewards))
    loss = config.loss
    return group_advantages(
        rewards, weights, group_size,
        scale_rewards=loss.scale_rewards, aggregation=loss.multi_objective_aggregation, baseline=loss.baseline,
    )  # fmt: skip


def _with_steps(
    found: Credit, scores: Scores, names: Sequence[str], lengths: Sequence[int], group_size: int, config: RunConfig
) -> Credit:
    """Each token also gets the normalised scores of the steps that end at or after it, times the reward's weight."""
    longest = max(lengths)
    weights = {spec.name: spec.weight for spec in config.rewards}
    process = torch.zeros(len(lengths), longest)
    for name in names:
        placed = at_positions([row.get(name, []) for row in scores.steps], longest)
        process += weights[name] * process_advantages(placed, group_size, scale_rewards=config.loss.scale_rewards)
    count = torch.tensor(lengths)
    tokens = add_outcome(process, found.advantages, torch.arange(longest) < count[:, None])
    return Credit(found.totals, found.mean, found.std, found.scale, tokens.sum(dim=1) / count, tokens)
