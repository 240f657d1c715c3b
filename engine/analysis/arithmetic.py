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
STD_GUARD = 1e-4  # the same that engine.grpo.advantages adds


def advantage_arithmetic(total: float, baseline: float, scale: float | None, advantage: float, *, dead: bool) -> str:
    """How a completion's reward became its advantage, e.g. "(1.300 − 0.750) / (0.463 + 0.0001) = +1.188".

    baseline: what it is compared with, the mean of its group or of the others in it. scale: the divisor before the
    guard, None when advantages are not divided. dead: all rewards of the group are equal, so the advantage is set to 0.
    A missing total has no calculation, and a sentence stands instead.
    """
    if not math.isfinite(total):
        return "no reward, so advantage 0"
    if dead:
        return "all rewards of the group are equal, so advantage 0"
    if not math.isfinite(baseline):
        return "no other reward in the group, so advantage 0"
    difference = f"{_plain(total)} − {_plain(baseline)}" if baseline >= 0 else f"{_plain(total)} + {_plain(-baseline)}"
    if scale is None:
        return f"{difference} = {_signed(advantage)}"
    if not math.isfinite(scale):
        return "fewer than two rewards in the group, so advantage 0"
    return f"({difference}) / ({_plain(scale)} + {STD_GUARD}) = {_signed(advantage)}"


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


def scale_words(scale_rewards: str) -> str:
    """What advantages are divided by, as a clause."""
    return {
        "group": "divided by the group's standard deviation",
        "batch": "divided by the standard deviation of all rewards of the step",
        "none": "not divided",
    }[scale_rewards]


def formula(mean: float, scale: float | None, loss: LossConfig) -> str:
    """The group's rule with its own numbers: "advantage = (reward − 0.750) / (0.463 + 0.0001)"."""
    if loss.multi_objective_aggregation == "normalize_then_sum":
        return f"advantage: {GDPO_WORDS}"
    if not math.isfinite(mean):
        return "advantage = 0: no completion of this group has a reward"
    difference = f"reward − {_plain(mean)}" if mean >= 0 else f"reward + {_plain(-mean)}"
    if loss.baseline == "leave_one_out":
        difference = "reward − mean of the other rewards"
    if scale is None:
        return f"advantage = {difference}"
    return f"advantage = ({difference}) / ({_plain(scale)} + {STD_GUARD})"


def _plain(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−") if round(value, 3) else "0"
