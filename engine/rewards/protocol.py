"""The calling convention of reward functions, which is TRL's, and how a per-completion rule becomes such a function.

A reward function is called with keywords: `prompts`, `completions`, `completion_ids`, `trainer_state`, `log_extra`,
`log_metric`, and every other dataset column as a list, aligned with the completions. It returns one float or None for
each completion; None means that it has nothing to say about this one. Completions are strings, or, for chat models,
lists with one assistant message.

Beyond TRL, a function may judge the steps of a completion (process supervision): in place of the number it returns a
list of (token position, score) pairs, each at the last token of its step. It may ask for `completion_offsets`: for each
completion the number of characters up to the end of each token.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainerState:
    """What functions learn of the run, under TRL's names. `global_step`: steps finished so far, 0 during the first.

    `epoch`: how often the data was gone through, None where it is endless.
    """

    global_step: int
    max_steps: int
    epoch: float | None = None


StepScores = list[tuple[int, float]]
RewardFunction = Callable[..., Sequence[float | StepScores | None]]
Completion = str | Sequence[dict[str, Any]]

PASS = 1.0 - 1e-9  # a pass reward of 1 means right; partial credit does not

# The column that a function gives to log_extra to say why it returned None, where it does not apply, or NaN, where it
# failed: a text, or None, for each completion.
MISSING = "missing"


class Missing(Exception):
    """Raised by a per-completion rule that has nothing to say about this row; its text is the reason."""

    value: float | None = None  # what the function returns for it


class Failed(Missing):
    """Raised by a rule that should judge this row and cannot, such as for want of time: a failure.

    The other rewards do not make up for it, so a completion gains nothing by being too hard to judge.
    """

    value = math.nan


def completion_text(completion: Completion) -> str:
    """What the model wrote, in either form of the convention."""
    if isinstance(completion, str):
        return completion
    return "".join(str(message.get("content") or "") for message in completion)


def per_completion(rule: Callable[[str, str | None], float]) -> RewardFunction:
    """A reward function from a rule that judges one completion's text against its reference answer."""
    return per_row(lambda text, row: rule(text, row["answer"]), "answer")


def per_row(rule: Callable[[str, dict[str, Any]], float], *columns: str) -> RewardFunction:
    """A reward function from a rule that judges one completion's text with these columns of its row; None where absent.

    Where the rule raises Missing, the value is None, for Failed NaN, and the reason goes to log_extra.
    """

    def reward(
        *,
        completions: Sequence[Completion],
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **given: Any,
    ) -> list[float | None]:
        values: list[float | None] = []
        reasons: list[str | None] = []
        empty = [None] * len(completions)
        cells = [given.get(name) or empty for name in columns]
        for completion, *row in zip(completions, *cells, strict=True):
            try:
                values.append(rule(completion_text(completion), dict(zip(columns, row, strict=True))))
                reasons.append(None)
            except Missing as error:
                values.append(error.value)
                reasons.append(str(error))
        if log_extra is not None:
            log_extra(MISSING, reasons)
        return values

    return reward


def required(reference: str | None) -> str:
    """The reference answer, or Missing where the row has none."""
    if reference is None or not reference.strip():
        raise Missing("this row has no reference answer")
    return reference
