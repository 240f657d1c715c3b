"""What tokens are coloured and ranked by: KL, change, ratio, push, entropy, log-probability. Pure.

N tokens: those of one completion, or of all completions of a step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.token_weights import push
from engine.config_loss import LossConfig, updates_per_batch
from engine.glossary import METRICS, TERMS, Metric
from engine.runs.tokens import Tokens

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """How a number becomes a colour. `full`: its distance from nothing at full colour, None where the page says; `root`
    0.5 lets small ones show. `above`, `below`: what the two colours of a signed number mean; "" for one colour.
    """

    metric: Metric
    full: float | None
    root: float = 1.0
    above: str = ""
    below: str = ""


LOOKS: Mapping[str, Look] = {
    "kl": Look(TERMS["token_kl"], 1.0, 0.5),
    "change": Look(TERMS["token_change"], 2.0, 0.5, "likelier than for the reference", "less likely"),
    "ratio": Look(TERMS["token_ratio"], 0.5, 0.5, "likelier than when it was sampled", "less likely"),
    "push": Look(TERMS["push"], None, 1.0, "made likelier", "made less likely"),
    "entropy": Look(METRICS["entropy"], 3.0),
    "logprob": Look(TERMS["logprob"], 5.0),
    "advantage": Look(TERMS["advantage"], None, 1.0, "better than the group", "worse"),
}


@dataclass(frozen=True)
class Measure:
    """A number for each of N tokens. values [N]: as shown, NaN where not known. full: the |size| of full colour."""

    key: str
    values: Floats
    full: float

    @property
    def look(self) -> Look:
        return LOOKS[self.key]

    @property
    def size(self) -> Floats:
        """[N], signed: how far each value is from nothing, 0 where not known. Of a ratio its logarithm."""
        values = np.log(np.maximum(self.values, 1e-30)) if self.key == "ratio" else self.values
        return np.nan_to_num(values, nan=0.0, posinf=1e30, neginf=-1e30)

    @property
    def levels(self) -> Floats:
        """[N] in −1…1, 0 for none: how strong the colour is; never below 0 with a single colour."""
        strength = np.clip(np.abs(self.size) / self.full, 0, 1) ** self.look.root
        return strength * np.sign(self.size) if self.look.above else strength

    def most_extreme(self, count: int) -> list[int]:
        """The places of the values that are furthest from nothing, first the furthest; none that are nothing."""
        size = np.abs(self.size)
        order = np.argsort(-size, kind="stable")[:count]
        return [int(place) for place in order if size[place] > 0]

    def colours_in_words(self) -> str:
        """What the colours mean, in one line."""
        look, unit = self.look, self.look.metric.unit.partition("/")[0]
        if not look.above:
            darker = "the less likely" if self.key == "logprob" else "the larger"
            return f"The stronger the colour, {darker}; full colour from {self.full:g} {unit} on."
        if self.key == "ratio":
            full = f"beyond {np.exp(-self.full):.2f} and {np.exp(self.full):.2f}"
        else:
            full = f"from ±{self.full:.3g} {unit}".rstrip() + " on"
        return f"Blue with a solid line: {look.above}. Orange with a dotted line: {look.below}. Full colour {full}."


def token_numbers(tokens: Tokens, advantage: float, *, counted: bool, loss: LossConfig) -> dict[str, Floats]:
    """What is known of a completion's tokens, by the keys of LOOKS, in their order; empty in a discarded group.

    counted: whether the loss counts the completion. Advantages only where each token has its own.
    """
    if tokens.logprobs is None:
        return {}
    sampled = tokens.logprobs.astype(np.float64)
    latest = sampled if updates_per_batch(loss) == 1 else tokens.update_logprobs
    a = advantage if tokens.advantages is None else tokens.advantages
    found = {
        "kl": tokens.kl,
        "change": tokens.change,
        "ratio": None if latest is None else np.exp(latest - sampled),
        "push": np.zeros_like(sampled) if latest is None else push(latest, sampled, a, loss, counted=counted),
        "entropy": tokens.entropies,
        "logprob": tokens.logprobs,
        "advantage": tokens.advantages,
    }
    return {key: values.astype(np.float64) for key, values in found.items() if values is not None}


def joined(parts: Sequence[tuple[int, Mapping[str, Floats]]]) -> dict[str, Floats]:
    """(length, numbers) of completions, one after the other; NaN where one has not what another has."""
    return {
        key: np.concatenate([numbers.get(key, np.full(length, np.nan)) for length, numbers in parts])
        for key in LOOKS
        if any(key in numbers for _, numbers in parts)
    }


def measures(numbers: Mapping[str, Floats], reach: float) -> dict[str, Measure]:
    """One for each key; reach: the |advantage| of full colour."""
    return {key: Measure(key, values, LOOKS[key].full or reach) for key, values in numbers.items()}


def is_counted(finish_reason: str, loss: LossConfig) -> bool:
    """Whether the loss counts a completion that ended so."""
    return finish_reason != "length" or not loss.mask_truncated_completions


def push_caveat(loss: LossConfig) -> str:
    """What the push leaves out in this run; "" for nothing."""
    if loss.top_entropy_quantile >= 1:
        return ""
    return (
        f"This run trains only on the {loss.top_entropy_quantile:.0%} most uncertain tokens of a step; which these are "
        "is not stored, so the push is shown as if all were trained on."
    )
