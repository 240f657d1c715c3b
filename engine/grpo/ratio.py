"""How far the policy has moved from the one that sampled: the importance ratio of tokens or of whole completions.

B completions, T completion tokens (padded).
"""

from torch import Tensor

from engine.config_loss import Level


def log_importance_ratio(logprobs: Tensor, old_logprobs: Tensor, mask: Tensor, level: Level = "token") -> Tensor:
    """log ρ. logprobs, old_logprobs, mask [B, T]; returns [B, T] for "token", [B, 1] for "sequence".

    token: p_t − o_t. sequence: their mean over the completion's tokens, so that ρ is the geometric mean of the token
    ratios (GSPO, arXiv:2507.18071). The sequence ratio of a completion whose mask is all 0 is 1.
    """
    log_ratio = logprobs - old_logprobs
    if level == "token":
        return log_ratio
    if level == "sequence":
        return masked_mean(log_ratio, mask)
    raise ValueError(f"unknown importance_sampling_level {level!r}")


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """[B, 1]: the mean of each row's values under its mask; 0 where the mask is empty."""
    return (values * mask).sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True).clamp(min=1)
