"""Which evaluation is better: the measure that decides, and how long there has been no gain. Pure."""

import math
from collections.abc import Mapping, Sequence

from engine.analysis.evaluation import Estimate

_WORDS = {"reward": "total reward"}


def measure_key(measure: str, num_generations: int) -> str:
    """The metric that a measure of the configuration stands for: pass_at_k with 8 completions is pass_at_8."""
    return f"{measure.removesuffix('k')}{num_generations}" if measure.endswith("_at_k") else measure


def measure_words(key: str) -> str:
    """pass_at_8 as people write it: pass@8."""
    return _WORDS.get(key, key.replace("_at_", "@"))


def measure_value(key: str, value: float) -> str:
    """A value of this measure with its unit: 41.4 % for shares, 0.812 for rewards."""
    return f"{value:.3f}" if key == "reward" else f"{100 * value:.1f} %"


def measured(evaluations: Sequence[tuple[int, Mapping[str, Estimate]]], key: str) -> list[tuple[int, float]]:
    """(step, value) of the evaluations that have this metric; one without it says nothing and is passed over."""
    found = [(step, metrics[key].value) for step, metrics in evaluations if key in metrics]
    return [(step, value) for step, value in found if not math.isnan(value)]


def evaluations_without_gain(values: Sequence[float], threshold: float) -> int:
    """How many of the newest values in a row are no gain. The first value is one; a later one when it exceeds the best
    of all before it by more than `threshold`.
    """
    best, without = -math.inf, 0
    for value in values:
        without = 0 if value > best + threshold or best == -math.inf else without + 1
        best = max(best, value)
    return without
