"""RewardSpec: one reward of a run, and what it counts for: its weight over the steps, its gate, its clip."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.config_section import Section, knob


class RewardSpec(Section):
    name: str = knob(
        ...,
        "What the reward is called in this run: each of the list has a name of its own. Names of the library need no "
        "function beside them.",
        label="Name",
        min_length=1,
        max_length=80,
    )
    function: str = knob(
        "",
        "The reward of the library that it is, where its name is another one. So one reward can stand in the list "
        "twice, with other settings.",
        label="Reward",
        max_length=80,
    )
    weight: float = knob(
        1.0,
        "Its share in the total reward. 0: a monitor, recorded but not trained on.",
        label="Weight",
        ge=-100,
        le=100,
    )
    final_weight: float | None = knob(
        None,
        "The weight changes in a straight line to this one. Empty: it stays as it is.",
        label="Weight at the end",
        empty="the same",
        equation="w + (w_end − w) · clamp((step − from) / (until − from), 0, 1)",
        advanced=True,
        ge=-100,
        le=100,
    )
    weight_from: int = knob(
        1, "The last step that has the first weight.", label="Changes from step", advanced=True, ge=1, le=1_000_000
    )
    weight_until: int | None = knob(
        None,
        "The first step that has the weight at the end. Empty: the last step of the run.",
        label="Until step",
        empty="the last",
        advanced=True,
        ge=1,
        le=1_000_000,
    )
    gate: str = knob(
        "",
        "Name of another reward of the list. This one counts only where that one reaches its bar, and is 0 elsewhere: "
        "so a short answer earns something only when it is right.",
        label="Counts only if",
        empty="always",
        advanced=True,
        max_length=80,
    )
    gate_at: float = knob(1.0, "What the other reward has to reach.", label="Reaches", advanced=True, ge=-1e6, le=1e6)
    clip_low: float | None = knob(
        None,
        "Lower values count as this one.",
        label="At least",
        empty="no limit",
        advanced=True,
        ge=-1e6,
        le=1e6,
    )
    clip_high: float | None = knob(
        None,
        "Higher values count as this one.",
        label="At most",
        empty="no limit",
        advanced=True,
        ge=-1e6,
        le=1e6,
    )
    params: dict[str, Any] = knob({}, "Settings of this reward function.", label="Parameters")


class Ramp(NamedTuple):
    """A weight that changes in a straight line: `first` up to step `begin`, `last` from step `end` on."""

    first: float
    last: float
    begin: int
    end: int

    def at(self, step: int) -> float:
        if step <= self.begin or step >= self.end:
            return self.first if step <= self.begin else self.last
        return self.first + (self.last - self.first) * (step - self.begin) / (self.end - self.begin)


def ramp_of(spec: RewardSpec, max_steps: int) -> Ramp | None:
    """How the weight changes in a run of `max_steps`; None when it does not."""
    if spec.final_weight is None:
        return None
    return Ramp(spec.weight, spec.final_weight, spec.weight_from, spec.weight_until or max_steps)


def is_trained(spec: RewardSpec) -> bool:
    """Whether any step may learn from it; one that none does is a monitor."""
    return spec.weight != 0 or bool(spec.final_weight)


def decides(rewards: Sequence[RewardSpec]) -> set[str]:
    """Names of the rewards that training depends on: those with a weight, and the gates of these."""
    weighted = [spec for spec in rewards if is_trained(spec)]
    return {spec.name for spec in weighted} | {spec.gate for spec in weighted if spec.gate}


def weight_at(spec: RewardSpec, step: int, max_steps: int) -> float:
    """The weight in the 1-based `step` of a run of `max_steps`."""
    ramp = ramp_of(spec, max_steps)
    return spec.weight if ramp is None else ramp.at(step)


def weights_at(rewards: Sequence[RewardSpec], step: int, max_steps: int) -> dict[str, float]:
    """Each reward's weight in this step, by its name."""
    return {spec.name: weight_at(spec, step, max_steps) for spec in rewards}


def largest_weights(rewards: Sequence[RewardSpec]) -> dict[str, float]:
    """The larger of each reward's two weights: 0 for a monitor alone."""
    return {spec.name: max(spec.weight, spec.final_weight or 0.0, key=abs) for spec in rewards}
