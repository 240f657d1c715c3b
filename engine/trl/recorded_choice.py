"""Which columns of a recorded run were rewards, and with which weights, where TRL does not record it: what its log or
its advantages bear out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from engine.trl.recorded_groups import Floats, Rows, Rule, confirmed, find_rule, find_weights
from engine.trl.recorded_log import TrainerLog

MAX_SEARCHED = 8  # columns, of which 255 choices are tried


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

    def of(self, columns: Sequence[int]) -> "Evidence":
        """The same, with these columns for rewards."""
        return replace(self, rows=[replace(rows, rewards=rows.rewards[:, list(columns)]) for rows in self.rows])

    def confirmed(self, weights: Floats) -> str:
        return confirmed(self.rows, self.covered, weights)


def choose_columns(evidence: Evidence, names: Sequence[str], given: Floats | None) -> tuple[Sequence[int] | None, str]:
    """Which columns of numbers are rewards, when no log names them: the one choice that gives the advantages.

    given: weights of the config, with which as many columns are tried; else they are 1 each. None and a sentence with
    the reason when no choice does, or several do, since a logged extra column in the sum would make every total wrong.
    """
    what = f"Total rewards and their means: no log says which of the columns {', '.join(names)} are rewards"
    how = "All are kept, with weight 0"
    if len(names) > MAX_SEARCHED:
        return None, f"{what}, and they are too many to try every choice of them. {how}."
    counts = range(1, len(names) + 1) if given is None else [len(given)]
    choices = [chosen for count in counts for chosen in combinations(range(len(names)), count)]
    fitting = [
        chosen for chosen in choices if evidence.of(chosen).rule(np.ones(len(chosen)) if given is None else given)
    ]
    if len(fitting) == 1:
        return fitting[0], ""
    why = "more than one choice gives" if fitting else "no choice gives"
    return None, f"{what}, and {why} the recorded advantages. {how}."


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
