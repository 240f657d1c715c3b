"""The loss of GRPO and its relatives, from log-probabilities and advantages, and the numbers that describe it.

The parts are in modules of their own: ratio, objectives (one per loss type), masks, kl, aggregate, metrics.
B completions, T completion tokens (padded).
"""

from torch import Tensor

from engine.config_loss import LossConfig
from engine.grpo.aggregate import LossScale, aggregate
from engine.grpo.kl import kl_estimate
from engine.grpo.masks import entropy_mask, entropy_threshold, off_policy_mask
from engine.grpo.metrics import LossMetrics, loss_metrics
from engine.grpo.objectives import policy_objective
from engine.grpo.ratio import log_importance_ratio


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    config: LossConfig,
    ref_logprobs: Tensor | None = None,
    entropies: Tensor | None = None,
    scale: LossScale | None = None,
    keep: Tensor | None = None,
    entropy_coef: float | None = None,
) -> tuple[Tensor, LossMetrics]:
    """The loss of some completions of an update, and its metrics.

    logprobs, old_logprobs, ref_logprobs [B, T]: log-probability of each sampled token under the policy now, at
    sampling, and under the reference, in nats, all at the sampling temperature. advantages [B], or [B, T] under process
    supervision. mask [B, T]: 1 on tokens up to and including the end token; all 0 for a completion that is left out.
    entropies [B, T], in nats; with a gradient if there is a bonus.

    loss = average(m · l + β KL) − c · mean H, with l the policy term of config.loss_type (objectives.py), m the masks
    (masks.py), the average as aggregate.py says. For a part of an update, give three things that only the whole update
    knows: `scale`; `keep` [B, T], the tokens that top_entropy_quantile keeps; and `entropy_coef`, the bonus now.
    Without them this batch is the whole update. Raises ValueError when β needs ref_logprobs, or the entropies are
    missing for a setting that uses them.
    """
    keep = _kept_tokens(entropies, mask, config) if keep is None else keep
    scale = LossScale.of(mask, keep) if scale is None else scale
    rewards = advantages if advantages.dim() == 2 else advantages[:, None]
    log_ratio = log_importance_ratio(logprobs, old_logprobs, mask, config.importance_sampling_level)
    objective = policy_objective(log_ratio, logprobs, old_logprobs, rewards, mask, config)
    per_token, near = objective.loss, None
    if config.off_policy_mask_threshold is not None:
        near = off_policy_mask(logprobs, old_logprobs, rewards, mask, config.off_policy_mask_threshold)
        per_token = per_token * near
    per_token = per_token * keep
    kl = None if ref_logprobs is None else _kl_penalty(logprobs, ref_logprobs, log_ratio, config)
    if config.beta > 0:
        if kl is None:
            raise ValueError("beta > 0 needs ref_logprobs")
        per_token = per_token + config.beta * kl
    loss = aggregate(per_token, mask, config.loss_type, scale)
    if coef := config.entropy_coef if entropy_coef is None else entropy_coef:
        loss = loss - coef * _entropy_bonus(entropies, keep, scale)
    ratio = log_ratio.exp().expand(-1, max(log_ratio.shape[1], rewards.shape[1]))
    metrics = loss_metrics(ratio, objective, mask, keep, kl=kl, entropies=entropies, keep_completion=near)
    return loss, metrics


def _kept_tokens(entropies: Tensor | None, mask: Tensor, config: LossConfig) -> Tensor:
    """[B, T]: the mask, or its most uncertain tokens alone."""
    if config.top_entropy_quantile >= 1:
        return mask
    if entropies is None:
        raise ValueError("top_entropy_quantile below 1 needs entropies")
    threshold = entropy_threshold(entropies[mask.bool()], config.top_entropy_quantile)
    return entropy_mask(entropies, mask, threshold)


def _kl_penalty(logprobs: Tensor, ref_logprobs: Tensor, log_ratio: Tensor, config: LossConfig) -> Tensor:
    """[B, T] in nats. With use_bias_correction_kl times ρ, which keeps its gradient."""
    kl = kl_estimate(logprobs, ref_logprobs, config.kl_estimator)
    return kl * log_ratio.exp() if config.use_bias_correction_kl else kl


def _entropy_bonus(entropies: Tensor | None, keep: Tensor, scale: LossScale) -> Tensor:
    """Mean entropy over the update's kept tokens: this batch's share of it."""
    if entropies is None:
        raise ValueError("an entropy bonus needs entropies")
    return (entropies * keep).sum() / scale.bonus_divisor
