"""How hard the update pushes each token of a completion: its advantage times the weight that the loss leaves it.

The formulas of engine/grpo/objectives.py as derivatives, without torch, for pages and for what-if; a test holds them
to the gradients of the loss itself. KL penalty, entropy bonus and the average over tokens are not part of it.
T completion tokens.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.config_loss import CLIPPED, LossConfig, upper_epsilon

# VESPO's bounds, as in engine/grpo/objectives.py.
_LOG_RATIO_BOUND = 20.0
_LOG_W_LOW = math.log(1e-8)
_LEAST_LAMBDA = 1e-4

Floats = NDArray[np.float64]


def clip_weights(logprobs: ArrayLike, old_logprobs: ArrayLike, advantages: ArrayLike, config: LossConfig) -> Floats:
    """What the loss multiplies each token's advantage by, [T]: 0 where it is clipped or masked as off-policy.

    logprobs, old_logprobs [T], T ≥ 1: of the tokens of one completion under the policy that is updated and the one that
    sampled, in nats. advantages: one number, or [T] under process supervision. With A the same for all tokens,
    −A·w is the derivative of the completion's policy term, summed over tokens, by the token's log-probability:
    clipped types: ρ, or 0 where the clip holds; cispo: min(ρ, ε_high); sapo: 4 σ(1 − σ) ρ, σ = σ(τ (ρ − 1));
    vespo: φ(W). `push` is −1 times the derivative in every case. top_entropy_quantile is left out: see `push`.
    """
    p, o = np.asarray(logprobs, dtype=np.float64), np.asarray(old_logprobs, dtype=np.float64)
    a = np.broadcast_to(np.asarray(advantages, dtype=np.float64), p.shape)
    log_ratio = p - o
    if config.importance_sampling_level == "sequence":
        log_ratio = np.full_like(p, log_ratio.mean())
    with np.errstate(over="ignore", invalid="ignore"):  # a token 700 nats likelier than it was is an infinite ratio
        weights = _weights(np.exp(log_ratio), p - o, a, config)
    if config.off_policy_mask_threshold is not None:  # as engine/grpo/masks.py: bad completions of an older policy
        near = (o - p).mean() <= config.off_policy_mask_threshold
        weights = np.where((a >= 0) | near, weights, 0.0)
    return weights


def push(
    logprobs: ArrayLike,
    old_logprobs: ArrayLike,
    advantages: ArrayLike,
    config: LossConfig,
    *,
    counted: bool = True,
    kept: ArrayLike | None = None,
) -> Floats:
    """How much the policy term raises (+) or lowers (−) each token's log-probability, [T]: A·w.

    counted: False for a completion that the loss leaves out, truncated and masked, or in a discarded group; all is 0
    then. kept [T]: 1 on the tokens that top_entropy_quantile keeps; without it all. At sequence level one ratio is
    moved by all tokens, so each of them gets the mean of A·w.
    """
    p = np.asarray(logprobs, dtype=np.float64)
    if not counted:
        return np.zeros_like(p)
    pushed = np.asarray(advantages, dtype=np.float64) * clip_weights(p, old_logprobs, advantages, config)
    if kept is not None:
        pushed = pushed * np.asarray(kept, dtype=np.float64)
    if config.importance_sampling_level == "sequence" and config.loss_type in (*CLIPPED, "sapo"):
        return np.full_like(p, pushed.mean())
    return pushed


def _weights(ratio: Floats, token_log_ratio: Floats, advantages: Floats, config: LossConfig) -> Floats:
    if config.loss_type in CLIPPED:
        return ratio * _is_free(ratio, advantages, config)
    if config.loss_type == "cispo":
        return np.minimum(ratio, upper_epsilon(config))
    if config.loss_type == "sapo":
        tau = np.where(advantages > 0, config.sapo_temperature_pos, config.sapo_temperature_neg)
        gate = 1 / (1 + np.exp(-tau * (ratio - 1)))
        return 4 * gate * (1 - gate) * ratio
    if config.loss_type == "vespo":
        return _vespo(token_log_ratio, advantages, config)
    raise ValueError(f"unknown loss_type {config.loss_type!r}")


def _is_free(ratio: Floats, advantages: Floats, config: LossConfig) -> NDArray[np.bool_]:
    """Where min(min(ρ, δ) A, clip(ρ) A) still moves with ρ: the smaller of the two does, within its bounds."""
    low, high = 1 - config.epsilon, 1 + upper_epsilon(config)
    limit = math.inf if config.delta is None else config.delta
    clip_is_smaller = np.clip(ratio, low, high) * advantages < np.minimum(ratio, limit) * advantages
    free: NDArray[np.bool_] = np.where(clip_is_smaller, (low <= ratio) & (ratio <= high), ratio <= limit)
    return free


def _vespo(token_log_ratio: Floats, advantages: Floats, config: LossConfig) -> Floats:
    """φ(W) = exp(λ + k log W − λ W), with k and λ by the sign of A; a φ that overflows counts as 0."""
    log_w = max(np.clip(token_log_ratio, -_LOG_RATIO_BOUND, _LOG_RATIO_BOUND).sum(), _LOG_W_LOW)
    positive = advantages >= 0
    k = np.where(positive, config.vespo_k_pos, config.vespo_k_neg)
    lam = np.maximum(np.where(positive, config.vespo_lambda_pos, config.vespo_lambda_neg), _LEAST_LAMBDA)
    weight = np.exp(lam + k * log_w - lam * np.exp(log_w))
    return np.where(np.isinf(weight), 0.0, weight)
