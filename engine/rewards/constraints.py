"""A reward for instructions that a program can check, in the manner of IFEval (arXiv:2311.07911).

A constraint is a line such as "max_words: 50" or "no_commas". They stand in the settings, in a column of the row, or in
both.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
from pydantic import field_validator, model_validator

from engine.config_section import Section, knob
from engine.rewards.extract import MAX_TEXT, without_thought
from engine.rewards.info import Example, RewardInfo
from engine.rewards.protocol import Missing, RewardFunction, per_row
from engine.rewards.structure import lines

Check = Callable[[str], bool]
MAX_CONSTRAINTS = 50

_SENTENCE_END = re.compile(r"[.!?]+(?=\s|\Z)")
_BULLET = re.compile(r"^[ \t]{0,8}(?:[-*•]|[0-9]{1,3}[.)])[ \t]+\S", re.M)
_PLACEHOLDER = re.compile(r"\[[^\[\]\n]{1,80}\]")
_TITLE = re.compile(r"<<[^<>\n]{1,200}>>")
_HIGHLIGHT = re.compile(r"(?<![*\w])\*[^*\s][^*\n]{0,200}\*(?![*\w])")


def _words(text: str) -> int:
    return len(text.split())


def _sentences(text: str) -> int:
    ends = len(_SENTENCE_END.findall(text))
    return ends + (1 if text.strip() and not _SENTENCE_END.search(text.rstrip()[-4:]) else 0)


def _paragraphs(text: str) -> int:
    return sum(1 for part in re.split(r"\n[ \t]*\n", text) if part.strip())


# name → (the check for a number, what it says)
COUNTED: dict[str, tuple[Callable[[str, int], bool], str]] = {
    "min_words": (lambda text, n: _words(text) >= n, "at least so many words"),
    "max_words": (lambda text, n: _words(text) <= n, "at most so many words"),
    "min_sentences": (lambda text, n: _sentences(text) >= n, "at least so many sentences"),
    "max_sentences": (lambda text, n: _sentences(text) <= n, "at most so many sentences"),
    "paragraphs": (lambda text, n: _paragraphs(text) == n, "exactly so many paragraphs, set apart by blank lines"),
    "bullets": (lambda text, n: len(_BULLET.findall(text)) == n, "exactly so many lines that begin with -, * or 1."),
    "placeholders": (lambda text, n: len(_PLACEHOLDER.findall(text)) >= n, "at least so many [places to fill in]"),
    "highlights": (lambda text, n: len(_HIGHLIGHT.findall(text)) >= n, "at least so many *highlighted* parts"),
}
TEXTUAL: dict[str, tuple[Callable[[str, str], bool], str]] = {
    "starts_with": (lambda text, s: text.lstrip().casefold().startswith(s.casefold()), "begins with this text"),
    "ends_with": (lambda text, s: text.rstrip().casefold().endswith(s.casefold()), "ends with this text"),
    "contains": (lambda text, s: s.casefold() in text.casefold(), "this text occurs"),
    "excludes": (lambda text, s: s.casefold() not in text.casefold(), "this text does not occur"),
}
PLAIN: dict[str, tuple[Check, str]] = {
    "lowercase": (lambda text: text == text.lower(), "no capital letters"),
    "uppercase": (lambda text: text == text.upper(), "capital letters only"),
    "no_commas": (lambda text: "," not in text, "no comma"),
    "title": (lambda text: _TITLE.search(text) is not None, "has a title such as <<My title>>"),
    "quoted": (
        lambda text: len(text.strip()) > 1 and text.strip()[0] == text.strip()[-1] == '"',
        "stands in double quotes as a whole",
    ),
}
KNOWN = {name: says for table in (COUNTED, TEXTUAL, PLAIN) for name, (_, says) in table.items()}


class ConstraintsParams(Section):
    constraints: str = knob(
        "",
        "One a line. With a number: " + ", ".join(COUNTED) + " (max_words: 50). With a text: " + ", ".join(TEXTUAL)
        + " (ends_with: Yours). Alone: " + ", ".join(PLAIN) + ".",
        label="Constraints",
        max_length=10_000,
    )  # fmt: skip
    column: str = knob(
        "",
        "A column of the data that holds further constraints of each row: lines, or a JSON list of lines.",
        label="Column",
        empty="none",
        max_length=200,
    )
    partial: bool = knob(
        True, "Earn the share of the constraints that are kept, instead of all or nothing.", label="Graded"
    )

    @field_validator("constraints")
    @classmethod
    def _can_be_read(cls, text: str) -> str:
        _checks(lines(text))
        return text

    @model_validator(mode="after")
    def _has_some(self) -> "ConstraintsParams":
        if not lines(self.constraints) and not self.column:
            raise ValueError("give constraints, or the column that holds them")
        return self


def constraints(params: ConstraintsParams) -> RewardFunction:
    """Share of the constraints that the completion keeps; its think block is not looked at. Empty text keeps none."""
    common = _checks(lines(params.constraints))

    def rule(text: str, row: dict[str, Any]) -> float:
        checks = common + _of_row(row[params.column]) if params.column else common
        if not checks:
            raise Missing("this row has no constraints")
        text = without_thought(text[-MAX_TEXT:])
        kept = [bool(text.strip()) and check(text) for check in checks]
        return sum(kept) / len(kept) if params.partial else float(all(kept))

    return per_row(rule, *([params.column] if params.column else []))


def _of_row(cell: Any) -> list[Check]:
    """The constraints of a row. Raises Missing, with the line, for one that cannot be read."""
    try:
        return _checks(_lines_of(cell))
    except ValueError as error:
        raise Missing(f"the constraint of this row {error}") from None


def _lines_of(cell: Any) -> Sequence[str]:
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            cell = orjson.loads(cell)
        except orjson.JSONDecodeError:
            raise ValueError("begins like a JSON list and is none") from None
    if cell is None or isinstance(cell, str):
        return lines(cell or "")
    return [str(line) for line in cell] if isinstance(cell, Iterable) else [str(cell)]


def _checks(found: Sequence[str]) -> list[Check]:
    if len(found) > MAX_CONSTRAINTS:
        raise ValueError(f"has {len(found)} lines, more than {MAX_CONSTRAINTS}")
    return [_check(line) for line in found]


def _check(line: str) -> Check:
    name, _, value = (part.strip() for part in line.partition(":"))
    if name in PLAIN and not value:
        return PLAIN[name][0]
    if name in COUNTED and value.isascii() and value.isdigit() and len(value) < 8:
        return _with(COUNTED[name][0], int(value))
    if name in TEXTUAL and value:
        return _with(TEXTUAL[name][0], value)
    kind = "needs a number" if name in COUNTED else "needs a text" if name in TEXTUAL else "takes no value"
    reason = kind if name in KNOWN else "is none of " + ", ".join(KNOWN)
    raise ValueError(f"'{line[:80]}' {reason}")


def _with(check: Callable[[str, Any], bool], value: Any) -> Check:
    return lambda text: check(text, value)


INFOS = (
    RewardInfo(
        "constraints",
        "Instructions followed",
        "The share of checkable instructions that are kept: numbers of words, bullets, endings and the like.",
        "format",
        ConstraintsParams,
        constraints,
        needs_answer=False,
        explanation=(
            "Each line is an instruction that a program can check, in the manner of IFEval: " + "; ".join(
                f"{name}, {says}" for name, says in KNOWN.items()
            ) + ". They hold for every row, or stand in a column of the row itself. The reward is the share that is "
            "kept; an empty completion keeps none. Whether the text makes sense is not looked at: fifty times the same "
            "word keeps “min_words: 50”."
        ),
        examples=(
            Example("Dear Ann, see you soon. Yours", 1.0, None, {"constraints": "max_words: 10\nends_with: yours"}),
            Example("Dear Ann, see you soon.", 0.5, None, {"constraints": "max_words: 10\nends_with: yours"}),
            Example("word word word word", 1.0, None, {"constraints": "min_words: 4\nno_commas"}),
            Example("", 0.0, None, {"constraints": "no_commas"}),
            Example("- one\n- two", 1.0, None, {"column": "rules"}, {"rules": '["bullets: 2", "lowercase"]'}),
            Example("One. Two.", None, None, {"column": "rules"}, {"rules": "two sentences"}),
        ),
    ),
)  # fmt: skip
