"""Rewards that compare the stated answer with the reference answer: as text, as a number, by its digits."""

import re
import unicodedata
from collections.abc import Callable
from fractions import Fraction
from typing import Literal

from engine.config_section import knob
from engine.rewards.extract import FORM_WORDS, Extract, ReadsAnswer, read_number, reference_number, stated_answer
from engine.rewards.info import Example, RewardInfo
from engine.rewards.numbers import Number, equal, show
from engine.rewards.protocol import Failed, Missing, RewardFunction, per_completion, required
from engine.shown import short


class ExactMatchParams(ReadsAnswer):
    extract: Extract = knob(
        "whole",
        "Which part of the completion is compared with the reference answer. A think block is never part of it.",
        label="Read the answer from",
        words=FORM_WORDS,
    )
    ignore_case: bool = knob(False, "Count upper and lower case as the same.", label="Ignore case")
    ignore_punctuation: bool = knob(
        False,
        "Take off what stands around the answer: full stop, quotes, brackets, Markdown, LaTeX's \\text{}. Also count "
        "full-width letters and runs of spaces as what they stand for.",
        label="Ignore punctuation around it",
    )


class NumericMatchParams(ReadsAnswer):
    tolerance: float = knob(0.0, "Largest difference that still counts as right.", label="Tolerance", ge=0, le=1e12)
    relative_tolerance: float = knob(
        0.0,
        "Largest difference as a share of the reference answer: 0.01 lets 99 pass for 100. The larger of both counts.",
        label="Relative tolerance", ge=0, le=1,
    )  # fmt: skip
    percent: Literal["either", "number"] = knob(
        "either",
        "What 50% is when the other side has no percent sign.",
        label="A percent sign",
        words={"either": "50% is 50, or 0.5", "number": "50% is 50"},
    )


class DigitMatchParams(ReadsAnswer):
    align: Literal["right", "left"] = knob(
        "right",
        "Which digits are laid over each other: 85 and 185 agree in two places from the right, in none from the left.",
        label="Compare digits",
        words={"right": "from the units up", "left": "from the first one down"},
    )


def exact_match(params: ExactMatchParams) -> RewardFunction:
    """1 when the answer equals the reference, spaces around both removed; else 0."""
    return per_completion(exact_rule(params))


def exact_rule(params: ExactMatchParams) -> Callable[[str, str | None], float]:
    """The rule of exact match for one completion."""
    spelled = _spelling(params)

    def rule(text: str, reference: str | None) -> float:
        given, wanted = exact_answer(params, text), required(reference)
        return float(given is not None and spelled(given) == spelled(wanted))

    return rule


def exact_answer(params: ExactMatchParams, text: str) -> str | None:
    """What exact match compares."""
    return stated_answer(text, params.extract, params.answer_pattern)


def _spelling(params: ExactMatchParams) -> Callable[[str], str]:
    def spelled(text: str) -> str:
        text = unicodedata.normalize("NFKC" if params.ignore_punctuation else "NFC", text).strip()
        if params.ignore_punctuation:
            text = " ".join(_LATEX_TEXT.sub(r"\1", text).strip(_AROUND).split())
        return text.casefold() if params.ignore_case else text

    return spelled


_LATEX_TEXT = re.compile(r"\\(?:text|mathrm|mathbf|textbf|mbox) ?\{([^{}]{0,200})\}")
_AROUND = " \t\n\r.,;:!?\"'`*_()[]{}<>«»“”‘’$"


def numeric_match(params: NumericMatchParams) -> RewardFunction:
    """1 when the completion's number is within the tolerance of the reference; 0 otherwise, also without a number."""
    return per_completion(numeric_rule(params))


def numeric_rule(params: NumericMatchParams) -> Callable[[str, str | None], float]:
    """The rule of numeric match for one completion."""
    absolute, relative = Fraction(str(params.tolerance)), Fraction(str(params.relative_tolerance))

    def rule(text: str, reference: str | None) -> float:
        wanted, given = wanted_number(reference), read_number(text, params.extract, params.answer_pattern)
        tolerance = max(absolute, relative * abs(wanted.value))
        as_share = params.percent == "either"
        return float(given is not None and equal(given, wanted, tolerance=tolerance, percent_as_share=as_share))

    return rule


def numeric_answer(params: ReadsAnswer, text: str) -> str | None:
    """The number that numeric match and digit match read."""
    try:
        number = read_number(text, params.extract, params.answer_pattern)
    except Failed:
        return None
    return None if number is None else show(number)


def digit_match(params: DigitMatchParams) -> RewardFunction:
    """Share of digit positions that agree, of the longer number's length: 85 against 75 is 1/2, against 185 is 2/3.

    0 for another sign, for a number with decimals, and without a number.
    """

    def rule(text: str, reference: str | None) -> float:
        wanted, given = wanted_number(reference).value, read_number(text, params.extract, params.answer_pattern)
        if wanted.denominator != 1:
            raise Missing(f"the reference answer {short(reference)} is not a whole number")
        if given is None or given.value.denominator != 1 or (given.value < 0) != (wanted < 0):
            return 0.0
        return _digit_share(str(abs(given.value)), str(abs(wanted)), params.align)

    return per_completion(rule)


def wanted_number(reference: str | None) -> Number:
    """The number of a reference answer; raises Missing where there is none."""
    number = reference_number(required(reference))
    if number is None:
        raise Missing(f"the reference answer {short(reference)} is not a number")
    return number


def _digit_share(given: str, wanted: str, align: str) -> float:
    if align == "right":
        given, wanted = given[::-1], wanted[::-1]
    return sum(a == b for a, b in zip(given, wanted, strict=False)) / max(len(given), len(wanted))


INFOS = (
    RewardInfo(
        "exact_match",
        "Exact match",
        "1 when the answer equals the reference answer, else 0.",
        "task",
        ExactMatchParams,
        exact_match,
        parse=exact_answer,
        explanation=(
            "The answer, with the spaces around it removed, has to be the reference answer character by character. By "
            "default the whole completion is the answer, so one word too many is wrong. Nothing can be earned by "
            "guessing several answers. It cannot see that 1,072 and 1072 are the same: numeric_match can."
        ),
        examples=(
            Example("85", 1.0, "85"),
            Example(" 85\n", 1.0, "85"),
            Example("75", 0.0, "85"),
            Example("The answer is 85", 0.0, "85"),
            Example("The capital is Paris", 0.0, "Paris", {"extract": "last_line"}),
            Example('"Paris."', 1.0, "paris", {"ignore_case": True, "ignore_punctuation": True}),
            Example("<think>Lyon?</think>Paris", 1.0, "Paris"),
        ),
    ),
    RewardInfo(
        "numeric_match",
        "Numeric match",
        "1 when the number in the completion equals the reference answer, however it is written, else 0.",
        "task",
        NumericMatchParams,
        numeric_match,
        parse=numeric_answer,
        explanation=(
            "The completion has to assert one number that equals the reference: 1,072, 1072.00, $1,072 and 2144/2 are "
            "the same number. By default it is read from the place that states the answer, else it is the last number "
            "of the text. Several different numbers side by side (“42 or 43”) assert none, and neither does “not 42”. "
            "Known units are converted when both sides name one, else ignored; numbers in words are not read. "
            "Reasoning that is wrong but ends in the right number earns 1."
        ),
        examples=(
            Example("So she sold $1,072.00.", 1.0, "1072"),
            Example(r"\boxed{\frac{3}{4}}", 1.0, "0.75"),
            Example("<answer>41</answer> or maybe 42", 0.0, "42"),
            Example("42 or 43", 0.0, "42"),
            Example("50%", 1.0, "0.5"),
            Example("I multiply 3 by 9 and get 42", 1.0, "42"),
            Example("forty-two", 0.0, "42"),
        ),
    ),
    RewardInfo(
        "digit_match",
        "Digits right",
        "Partial credit: the share of digits of the answer that are right.",
        "task",
        DigitMatchParams,
        digit_match,
        parse=numeric_answer,
        explanation=(
            "The number is read as numeric_match reads it. Its digits are laid over those of the reference, and the "
            "reward is the share that agrees, of the longer of the two. Another sign, decimals, or no number earn 0. "
            "A model can live on the easy digits: 0 and 9 agree in no place, but 9 and 19 agree in half."
        ),
        examples=(
            Example("85", 1.0, "85"),
            Example("75", 0.5, "85"),
            Example("58", 0.0, "85"),
            Example("185", 2 / 3, "85"),
            Example("-85", 0.0, "85"),
        ),
    ),
)  # fmt: skip
