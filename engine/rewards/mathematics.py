"""Rewards for mathematics beyond one number: equivalent formulas, and expressions that have to reach a target."""

import logging
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson

from engine.config_section import knob
from engine.rewards.expression import NoValue, evaluate, uses_numbers
from engine.rewards.extract import ReadsAnswer, reference_number, stated_answer
from engine.rewards.extras import needs
from engine.rewards.info import Example, RewardInfo
from engine.rewards.protocol import Missing, RewardFunction, per_completion, per_row, required
from engine.shown import short

MAX_FORMULA = 400  # characters
MAX_DEPTH = 12  # brackets inside brackets
MAX_PARSED = 1000  # answers that are kept parsed

_WORD = re.compile(r"(?<![\\A-Za-z])(?!(?:sin|cos|tan|log|exp|ln|sqrt|lim|max|min|mod|inf|pi)(?![A-Za-z]))[A-Za-z]{3,}")
_TEXT_COMMAND = re.compile(r"\\(?:text|mathrm|textbf|mbox|operatorname) ?\{[^{}]{0,200}\}")
_BIG_POWER = re.compile(
    r"(?:\^|\*\*)\s*[{(]?\s*-?\s*[0-9]{4,}|[0-9]{60,}|(?:\^[^^+\-=,]{0,20}){3,}|![^=]{0,20}!|[0-9]{4,}!"
)


class MathEquivalenceParams(ReadsAnswer):
    pass


class ExpressionTargetParams(ReadsAnswer):
    target_column: str = knob(
        "answer", "The column that holds the number to reach.", label="Target column", min_length=1, max_length=200
    )
    numbers_column: str = knob(
        "",
        "The column that holds the numbers to use: a list, or numbers set apart by commas or spaces.",
        label="Numbers column",
        empty="any numbers will do",
        max_length=200,
    )
    all_numbers: bool = knob(
        True, "Every number has to be used once. Off: each at most once.", label="Use all the numbers"
    )
    attempt: float = knob(
        0.0, "What an expression is worth that uses the right numbers and misses the target.", label="A try", ge=0, lt=1
    )


def math_equivalence(params: MathEquivalenceParams) -> RewardFunction:
    """1 when math-verify finds the stated answer equal to the reference as formulas, else 0.

    The reference is parsed first; one that is no formula makes the reward missing. Runs in the worker, which ends
    what takes too long: SymPy has no time limit of its own.
    """

    def rule(text: str, reference: str | None) -> float:
        wanted = required(reference).rpartition("####")[2].strip()
        gold = _gold(wanted)
        given = stated_answer(text, params.extract, params.answer_pattern)
        if not given or _obstacle(given):
            return 0.0
        return float(_verified(gold, _parsed(_core(given))))

    return per_completion(rule)


def math_answer(params: MathEquivalenceParams, text: str) -> str | None:
    """The formula that math equivalence compares."""
    return stated_answer(text, params.extract, params.answer_pattern)


def _gold(wanted: str) -> Any:
    obstacle = _obstacle(wanted)
    gold = None if obstacle else _parsed(wanted)
    if not gold:
        raise Missing(f"the reference answer {short(wanted)} is no formula" + (f": {obstacle}" if obstacle else ""))
    return gold


def _obstacle(text: str) -> str | None:
    """Why this text is not handed to a formula parser; None when it is."""
    if len(text) > MAX_FORMULA:
        return f"it has {len(text):,} characters, more than {MAX_FORMULA}"
    depth = deepest = 0
    for character in text:
        depth += (character in "({[") - (character in ")}]")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        return f"its brackets are {deepest} deep, more than {MAX_DEPTH}"
    if _BIG_POWER.search(text):
        return "it holds a power or a number that is too large"
    word = _WORD.search(_TEXT_COMMAND.sub("", _core(text)))
    # A parser takes a word for a product of letters, in which their order does not matter.
    return f"{word[0]!r} is a word" if word else None


def _core(text: str) -> str:
    r"""The formula of a stated answer: between dollar signs, without a full stop at its end."""
    inner = re.search(r"\$([^$]{1,400})\$|\\\((.{1,400}?)\\\)", text)
    return (inner[1] or inner[2] if inner else text).strip().rstrip(".")


@cache
def _library() -> Any:
    import math_verify

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns at each call that the time limit is ours
    return math_verify


def _parsed(formula: str) -> Any:
    if formula in _PARSED:
        return _PARSED[formula]
    if len(_PARSED) >= MAX_PARSED:
        _PARSED.clear()
    library = _library()
    config = [library.LatexExtractionConfig(), library.ExprExtractionConfig()]
    _PARSED[formula] = library.parse(f"${formula}$", extraction_config=config, parsing_timeout=None)
    return _PARSED[formula]


_PARSED: dict[str, Any] = {}


def _verified(gold: Any, given: Any) -> bool:
    return bool(given) and bool(_library().verify(gold, given, timeout_seconds=None))


def expression_target(params: ExpressionTargetParams) -> RewardFunction:
    """1 when the expression reaches the target with the given numbers, `attempt` when only the numbers are right."""

    def rule(text: str, row: dict[str, Any]) -> float:
        target = reference_number(required(_as_text(row[params.target_column])))
        if target is None:
            raise Missing(f"the target {short(_as_text(row[params.target_column]))} is not a number")
        expression = written_expression(params, text)
        if expression is None or isinstance(value := evaluate(expression), NoValue):
            return 0.0
        if params.numbers_column:
            numbers = _numbers(row[params.numbers_column], params.numbers_column)
            if not uses_numbers(expression, numbers, all_of_them=params.all_numbers):
                return 0.0
        return 1.0 if value == target.value else params.attempt

    return per_row(rule, params.target_column, *([params.numbers_column] if params.numbers_column else []))


def written_expression(params: ExpressionTargetParams, text: str) -> str | None:
    """The expression that a completion states, without “= 24” behind it and LaTeX around it."""
    part = stated_answer(text, params.extract, params.answer_pattern)
    if part is None:
        return None
    part = part.strip(" \t$`*.").replace(r"\times", "*").replace(r"\cdot", "*").replace(r"\div", "/")
    return re.sub(r"\\(?:left|right)(?![a-z])", "", part).partition("=")[0].strip() or None


def _as_text(cell: Any) -> str | None:
    return None if cell is None else str(cell)


def _numbers(cell: Any, column: str) -> Sequence[int]:
    """The numbers of a row: a list of them, or a text. Raises Missing where there are none."""
    if isinstance(cell, str):
        try:
            cell = orjson.loads(cell)
        except orjson.JSONDecodeError:
            cell = re.split(r"[,;\s]+", cell.strip())
    try:
        found = [int(str(number)) for number in (cell if isinstance(cell, list | tuple) else [cell])]
    except ValueError:
        found = []
    if not found:
        raise Missing(f"the column '{column}' of this row does not hold whole numbers")
    return found


INFOS = (
    RewardInfo(
        "math_equivalence",
        "Math equivalence",
        "1 when the answer is the same formula as the reference, however it is written, else 0.",
        "task",
        MathEquivalenceParams,
        math_equivalence,
        parse=math_answer,
        where="worker",
        unavailable=needs("math_verify", "math-verify", "rewards"),
        explanation=(
            "Reads the stated answer and the reference with math-verify, which turns LaTeX and plain formulas into "
            "SymPy expressions, and asks whether they are equal: sets, intervals, roots, equations and fractions are "
            "understood. The reference is read first; where it is no formula, the reward is missing. Words, formulas "
            "of more than 400 characters, huge powers and deep brackets are not handed to it. An unsimplified answer "
            "such as 6·7 counts as right for 42, so a model may hand back the question."
        ),
        examples=(
            Example(r"\boxed{\frac{1}{2}}", 1.0, "0.5"),
            Example(r"The answer is $2\sqrt{2}$.", 1.0, r"\sqrt{8}"),
            Example("x^2 + 1", 1.0, "1 + x^2"),
            Example("43", 0.0, "42"),
            Example("6*7", 1.0, "42"),
            Example("42", None, "forty-two"),
        ),
    ),
    RewardInfo(
        "expression_target",
        "Expression reaches a target",
        "1 when an arithmetic expression has the wanted value and uses the given numbers, as in Countdown or 24.",
        "task",
        ExpressionTargetParams,
        expression_target,
        parse=written_expression,
        explanation=(
            "Reads the stated answer as numbers, + − × ÷ and brackets, and works it out exactly with a reader of its "
            "own. It has to reach the target in one column and, where a column of numbers is named, use each of them "
            "once. “= 24” behind the expression is taken off and not believed. Without a column of numbers the target "
            "itself is a right answer: 24 = 24."
        ),
        examples=(
            Example("<answer>(1 + 2 + 3) * 4</answer>", 1.0, "24", {"numbers_column": "nums"}, {"nums": [1, 2, 3, 4]}),
            Example("<answer>4 * 6 = 24</answer>", 0.0, "24", {"numbers_column": "nums"}, {"nums": [1, 2, 3, 4]}),
            Example("1 + 2 + 3 + 4 = 24", 0.0, "24"),
            Example("1 + 2 + 3 + 4", 0.1, "24", {"numbers_column": "nums", "attempt": 0.1}, {"nums": [1, 2, 3, 4]}),
            Example("24", 1.0, "24"),
            Example("24 / (1 - 1)", 0.0, "24"),
        ),
    ),
)
