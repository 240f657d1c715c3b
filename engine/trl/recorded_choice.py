"""Which weights a recorded run had, which TRL does not record: those that its log or its advantages bear out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.trl.recorded_groups import Floats, Rows, Rule, confirmed, find_rule, find_weights
from engine.trl.recorded_log import TrainerLog


@dataclass(frozen=True)
class Evidence:
    """What tells of weights. rows: every step with completions. logged: {step: reward of the log}; covered: those of
    them that are the mean of nothing but the step's rows. first: rules that are tried before all others.
    """

    rows: Sequence[Rows]
    logged: Mapping[int, float]
    covered: Mapping[int, float]
    size: int | None
    first: Sequence[Rule] = ()

    def rule(self, weights: Floats) -> Rule | None:
        """The rule by which these weights give every advantage."""
        if self.size is None or not self.rows:
            return None
        return find_rule(self.rows, weights, self.size, self.first)

    def confirmed(self, weights: Floats) -> str:
        return confirmed(self.rows, self.covered, weights)


def given_weights(evidence: Evidence, weights: Floats) -> tuple[Floats, str]:
    """Weights of TRL's config, and a sentence where the log says otherwise."""
    if evidence.confirmed(weights) == "no":
        return weights, "The logged reward is not the mean of the totals with the weights of the config."
    return weights, ""


def choose_weights(evidence: Evidence, functions: Sequence[str], log: TrainerLog | None) -> tuple[Floats, str]:
    """The weights [R], and a sentence on where they come from.

    1 each where the log confirms it. Else those that solve the log, where it or the advantages bear them out: they
    answer for all of its steps, while advantages that are divided do not change with all weights alike. Else 1 each.
    """
    ones = np.ones(len(functions))
    known = evidence.confirmed(ones)
    if known == "yes":
        return ones, "The weights are 1 each: the logged reward is the plain sum."
    solved = None
    if log is not None and not any(np.isnan(step.rewards).any() for step in evidence.rows):  # its means leave NaN out
        solved = find_weights(evidence.logged, log.means, functions)
    if solved is not None and _borne_out(evidence, solved):
        listed = ", ".join(f"{name} × {weight:g}" for name, weight in zip(functions, solved, strict=True))
        return solved, f"The weights follow from the log, whose reward is their sum: {listed}."
    if known == "no":
        return ones, "Total rewards are plain sums, which the logged reward is not: TRL does not record the weights."
    if evidence.rule(ones) is not None:
        said = "Total rewards are sums with weight 1 each, which give the recorded advantages"
        return ones, f"{said}: TRL does not record the weights."
    return ones, "Total rewards are sums with weight 1 each: TRL does not record the weights."


def _borne_out(evidence: Evidence, weights: Floats) -> bool:
    known = evidence.confirmed(weights)
    return known == "yes" or (known == "unknown" and evidence.rule(weights) is not None)
