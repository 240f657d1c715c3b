"""The answer-extraction stage that every comparing reward shares: where a completion states its answer, and which.

A think block is no answer. Of what is left, one form counts (tags, a box, …) or, with auto, the first form that occurs.
Two different answers side by side, as in <answer>3</answer> or <answer>5</answer>, state none. Linear in the text.
"""

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import regex
from pydantic import field_validator, model_validator

from engine.config_section import Section, knob
from engine.rewards.numbers import Number, asserted, asserted_span
from engine.rewards.protocol import Failed

Form = Literal["tag", "boxed", "hashes", "answer", "regex", "last_line", "last_number", "whole"]
Extract = Literal["auto"] | Form

MAX_TEXT = 100_000  # characters, from the end, where answers are
REGEX_TIMEOUT_S = 0.1
MAX_OPEN = 64  # statements of one form that are looked at, from the end

# How a form names the choices.
FORM_WORDS = {
    "auto": "wherever it is",
    "tag": "<answer> tags",
    "boxed": "\\boxed{}",
    "hashes": "after ####",
    "answer": "after “answer:” or “the answer is”",
    "regex": "where a pattern matches",
    "last_line": "the last line",
    "last_number": "the last number",
    "whole": "the whole completion",
}
_FORMS_HELP = (
    "Where the answer stands. A think block is never part of it. auto: in <answer> tags, else in \\boxed{}, else after "
    "####, else after “answer:” or “the answer is”, else "
)


class ReadsAnswer(Section):
    """Where a reward reads the answer. Subclasses may give `extract` another default."""

    extract: Extract = knob(
        "auto", _FORMS_HELP + "the last line, or for numbers the last number.", label="Read the answer from",
        words=FORM_WORDS,
    )  # fmt: skip
    answer_pattern: str = knob(
        "",
        "Only for “where a pattern matches”: a regular expression. Its first group is the answer, or all it matches "
        "when it has no group; the last match counts.",
        label="Answer pattern",
        max_length=2000,
    )

    @field_validator("answer_pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        return compiles(pattern)

    @model_validator(mode="after")
    def _has_a_pattern(self) -> "ReadsAnswer":
        if self.extract == "regex" and not self.answer_pattern:
            raise ValueError("reading the answer where a pattern matches needs an answer pattern")
        return self


def compiles(pattern: str) -> str:
    """The pattern itself, if it is a regular expression; raises ValueError for a form to show."""
    try:
        regex.compile(pattern)
    except (regex.error, RecursionError, MemoryError, OverflowError) as error:
        raise ValueError(f"is not a regular expression ({error})") from None
    return pattern


@dataclass(frozen=True)
class _Statement:
    """A place that states an answer: what it says, and where it begins and ends in the text."""

    text: str
    start: int
    end: int


def stated_answer(text: str, extract: Extract, pattern: str = "") -> str | None:
    """The part of a completion that states its answer, None when it has no part of that form.

    tag: inside the last <answer>…</answer>. boxed: inside the last \\boxed{…}. hashes: the rest of the line after the
    last ####. answer: the rest of the line after "answer:" or "the answer is". regex: what `pattern` matches last.
    last_line: the last line that is not blank. last_number: the last number that is asserted. whole: everything. auto:
    the first of tag, boxed, hashes, answer and last_line that occurs. Raises Failed when the pattern takes too long.
    """
    text = without_thought(text[-MAX_TEXT:])
    for form in _TEXT_ORDER if extract == "auto" else (extract,):
        statements = _statements(text, form, pattern)
        if statements:
            found = _stated(text, statements)
            return None if found is None else found.text
    return None


def read_number(text: str, extract: Extract, pattern: str = "") -> Number | None:
    """The number that a completion states as its answer; None when it states none, or several.

    As stated_answer, but auto ends with the last number of the text. Raises Failed when the pattern takes too long.
    """
    text = without_thought(text[-MAX_TEXT:])
    for form in _NUMBER_ORDER if extract == "auto" else (extract,):
        if form == "last_number":
            return asserted(text, "last")
        statements = _statements(text, form, pattern)
        if statements:
            found = _stated(text, statements)
            return None if found is None else _number_of(found, text, form)
    return None


def reference_number(reference: str) -> Number | None:
    """The number of a reference answer; in GSM8K's form it follows the last ####."""
    return asserted(reference.rpartition("####")[2], "one") if len(reference) <= MAX_TEXT else None


def without_thought(text: str) -> str:
    """What stands outside of think blocks: after the last </think>, or before a <think> that never closes."""
    return text.rpartition("</think>")[2].partition("<think>")[0]


def _statements(text: str, form: Form, pattern: str) -> Sequence[_Statement]:
    return _matches(text, pattern) if form == "regex" else _READERS[form](text)


def _stated(text: str, statements: Sequence[_Statement]) -> _Statement | None:
    """The last statement; None when the one right before it, with nothing but "or" between, says something else."""
    last = statements[-1]
    if len(statements) > 1:
        before = statements[-2]
        gap = text[before.end : last.start] if 0 <= last.start - before.end <= 24 else "apart"
        if before.text != last.text and _SIDE_BY_SIDE.fullmatch(gap):
            return None
    return last


def _number_of(statement: _Statement, text: str, form: Form) -> Number | None:
    """The number in a statement. After "answer:" it is the first one, unless the writer thinks again."""
    if form != "answer":
        return asserted(statement.text, "one")
    second = _SECOND_THOUGHT.search(text, statement.start)
    later = asserted(text[second.end() :], "last") if second else None
    return later or asserted(statement.text, "first")


_SIDE_BY_SIDE = re.compile(r"[\s,;/&|$().]{0,8}(?:or|and|maybe)?[\s,;/&|$().]{0,8}", re.I)
_SECOND_THOUGHT = re.compile(r"\b(?:[Ww]ait|[Aa]ctually|[Cc]orrection|[Ss]orry)\b")
_TAG = re.compile(r"<(/?)answer>", re.I)
_BOX = r"\boxed{"
_ANSWER = re.compile(
    r"(?<![a-z])(?:answers?|ans|result)[*_\"') ]{0,4}(?:[:=]|(?:is|are|was|equals|(?:would|should|must) be)(?![a-z]))"
    r"[ \t:*_]{0,6}",
    re.I,
)
_LEAD = re.compile(r"(?:(?:therefore|thus|hence|then|simply|just|clearly)[ ,:]{1,2}){1,4}", re.I)


def _in_tags(text: str) -> list[_Statement]:
    found: list[_Statement] = []
    opened: re.Match[str] | None = None
    for tag in deque(_TAG.finditer(text), maxlen=MAX_OPEN):
        if not tag[1]:
            opened = tag
        elif opened is not None:
            found.append(_Statement(text[opened.end() : tag.start()].strip(), opened.start(), tag.end()))
            opened = None
    return found[-2:]


def _in_boxes(text: str) -> list[_Statement]:
    """The last box, which has to be closed, and the one before it."""
    found: list[_Statement] = []
    end = len(text)
    for _ in range(2):
        start = text.rfind(_BOX, 0, end)
        closing = _closing(text, start + len(_BOX)) if start >= 0 else None
        if closing is None:
            break
        found.insert(0, _Statement(text[start + len(_BOX) : closing].strip(), start, closing + 1))
        end = start
    return found


def _closing(text: str, position: int) -> int | None:
    """Where the brace closes that was opened before this position."""
    depth = 1
    for brace in _BRACE.finditer(text, position):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.start()
    return None


_BRACE = re.compile(r"[{}]")


def _after_hashes(text: str) -> list[_Statement]:
    before, hashes, after = text.rpartition("####")
    line = after.strip().partition("\n")[0].strip()
    return [_Statement(line, len(before), len(text))] if hashes else []


def _answer_lines(text: str) -> list[_Statement]:
    found = []
    for marker in deque(_ANSWER.finditer(text), maxlen=2):
        rest = text[marker.end() :].lstrip()
        line = rest.partition("\n")[0]
        start = len(text) - len(rest)
        found.append(_Statement(_LEAD.sub("", line, count=1).strip(), marker.start(), start + len(line)))
    return [found[-1]] if len(found) > 1 and found[0].end >= found[1].end else found


def _last_line(text: str) -> list[_Statement]:
    lines = text.rstrip().rpartition("\n")
    return [_Statement(lines[2].strip(), len(text), len(text))] if lines[2] else []


def _last_number(text: str) -> list[_Statement]:
    found = asserted_span(text, "last")
    return [_Statement(found[1], 0, 0)] if found else []


def _whole(text: str) -> list[_Statement]:
    return [_Statement(text.strip(), 0, len(text))]


def _matches(text: str, pattern: str) -> list[_Statement]:
    compiled = regex.compile(pattern)
    try:
        newest = deque(compiled.finditer(text, timeout=REGEX_TIMEOUT_S), maxlen=1)
    except TimeoutError:
        raise Failed(f"the answer pattern took longer than {REGEX_TIMEOUT_S} s on this text") from None
    return [_Statement(str(match[1 if compiled.groups else 0] or "").strip(), *match.span()) for match in newest]


_READERS: dict[Form, Callable[[str], Sequence[_Statement]]] = {
    "tag": _in_tags,
    "boxed": _in_boxes,
    "hashes": _after_hashes,
    "answer": _answer_lines,
    "last_line": _last_line,
    "last_number": _last_number,
    "whole": _whole,
}
_TEXT_ORDER: tuple[Form, ...] = ("tag", "boxed", "hashes", "answer", "last_line")
_NUMBER_ORDER: tuple[Form, ...] = ("tag", "boxed", "hashes", "answer", "last_number")
