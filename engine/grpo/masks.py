"""Which tokens take part in the policy term. The KL penalty is never touched by these masks.

B completions, T completion tokens (padded).
"""

import math

from torch import Tensor

from engine.grpo.ratio import masked_mean


def entropy_threshold(entropies: Tensor, share: float) -> float:
    """The entropy from which on a token belongs to the most uncertain `share` of all: their 1 − share quantile.

    entropies [N], of all tokens that the loss counts, in nats. NaN when there is none. "Beyond the 80/20 rule",
    arXiv:2506.01939. Linear between two tokens, as numpy's default.
    """
    if not len(entropies):
        return float("nan")
    ordered = entropies.detach().double().sort().values
    place = (1 - share) * (len(ordered) - 1)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    return float(below + (above - below) * (place - math.floor(place)))


def entropy_mask(entropies: Tensor, mask: Tensor, threshold: float) -> Tensor:
    """[B, T]: 1 on tokens of the mask whose entropy is at or above the threshold.

    Compared in the precision of the entropies: a threshold meant to be one of them may miss it in the last place of a
    float64, as (1 - 0.7) * 10 misses 3.
    """
    return mask * (entropies >= threshold).to(mask.dtype)


def off_policy_mask(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, threshold: float
) -> Tensor:
    """1 where A ≥ 0 or the completion's mean of o − p is at most the threshold, in the shape of advantages.

    A completion that was bad under an older policy says little about this one. DeepSeek-V3.2, arXiv:2512.02556.
    """
    near = masked_mean(old_logprobs - logprobs, mask) <= threshold
    return ((advantages >= 0) | near).to(mask.dtype)
