"""The advantage of a completion written out as the calculation it is. Pure."""

import math
from collections.abc import Mapping, Sequence

from engine.config_loss import LossConfig

Steps = Sequence[tuple[int, float]]  # (token position, score)

MAX_STEPS = 8  # scores that are written out
PROCESS_WORDS = (
    "each token's advantage is the sum of the normalised scores of the steps that end at or after it, plus that of the "
    "rewards for the whole completion"
)
NO_STEP_WORDS = "none of its steps has a score, so the advantage is that of the rewards for the whole completion"
GDPO_WORDS = "each reward is compared within the group, and their weighted sum with that of all completions of the step"
TOO_FEW = "fewer than two rewards in the group"
DIGITS, MOST_DIGITS = 3, 8
STD_GUARD = 1e-4  # the same that engine.grpo.advantages adds


def advantage_arithmetic(
    total: float, baseline: float, scale: float | None, advantage: float, *, scored: int, dead: bool
) -> str:
    """How a completion's reward became its advantage, e.g. "(1.300 − 0.750) / (0.463 + 0.0001) = +1.188".

    baseline: what it is compared with, the mean of its group or of the others in it. scale: the divisor before the
    guard, None when advantages are not divided. scored: completions of the group that have a reward. dead: all these
    are equal, so the advantage is set to 0. Without a calculation a sentence stands instead.
    """
    if not math.isfinite(total):
        return "no reward, so advantage 0"
    if scored < 2:
        return f"{TOO_FEW}, so advantage 0"
    if dead:
        return "all rewards of the group are equal, so advantage 0"
    digits = _digits(abs(total - baseline) if scale is None else scale)
    first, second = _plain(total, digits), _plain(abs(baseline), digits)
    difference = f"{first} − {second}" if baseline >= 0 else f"{first} + {second}"
    if scale is None:
        return f"{difference} = {_signed(advantage, digits)}"
    return f"({difference}) / ({_plain(scale, digits)} + {STD_GUARD}) = {_signed(advantage, DIGITS)}"


def mean_of_others(total: float, totals: Sequence[float]) -> float:
    """What a completion with this total is compared with under leave_one_out; NaN when no other has a total."""
    scored = [value for value in totals if math.isfinite(value)]
    return (sum(scored) - total) / (len(scored) - 1) if math.isfinite(total) and len(scored) > 1 else math.nan


def trained_steps(steps: Mapping[str, Steps] | None, weights: Mapping[str, float]) -> dict[str, Steps]:
    """The step scores that a completion's advantages come from: those of rewards that are no monitors."""
    return {name: found for name, found in (steps or {}).items() if weights.get(name)}


def steps_words(steps: Mapping[str, Steps]) -> str:
    """What a completion's step scores are, and that its advantage is the mean over its tokens."""
    parts = (f"{name}: {', '.join(f'{score:g}' for _, score in found[:MAX_STEPS])}" for name, found in steps.items())
    return f"steps {'; '.join(parts)}. Mean over the tokens, each of which has its own"


def formula(mean: float, scale: float | None, loss: LossConfig) -> str:
    """The group's rule with its own numbers: "advantage = (reward − group mean 0.750) / (group std 0.463 + 0.0001)"."""
    if loss.multi_objective_aggregation == "normalize_then_sum":
        return f"advantage: {GDPO_WORDS}"
    if not math.isfinite(mean):
        return "advantage = 0: no completion of this group has a reward"
    difference = "reward − mean of the other rewards"
    if loss.baseline == "mean":
        shown = _plain(mean, _digits(abs(mean) if scale is None else scale))
        difference = f"reward − group mean {shown if mean >= 0 else f'({shown})'}"
    if loss.scale_rewards == "none":
        return f"advantage = {difference}, not divided"
    if scale is None or not math.isfinite(scale):
        return f"advantage = 0: {TOO_FEW}"
    spread = "group std" if loss.scale_rewards == "group" else "std of the step's rewards"
    return f"advantage = ({difference}) / ({spread} {_plain(scale, _digits(scale))} + {STD_GUARD})"


def _digits(spread: float) -> int:
    """Decimals with which differences of this size are seen: three, and more for small rewards."""
    if not 0 < spread < 1:
        return DIGITS
    return min(max(DIGITS, 2 - math.floor(math.log10(spread))), MOST_DIGITS)


def _plain(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−") if round(value, digits) else "0"
