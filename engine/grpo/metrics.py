"""What one evaluation of the loss was like, as sums, so that the micro-batches of an update add up.

B completions, T completion tokens (padded).
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from engine.grpo.objectives import Objective


@dataclass(frozen=True)
class LossMetrics:
    """Sums over tokens, or over ratios: a ratio is a token's, or at sequence level with one advantage a completion's.

    The properties are the means and shares that are stored, NaN where nothing was counted.
    """

    tokens: float = 0.0
    ratios: float = 0.0
    completions: float = 0.0
    clipped_low: float = 0.0
    clipped_high: float = 0.0
    ratio_sum: float = 0.0
    ratio_max: float = -math.inf
    kl_sum: float = 0.0
    entropy_sum: float = 0.0
    bonus_tokens: float = 0.0
    bonus_entropy_sum: float = 0.0
    dropped: float = 0.0  # completions that the off-policy mask left out
    weights: float = 0.0
    weight_sum: float = 0.0  # of vespo's φ: one a completion, or with token advantages one a token

    def __add__(self, other: "LossMetrics") -> "LossMetrics":
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return LossMetrics(**(sums | {"ratio_max": max(self.ratio_max, other.ratio_max)}))

    @property
    def clip_low(self) -> float:
        """Share of ratios below 1 − ε with a negative advantage."""
        return _share(self.clipped_low, self.ratios)

    @property
    def clip_high(self) -> float:
        """Share of ratios above 1 + ε_high (cispo: above its cap) with a positive advantage."""
        return _share(self.clipped_high, self.ratios)

    @property
    def clip_region(self) -> float:
        return _share(self.clipped_low + self.clipped_high, self.ratios)

    @property
    def ratio(self) -> float:
        return _share(self.ratio_sum, self.ratios)

    @property
    def kl(self) -> float:
        """Mean of the penalty's KL per token, in nats, with its ratio if that is in the loss."""
        return _share(self.kl_sum, self.tokens)

    @property
    def entropy(self) -> float:
        """Mean entropy per token, in nats."""
        return _share(self.entropy_sum, self.tokens)

    @property
    def bonus_entropy(self) -> float:
        """Mean entropy of the tokens that the bonus acts on, in nats."""
        return _share(self.bonus_entropy_sum, self.bonus_tokens)

    @property
    def weight(self) -> float:
        """vespo: mean φ."""
        return _share(self.weight_sum, self.weights)


@torch.no_grad()
def loss_metrics(
    ratio: Tensor, objective: Objective, mask: Tensor, bonus_mask: Tensor, *, kl: Tensor | None,
    entropies: Tensor | None, keep_completion: Tensor | None,
) -> LossMetrics:  # fmt: skip
    """ratio [B, T], or [B, 1] where ratios and advantages are those of completions; objective, kl, entropies broadcast
    to [B, T]; mask, bonus_mask [B, T].

    What there is one of for a completion counts once, whatever the completion's mask, as in TRL.
    """

    def counted(values: Tensor) -> Tensor:
        return mask if values.shape[1] == mask.shape[1] else torch.ones_like(values)

    def total(values: Tensor | None, weights: Tensor) -> float:
        return 0.0 if values is None else float((values * weights).sum())

    ratios, phi = counted(ratio), objective.weight
    used = ratio[ratios.bool()]
    return LossMetrics(
        tokens=float(mask.sum()),
        ratios=float(ratios.sum()),
        completions=float(len(mask)),
        clipped_low=total(objective.clipped_low, ratios),
        clipped_high=total(objective.clipped_high, ratios),
        ratio_sum=float(used.sum()),
        ratio_max=float(used.max()) if used.numel() else -math.inf,
        kl_sum=total(kl, mask),
        entropy_sum=total(entropies, mask),
        bonus_tokens=float(bonus_mask.sum()),
        bonus_entropy_sum=total(entropies, bonus_mask),
        dropped=0.0 if keep_completion is None else float((keep_completion == 0).any(dim=1).sum()),
        weights=0.0 if phi is None else float(counted(phi).sum()),
        weight_sum=0.0 if phi is None else total(phi, counted(phi)),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
