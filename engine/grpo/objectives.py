"""The policy term of each loss type, token by token: what is minimised before masks, KL penalty and averaging.

B completions, T completion tokens (padded). ρ is [B, T] or, at sequence level, [B, 1]; advantages A are [B, 1], or
[B, T] under process supervision. Every result broadcasts to [B, T].
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from engine.config_loss import CLIPPED, LossConfig, upper_epsilon

# Bounds of VESPO's log weights, as its authors and TRL use them.
_LOG_RATIO_BOUND = 20.0
_LOG_W_LOW = math.log(1e-8)
_LEAST_LAMBDA = 1e-4


class Objective(NamedTuple):
    """`loss` to minimise, which ratios the clip held from below and from above, and the `weight` of vespo."""

    loss: Tensor
    clipped_low: Tensor
    clipped_high: Tensor
    weight: Tensor | None = None


def policy_objective(
    log_ratio: Tensor, logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, config: LossConfig
) -> Objective:
    """The policy term of config.loss_type. log_ratio: of ratio.log_importance_ratio. Raises ValueError for another."""
    ratio = log_ratio.exp()
    if config.loss_type in CLIPPED:
        return clipped_objective(ratio, advantages, config)
    if config.loss_type == "cispo":
        return cispo_objective(ratio, logprobs, advantages, upper_epsilon(config))
    if config.loss_type == "sapo":
        return sapo_objective(ratio, advantages, config)
    if config.loss_type == "vespo":
        return vespo_objective(logprobs, old_logprobs, advantages, mask, config)
    raise ValueError(f"unknown loss_type {config.loss_type!r}")


def clipped_objective(ratio: Tensor, advantages: Tensor, config: LossConfig) -> Objective:
    """−min(min(ρ, δ) A, clip(ρ, 1 − ε, 1 + ε_high) A): no gain from moving a ratio further than the clip allows.

    DeepSeekMath, arXiv:2402.03300; ε_high: DAPO, arXiv:2503.14476; δ: INTELLECT-2, arXiv:2505.07291. Clipped low
    counts A < 0 alone and clipped high A > 0 alone, as TRL does: the tokens whose gradient the clip removed.
    """
    low, high = 1 - config.epsilon, 1 + upper_epsilon(config)
    bounded = ratio if config.delta is None else ratio.clamp(max=config.delta)
    loss = -torch.minimum(bounded * advantages, ratio.clamp(low, high) * advantages)
    return Objective(loss, (ratio < low) & (advantages < 0), (ratio > high) & (advantages > 0))


def cispo_objective(ratio: Tensor, logprobs: Tensor, advantages: Tensor, cap: float) -> Objective:
    """−sg(min(ρ, cap)) A p: every token keeps its gradient, and the weight of a ratio is bounded by an absolute cap.

    MiniMax-M1, arXiv:2506.13585; the cap as in ScaleRL, arXiv:2510.13786.
    """
    loss = -ratio.clamp(max=cap).detach() * advantages * logprobs
    capped = (ratio > cap) & (advantages > 0)
    return Objective(loss, torch.zeros_like(capped), capped)


def sapo_objective(ratio: Tensor, advantages: Tensor, config: LossConfig) -> Objective:
    """−(4/τ) σ(τ (ρ − 1)) A, with τ by the sign of A: a soft gate in place of the clip. SAPO, arXiv:2511.20347."""
    tau = _by_sign(advantages > 0, config.sapo_temperature_pos, config.sapo_temperature_neg, ratio)
    loss = -torch.sigmoid(tau * (ratio - 1)) * 4 / tau * advantages
    nothing = torch.zeros_like(loss, dtype=torch.bool)
    return Objective(loss, nothing, nothing)


def vespo_objective(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, config: LossConfig
) -> Objective:
    """−φ A p, with φ the gamma weight of the whole completion's ratio. VESPO, arXiv:2602.10693."""
    weight = vespo_weight(logprobs, old_logprobs, advantages, mask, config)
    loss = -weight * advantages * logprobs
    nothing = torch.zeros_like(loss, dtype=torch.bool)
    return Objective(loss, nothing, nothing, weight)


@torch.no_grad()
def vespo_weight(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, config: LossConfig
) -> Tensor:
    """φ(W) = exp(λ + k log W − λ W), 1 at W = 1, with k and λ by the sign of A; shape of advantages, no gradient.

    log W is the sum of the completion's log ratios, each held within ±20, and is itself at least log 1e-8; a limit from
    above, such as TRL's 20, would change nothing, because φ is 0 long before. A φ that overflows counts as 0.
    """
    log_ratio = (logprobs - old_logprobs).clamp(-_LOG_RATIO_BOUND, _LOG_RATIO_BOUND)
    log_w = (log_ratio * mask).sum(dim=1, keepdim=True).clamp(min=_LOG_W_LOW)
    positive = advantages >= 0
    k = _by_sign(positive, config.vespo_k_pos, config.vespo_k_neg, log_w)
    lam = _by_sign(positive, config.vespo_lambda_pos, config.vespo_lambda_neg, log_w).clamp(min=_LEAST_LAMBDA)
    weight = torch.exp(lam + k * log_w - lam * log_w.exp())
    return weight.masked_fill(weight.isinf(), 0.0)


def _by_sign(positive: Tensor, value: float, otherwise: float, like: Tensor) -> Tensor:
    """One of two numbers by a condition, in the precision of `like`; torch.where alone would give float32."""
    return torch.where(positive, like.new_tensor(value), like.new_tensor(otherwise))
