"""What the glossary says of a number."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """`better` says which way is good: "up", "down", or "" where it depends. `equation`, `source` are for the docs.

    In the equations p, o and q are a token's log-probabilities under the policy now, at sampling and under the
    reference, ρ = exp(p − o), R a total reward, A an advantage, and B the completions of the step.
    """

    key: str
    label: str
    unit: str
    help: str
    look_for: str
    better: Literal["up", "down", ""] = ""
    equation: str = ""
    source: str = ""
