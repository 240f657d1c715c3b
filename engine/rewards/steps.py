"""Rewards for the steps of a completion: process supervision. Each returns (token position, score) pairs.

A step ends at a token, and is scored by itself: a digit of a sum, an equation within a solution.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from engine.config_section import Section
from engine.rewards.info import Example, RewardInfo
from engine.rewards.protocol import MISSING, Completion, Missing, RewardFunction, StepScores, completion_text, required

MAX_TEXT = 20_000  # characters that are searched for steps
MAX_TERMS = 12  # numbers on the left of an equation; a longer one is not read
MAX_DIGITS = 20

_NUM = r"(?:\d{1,3}(?:,\d{3}){1,6}(?!\d)|\d{1,25})(?:\.\d{1,15})?"
_EQUATION = re.compile(
    rf"(?<![\w.)+\-*/×÷−])(?P<left>-?{_NUM}(?:\s{{0,3}}[-+*/×÷−]\s{{0,3}}{_NUM}){{1,{MAX_TERMS - 1}}})"
    rf"\s{{0,3}}=\s{{0,3}}\$?(?P<right>-?{_NUM})"
)
_TERM = re.compile(rf"\s*(?P<operator>[-+*/×÷−])?\s*(?P<number>{_NUM})")


class NoStepParams(Section):
    """Nothing to set."""


def digit_steps(_: NoStepParams) -> RewardFunction:
    """Each digit of the answer is a step: 1 if it is the reference's digit at its place from the front, else 0.

    Space around the answer is no step, as exact_match takes no notice of it either.
    """

    def rule(text: str, reference: str | None) -> Iterator[tuple[int, float]]:
        expected = required(reference).strip()
        written = text.strip()[:MAX_TEXT]
        before = len(text) - len(text.lstrip())
        for place, character in enumerate(written):
            right = place < len(expected) and expected[place] == character
            yield before + place + 1, 1.0 if right else 0.0
        if len(written) < len(expected):  # ended too soon: the end is a step, and it is wrong
            yield len(text) + 1, 0.0

    return per_step(rule)


def equation_steps(_: NoStepParams) -> RewardFunction:
    """Each equation in the text, such as 48 / 2 = 24, is a step: 1 if it is true to its last decimal, else 0."""

    def rule(text: str, _reference: str | None) -> Iterator[tuple[int, float]]:
        for match in _EQUATION.finditer(text[:MAX_TEXT]):
            yield match.end(), 1.0 if _is_true(match["left"], match["right"]) else 0.0

    return per_step(rule)


def per_step(rule: Callable[[str, str | None], Iterator[tuple[int, float]]]) -> RewardFunction:
    """A reward function from a rule that yields (characters up to the end of a step, its score) for one completion.

    The function needs `completion_offsets`: for each completion the number of characters up to the end of each token.
    A completion without a step is missing.
    """

    def reward(
        *,
        completions: Sequence[Completion],
        completion_offsets: Sequence[Sequence[int]],
        answer: Sequence[str | None] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **_: Any,
    ) -> list[StepScores | None]:
        values: list[StepScores | None] = []
        reasons: list[str | None] = []
        rows = zip(completions, completion_offsets, answer or [None] * len(completions), strict=True)
        for completion, offsets, reference in rows:
            steps, reason = _steps(rule, completion_text(completion), reference, offsets)
            values.append(steps or None)
            reasons.append(reason)
        if log_extra is not None:
            log_extra(MISSING, reasons)
        return values

    return reward


def _steps(
    rule: Callable[[str, str | None], Iterator[tuple[int, float]]],
    text: str,
    reference: str | None,
    offsets: Sequence[int],
) -> tuple[StepScores, str | None]:
    """The steps at their tokens, and why there is none."""
    try:
        steps = [(min(bisect_left(offsets, end), len(offsets) - 1), score) for end, score in rule(text, reference)]
    except Missing as error:
        return [], str(error)
    return steps, None if steps else "there is no step to score"


def _is_true(left: str, right: str) -> bool:
    value = _value(left)
    written = _number(right)
    if value is None or written is None:
        return False
    decimals = len(right.partition(".")[2])
    return abs(value - written) <= Fraction(1, 2 * 10**decimals) if decimals else value == written


def _value(expression: str) -> Fraction | None:
    """The value of numbers joined by + − × ÷, products first; None for a division by 0 or a number that is too long."""
    total, product, sign = Fraction(0), Fraction(1), 1
    expression = expression.strip()
    if expression.startswith("-"):
        sign, expression = -1, expression[1:]
    for match in _TERM.finditer(expression):
        operator, number = match["operator"] or "", _number(match["number"])
        if number is None:
            return None
        if operator in ("*", "×"):
            product *= number
        elif operator in ("/", "÷"):
            if number == 0:
                return None
            product /= number
        else:
            total, product = total + (sign * product if operator else 0), number
            sign = sign if not operator else -1 if operator in ("-", "−") else 1
    return total + sign * product


def _number(text: str) -> Fraction | None:
    digits = text.replace(",", "")
    return Fraction(digits) if len(digits) <= MAX_DIGITS else None


INFOS = (
    RewardInfo(
        "digit_steps",
        "Digits, step by step",
        "Process supervision: each digit of the answer is a step, 1 if it is right. The value shown is their mean.",
        "task",
        NoStepParams,
        digit_steps,
        steps=True,
        explanation=(
            "Each character of the answer, spaces around it left out, is a step: 1 if the reference has it at the same "
            "place from the front, else 0. An answer that ends too soon has one more step, which is wrong. Each token "
            "is credited with the steps that end at or after it; the value shown is the mean. One digit too many or "
            "too few at the front makes all the others wrong."
        ),
        examples=(
            Example("85", 1.0, "85"),
            Example("86", 0.5, "85"),
            Example("", 0.0, "85"),
            Example("185", 0.0, "85"),
            Example("8", 0.5, "85"),
        ),
    ),
    RewardInfo(
        "equation_steps",
        "Equations, step by step",
        "Process supervision: each equation in the text, such as 48 / 2 = 24, is a step, 1 if it is true.",
        "format",
        NoStepParams,
        equation_steps,
        needs_answer=False,
        steps=True,
        explanation=(
            "Each equation in the text, such as 48 / 2 = 24, is a step: 1 if it is true to its last decimal, else 0. A "
            "completion without an equation is missing. It does not ask whether an equation has to do with the task, "
            "so 1 = 1 would do if it were an equation here (one side needs an operator), and 1 + 1 = 2 does."
        ),
        examples=(
            Example("48 / 2 = 24, and 24 + 48 = 72", 1.0),
            Example("48 / 2 = 24, and 24 + 48 = 70", 0.5),
            Example("48 / 2 = 25", 0.0),
            Example("It is 72.", None),
            Example("1 + 1 = 2. The answer is 7.", 1.0),
        ),
    ),
)
