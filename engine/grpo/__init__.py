"""The mathematics of GRPO, pure: no I/O, no clock, no globals."""

from engine.grpo.advantages import group_advantages
from engine.grpo.loss import policy_loss

__all__ = ["group_advantages", "policy_loss"]
