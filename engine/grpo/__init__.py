"""The mathematics of GRPO, pure: no I/O, no clock, no globals."""

from engine.grpo.advantages import group_advantages
from engine.grpo.aggregate import LossScale
from engine.grpo.loss import policy_loss
from engine.grpo.metrics import LossMetrics
from engine.grpo.process import process_advantages

__all__ = ["LossMetrics", "LossScale", "group_advantages", "policy_loss", "process_advantages"]
