"""How large the entropy bonus is: a constant, or one that follows the entropy of the policy."""

import math
from dataclasses import dataclass

from engine.config_loss import LossConfig


@dataclass(frozen=True)
class EntropyControl:
    """The bonus of the next update. `last_entropy` is that of the update before it, in nats per token; ∞ before any."""

    coef: float
    last_entropy: float = math.inf

    def applied(self, config: LossConfig) -> float:
        """The coefficient to use now: with adaptive control, 0 while the entropy is above its target."""
        if not config.use_adaptive_entropy:
            return config.entropy_coef
        return self.coef if self.last_entropy <= config.entropy_target else 0.0

    def after(self, entropy: float, config: LossConfig) -> "EntropyControl":
        """The control after an update with this mean entropy: c + Δ at or below the target, else c − Δ, within bounds.

        Skywork-OR1, arXiv:2505.22312; the timing is TRL's: an update uses what the updates before it decided. An
        entropy that is not finite changes nothing.
        """
        if not config.use_adaptive_entropy or not math.isfinite(entropy):
            return self
        if entropy <= config.entropy_target:
            coef = min(self.coef + config.entropy_coef_delta, config.entropy_coef_max)
        else:
            coef = max(self.coef - config.entropy_coef_delta, config.entropy_coef_min)
        return EntropyControl(coef, entropy)
