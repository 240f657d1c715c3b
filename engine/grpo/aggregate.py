"""How token losses become one number, as each loss type's source defines it, over micro-batches that add up.

B completions, T completion tokens (padded).
"""

from dataclasses import dataclass

from torch import Tensor

from engine.config_loss import LossType

PER_COMPLETION = ("grpo", "sapo")
PER_STEP_TOKEN = ("dapo", "cispo", "vespo")


@dataclass(frozen=True)
class LossScale:
    """What an update's loss is divided by: counts over the whole update, not the micro-batch at hand.

    num_completions: completions of the update, masked ones included. num_tokens: tokens that the loss counts, in the
    whole step over its number of mini-batches, which is what dapo divides by. update_tokens: those of this update, for
    bnpo. bonus_tokens: those that the entropy bonus acts on. max_completion_length: the constant of dr_grpo.
    """

    num_completions: int
    num_tokens: float
    max_completion_length: int
    update_tokens: float
    bonus_tokens: float

    @property
    def bonus_divisor(self) -> float:
        return max(self.bonus_tokens, 1.0)

    @classmethod
    def of(cls, mask: Tensor, bonus_mask: Tensor | None = None) -> "LossScale":
        """The scale of an update that consists of one batch alone; its padded length T is the completion limit."""
        tokens = float(mask.sum())
        return cls(len(mask), tokens, mask.shape[1], tokens, tokens if bonus_mask is None else float(bonus_mask.sum()))


def aggregate(per_token: Tensor, mask: Tensor, loss_type: LossType, scale: LossScale) -> Tensor:
    """One number from token losses [B, T]; calls over the parts of an update add up to the loss of the update.

    grpo, sapo: over the tokens of a completion, then over completions. luspo: summed over tokens, averaged over
    completions. dapo, cispo, vespo: over all tokens of the step. bnpo: over all tokens of the update. dr_grpo: by the
    constant completions × max_completion_length. An empty mask gives 0.
    """
    masked = per_token * mask
    if loss_type in PER_COMPLETION:
        return (masked.sum(dim=1) / mask.sum(dim=1).clamp(min=1)).sum() / scale.num_completions
    if loss_type == "luspo":
        return masked.sum() / scale.num_completions
    if loss_type in PER_STEP_TOKEN:
        return masked.sum() / max(scale.num_tokens, 1.0)
    if loss_type == "bnpo":
        return masked.sum() / max(scale.update_tokens, 1.0)
    if loss_type == "dr_grpo":
        return masked.sum() / (scale.num_completions * scale.max_completion_length)
    raise ValueError(f"unknown loss_type {loss_type!r}")
