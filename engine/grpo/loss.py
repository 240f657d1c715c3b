"""The clipped policy loss with its KL penalty, and the numbers that describe one evaluation of it.

B completions, T completion tokens (padded). Counts, not shares, are returned as metrics, so that micro-batches add up.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.config import LossConfig


@dataclass(frozen=True)
class LossScale:
    """What a loss is averaged over: the whole step, not the micro-batch at hand, so that splitting changes nothing."""

    num_completions: int
    num_tokens: int
    max_completion_length: int


@dataclass(frozen=True)
class LossMetrics:
    """Counts over the tokens of this call."""

    tokens: int
    clip_low: int
    clip_high: int


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    config: LossConfig,
    scale: LossScale,
    ref_logprobs: Tensor | None = None,
) -> tuple[Tensor, LossMetrics]:
    """The GRPO loss of some completions of a step, and its metrics.

    logprobs, old_logprobs, ref_logprobs [B, T]: log-probability of each sampled token under the policy now, at
    sampling, and under the reference, all at the sampling temperature. advantages [B]. mask [B, T]: 1 on tokens up to
    and including the end token.

    l = −min(ρA, clip(ρ, 1−ε, 1+ε_high) A) + β k3, with ρ = exp(logprob − old_logprob); averaged as config.loss_type
    says: grpo (arXiv:2402.03300) over tokens of a completion, then completions; dapo (arXiv:2503.14476) over all tokens
    of the step; dr_grpo (arXiv:2503.20783) by the constant completions × max_completion_length. Raises ValueError when
    β > 0 without ref_logprobs.
    """
    ratio = torch.exp(logprobs - old_logprobs)
    high = config.epsilon if config.epsilon_high is None else config.epsilon_high
    clipped = ratio.clamp(1 - config.epsilon, 1 + high)
    per_token = -torch.minimum(ratio * advantages[:, None], clipped * advantages[:, None])
    kl = None if ref_logprobs is None else k3(logprobs, ref_logprobs)
    if config.beta > 0:
        if kl is None:
            raise ValueError("beta > 0 needs ref_logprobs")
        per_token = per_token + config.beta * kl
    metrics = _metrics(ratio, advantages, mask, low=1 - config.epsilon, high=1 + high)
    return aggregate(per_token, mask, config.loss_type, scale), metrics


def k3(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """Per-token estimate of KL(policy ‖ reference) in nats: exp(q − p) − (q − p) − 1, never negative.

    Schulman, "Approximating KL divergence" (2020); the penalty of arXiv:2402.03300, equation 4.
    """
    delta = ref_logprobs - logprobs
    return torch.expm1(delta) - delta


def aggregate(per_token: Tensor, mask: Tensor, loss_type: str, scale: LossScale) -> Tensor:
    """One number from token losses [B, T]; calls over the parts of a step add up to the loss of the step."""
    masked = per_token * mask
    if loss_type == "grpo":
        return (masked.sum(dim=1) / mask.sum(dim=1).clamp(min=1)).sum() / scale.num_completions
    if loss_type == "dapo":
        return masked.sum() / max(scale.num_tokens, 1)
    if loss_type == "dr_grpo":
        return masked.sum() / (scale.num_completions * scale.max_completion_length)
    raise ValueError(f"unknown loss_type {loss_type!r}")


@torch.no_grad()
def _metrics(ratio: Tensor, advantages: Tensor, mask: Tensor, *, low: float, high: float) -> LossMetrics:
    """Clip shares as TRL counts them: low with A < 0, high with A > 0: the tokens whose gradient the clip removed."""
    inside = mask.bool()
    sign = advantages[:, None]
    return LossMetrics(
        tokens=int(inside.sum()),
        clip_low=int(((ratio < low) & (sign < 0) & inside).sum()),
        clip_high=int(((ratio > high) & (sign > 0) & inside).sum()),
    )
