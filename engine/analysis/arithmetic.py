"""The advantage of a completion written out as the calculation it is. Pure."""

import math

STD_GUARD = 1e-4  # the same that engine.grpo.advantages adds


def advantage_arithmetic(total: float, mean: float, scale: float | None, advantage: float, *, dead: bool) -> str:
    """How a completion's reward became its advantage, e.g. "(1.300 − 0.750) / (0.463 + 0.0001) = +1.188".

    scale: the divisor before the guard, None when advantages are not divided. dead: all rewards of the group are
    equal, so the advantage is set to 0. A missing total has no calculation, and a sentence stands instead.
    """
    if not math.isfinite(total):
        return "no reward, so advantage 0"
    if dead:
        return "all rewards of the group are equal, so advantage 0"
    difference = f"{_plain(total)} − {_plain(mean)}" if mean >= 0 else f"{_plain(total)} + {_plain(-mean)}"
    if scale is None:
        return f"{difference} = {_signed(advantage)}"
    if not math.isfinite(scale):
        return "fewer than two rewards in the group, so advantage 0"
    return f"({difference}) / ({_plain(scale)} + {STD_GUARD}) = {_signed(advantage)}"


def scale_words(scale_rewards: str) -> str:
    """What advantages are divided by, as a clause."""
    return {
        "group": "divided by the group's standard deviation",
        "batch": "divided by the standard deviation of all rewards of the step",
        "none": "not divided",
    }[scale_rewards]


def formula(mean: float, scale: float | None) -> str:
    """The group's rule with its own numbers: "advantage = (reward − 0.750) / (0.463 + 0.0001)"."""
    if not math.isfinite(mean):
        return "advantage = 0: no completion of this group has a reward"
    difference = f"reward − {_plain(mean)}" if mean >= 0 else f"reward + {_plain(-mean)}"
    if scale is None:
        return f"advantage = {difference}"
    return f"advantage = ({difference}) / ({_plain(scale)} + {STD_GUARD})"


def _plain(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−") if round(value, 3) else "0"
