"""What a batch of groups teaches: the advantage of each completion, whether the loss counts it, and whether a group has
signal at all."""

from typing import get_args

import torch

from engine.config import RunConfig
from engine.grpo.advantages import group_advantages
from engine.runs.records import DiscardReason
from engine.train.forward import Row
from engine.train.rollout import Batch
from engine.train.update import Lesson

NO_SIGNAL, MASKED = get_args(DiscardReason)


def lesson_of(config: RunConfig, batch: Batch) -> Lesson:
    """The rows of a batch with their advantages; with mask_truncated_completions only those that ended count."""
    rewards = torch.from_numpy(batch.scores.values)
    weights = torch.tensor([spec.weight for spec in config.rewards], dtype=torch.float64)
    advantages = group_advantages(
        rewards, weights, batch.group_size, scale_rewards=config.loss.scale_rewards,
        aggregation=config.loss.multi_objective_aggregation, baseline=config.loss.baseline,
    )  # fmt: skip
    counted = [ended or not config.loss.mask_truncated_completions for ended in batch.completions.ended]
    rows = [
        Row(index, index // batch.group_size, batch.rendered[index // batch.group_size].ids, completion)
        for index, completion in enumerate(batch.completions.ids)
    ]
    return Lesson(rows, advantages, counted)


def discard_reasons(lesson: Lesson) -> list[DiscardReason | None]:
    """For each group why dynamic sampling leaves it out, None where the policy term of the loss can learn from it."""
    num_groups = 1 + max(row.group for row in lesson.rows)
    found: list[DiscardReason | None] = [NO_SIGNAL] * num_groups
    for row in lesson.rows:
        if lesson.has_advantage(row):
            found[row.group] = None if lesson.counted[row.index] or found[row.group] is None else MASKED
    return found
