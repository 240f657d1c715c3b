"""What a batch of groups teaches: rows with their advantages, which of them count, and which groups have signal."""

from typing import get_args

from engine.config import RunConfig
from engine.runs.records import DiscardReason
from engine.train.credit import Credit, credit
from engine.train.forward import Row
from engine.train.rollout import Batch
from engine.train.update import Lesson

NO_SIGNAL, MASKED = get_args(DiscardReason)


def credit_of(config: RunConfig, batch: Batch) -> Credit:
    """The advantages of a batch, whose groups are judged as if they were the whole step."""
    return credit(batch.scores, [len(ids) for ids in batch.completions.ids], batch.group_size, config)


def lesson_of(config: RunConfig, batch: Batch, earned: Credit) -> Lesson:
    """What the loss gets of a batch; with mask_truncated_completions only the completions that ended count."""
    counted = [ended or not config.loss.mask_truncated_completions for ended in batch.completions.ended]
    rows = [
        Row(index, index // batch.group_size, batch.rendered[index // batch.group_size].ids, completion)
        for index, completion in enumerate(batch.completions.ids)
    ]
    return Lesson(rows, earned.of_lesson, counted)


def discard_reasons(lesson: Lesson) -> list[DiscardReason | None]:
    """For each group why dynamic sampling leaves it out, None where the policy term of the loss can learn from it."""
    num_groups = 1 + max(row.group for row in lesson.rows)
    found: list[DiscardReason | None] = [NO_SIGNAL] * num_groups
    for row in lesson.rows:
        if lesson.has_advantage(row):
            found[row.group] = None if lesson.counted[row.index] or found[row.group] is None else MASKED
    return found
