"""Rewards that compare a completion with the reference answer: exactly, as a number, by digits, by edit distance."""

from fractions import Fraction
from typing import Literal

from engine.config_section import Section, knob
from engine.rewards.extract import Extract, read_number, reference_number, show_number, stated_answer
from engine.rewards.info import RewardInfo
from engine.rewards.protocol import Missing, RewardFunction, per_completion, required

# How a form names the choices of `extract`.
NUMBER_WORDS = {
    "auto": "wherever it is",
    "tag": "<answer> tags",
    "boxed": "\\boxed{}",
    "hashes": "after ####",
    "last_number": "the last number",
}
MAX_COMPARED = 10_000  # characters; edit distance costs their product


class ExactMatchParams(Section):
    extract: Literal["whole", "tag", "boxed", "hashes"] = knob(
        "whole",
        "Which part of the completion is compared with the reference answer.",
        label="Read the answer from",
        words={
            "whole": "the whole completion",
            "tag": "<answer> tags",
            "boxed": "\\boxed{}",
            "hashes": "after ####",
        },
    )
    ignore_case: bool = knob(False, "Count upper and lower case as the same.", label="Ignore case")


class NumericMatchParams(Section):
    extract: Extract = knob(
        "auto",
        "Where the number stands. auto: in <answer> tags, else in \\boxed{}, else after ####, else the last number.",
        label="Read the answer from",
        words=NUMBER_WORDS,
    )
    tolerance: float = knob(0.0, "Largest difference that still counts as right.", label="Tolerance", ge=0, le=1e12)


class DigitMatchParams(Section):
    extract: Extract = knob(
        "auto", "Where the number stands, as for numeric match.", label="Read the answer from", words=NUMBER_WORDS
    )
    align: Literal["right", "left"] = knob(
        "right",
        "Which digits are laid over each other: 85 and 185 agree in two places from the right, in none from the left.",
        label="Compare digits",
        words={"right": "from the units up", "left": "from the first one down"},
    )


class EditSimilarityParams(Section):
    ignore_case: bool = knob(False, "Count upper and lower case as the same.", label="Ignore case")


def exact_match(params: ExactMatchParams) -> RewardFunction:
    """1 when the answer equals the reference, spaces around both removed; else 0."""

    def rule(text: str, reference: str | None) -> float:
        given, wanted = exact_answer(params, text), required(reference).strip()
        if params.ignore_case:
            given, wanted = given and given.casefold(), wanted.casefold()
        return float(given == wanted)

    return per_completion(rule)


def exact_answer(params: ExactMatchParams, text: str) -> str | None:
    """What exact match compares."""
    return text.strip() if params.extract == "whole" else stated_answer(text, params.extract)


def numeric_match(params: NumericMatchParams) -> RewardFunction:
    """1 when the completion's number is within the tolerance of the reference; 0 otherwise, also without a number."""
    tolerance = Fraction(str(params.tolerance))

    def rule(text: str, reference: str | None) -> float:
        wanted, given = _wanted_number(reference), read_number(text, params.extract)
        return float(given is not None and abs(given - wanted) <= tolerance)

    return per_completion(rule)


def numeric_answer(params: NumericMatchParams | DigitMatchParams, text: str) -> str | None:
    """The number that numeric match and digit match read."""
    number = read_number(text, params.extract)
    return None if number is None else show_number(number)


def digit_match(params: DigitMatchParams) -> RewardFunction:
    """Share of digit positions that agree, of the longer number's length: 85 against 75 is 1/2, against 185 is 2/3.

    0 for another sign, for a number with decimals, and without a number.
    """

    def rule(text: str, reference: str | None) -> float:
        wanted, given = _wanted_number(reference), read_number(text, params.extract)
        if wanted.denominator != 1:
            raise Missing(f"the reference answer {_short(reference)} is not a whole number")
        if given is None or given.denominator != 1 or (given < 0) != (wanted < 0):
            return 0.0
        return _digit_share(str(abs(given)), str(abs(wanted)), params.align)

    return per_completion(rule)


def edit_similarity(params: EditSimilarityParams) -> RewardFunction:
    """1 − edit distance / length of the longer text, spaces around both removed.

    Of a completion beyond MAX_COMPARED characters the rest counts as wrong.
    """

    def rule(text: str, reference: str | None) -> float:
        given, wanted = text.strip(), required(reference).strip()
        if len(wanted) > MAX_COMPARED:
            raise Missing(f"the reference answer has {len(wanted):,} characters, more than {MAX_COMPARED:,}")
        if params.ignore_case:
            given, wanted = given.casefold(), wanted.casefold()
        distance = edit_distance(wanted, given[:MAX_COMPARED]) + max(0, len(given) - MAX_COMPARED)
        return max(0.0, 1.0 - distance / max(len(given), len(wanted)))

    return per_completion(rule)


def edit_distance(first: str, second: str) -> int:
    """Levenshtein distance: fewest insertions, deletions and replacements of one character.

    Bit-parallel over the first text: one machine-word operation handles many cells of the table
    (Myers 1999, in the form of Hyyrö 2003). Bit i of `rises` and `falls` says whether the table's current column
    grows or shrinks by one from row i to row i + 1.
    """
    if not first:
        return len(second)
    positions: dict[str, int] = {}
    for index, character in enumerate(first):
        positions[character] = positions.get(character, 0) | 1 << index
    full, last = (1 << len(first)) - 1, 1 << (len(first) - 1)
    rises, falls, distance = full, 0, len(first)
    for character in second:
        equal = positions.get(character, 0)
        diagonal = (((equal & rises) + rises) ^ rises) | equal | falls
        right_rises = falls | ~(diagonal | rises) & full
        right_falls = rises & diagonal
        distance += bool(right_rises & last) - bool(right_falls & last)
        right_rises = (right_rises << 1 | 1) & full
        right_falls = right_falls << 1 & full
        rises = right_falls | ~(diagonal | right_rises) & full
        falls = right_rises & diagonal
    return distance


def _wanted_number(reference: str | None) -> Fraction:
    number = reference_number(required(reference))
    if number is None:
        raise Missing(f"the reference answer {_short(reference)} is not a number")
    return number


def _digit_share(given: str, wanted: str, align: str) -> float:
    if align == "right":
        given, wanted = given[::-1], wanted[::-1]
    return sum(a == b for a, b in zip(given, wanted, strict=False)) / max(len(given), len(wanted))


def _short(text: str | None) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else shown[:57] + "..."


INFOS = (
    RewardInfo(
        "exact_match",
        "Exact match",
        "1 when the answer equals the reference answer, else 0.",
        "task",
        ExactMatchParams,
        exact_match,
        parse=exact_answer,
    ),
    RewardInfo(
        "numeric_match",
        "Numeric match",
        "1 when the number in the completion equals the reference answer, however it is written, else 0.",
        "task",
        NumericMatchParams,
        numeric_match,
        parse=numeric_answer,
    ),
    RewardInfo(
        "digit_match",
        "Digits right",
        "Partial credit: the share of digits of the answer that are right.",
        "task",
        DigitMatchParams,
        digit_match,
        parse=numeric_answer,
    ),
    RewardInfo(
        "edit_similarity",
        "Edit similarity",
        "Partial credit: 1 minus the edit distance to the reference answer, relative to the longer of the two.",
        "task",
        EditSimilarityParams,
        edit_similarity,
    ),
)
