"""Reads and evaluates an arithmetic expression that a model wrote: our own small parser, bounded in every direction.

Numbers, + - * / (also ×, ÷ and −), signs and parentheses; nothing else, and no powers. What is longer than MAX_TEXT is
not read, and the value of an expression has no more digits than its text, so time and memory are bounded too.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

MAX_TEXT = 500  # characters
MAX_DIGITS = 30  # of one number
MAX_DEPTH = 50  # parentheses and signs inside each other

_SIGNS = str.maketrans({"×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "∕": "/", "−": "-", "–": "-"})
_TOKEN = re.compile(r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<sign>[-+*/()]))")

Token = Fraction | Literal["+", "-", "*", "/", "(", ")"]


@dataclass(frozen=True)
class NoValue:
    """Why a text has no value; completes "The expression …"."""

    reason: str


class _Wrong(Exception):
    """Carries the reason."""


def evaluate(text: str) -> Fraction | NoValue:
    """The exact value of an arithmetic expression, or why it has none. Never raises, whatever the text."""
    try:
        return _Parser(_tokens(text)).value()
    except _Wrong as wrong:
        return NoValue(str(wrong))


def numbers_in(text: str) -> list[Fraction] | NoValue:
    """The numbers of an expression in order, without their signs: 3 and 4 in "-3 + 4"."""
    try:
        return [token for token in _tokens(text) if isinstance(token, Fraction)]
    except _Wrong as wrong:
        return NoValue(str(wrong))


def uses_numbers(text: str, numbers: Iterable[int], *, all_of_them: bool = False) -> bool:
    """Whether an expression uses only these numbers, each at most as often as it is listed; or, exactly these.

    False for a text that is no expression.
    """
    used = numbers_in(text)
    if isinstance(used, NoValue) or isinstance(evaluate(text), NoValue):
        return False
    there = Counter(Fraction(number) for number in numbers)
    return Counter(used) == there if all_of_them else Counter(used) <= there


def _tokens(text: str) -> list[Token]:
    if len(text) > MAX_TEXT:
        raise _Wrong(f"has {len(text):,} characters, more than {MAX_TEXT}.")
    text = text.translate(_SIGNS).strip()
    if not text:
        raise _Wrong("is empty.")
    return list(_split(text))


def _split(text: str) -> Iterator[Token]:
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise _Wrong(f"has {text[place:].strip()[:1]!r}, which is neither a number nor one of + - * / ( ).")
        place = match.end()
        if match["number"] is None:
            yield match["sign"]  # type: ignore[misc]
        elif len(match["number"]) > MAX_DIGITS:
            raise _Wrong(f"has a number of more than {MAX_DIGITS} digits.")
        else:
            yield Fraction(match["number"])


class _Parser:
    """Recursive descent: sum → product → signed → number or parentheses."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    def value(self) -> Fraction:
        value = self._sum()
        if self._place < len(self._tokens):
            raise _Wrong(f"has {_shown(self._tokens[self._place])} where an operator or its end should be.")
        return value

    def _next(self) -> Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _take(self) -> Token | None:
        token = self._next()
        self._place += 1
        return token

    def _sum(self) -> Fraction:
        value = self._product()
        while self._next() in ("+", "-"):
            minus = self._take() == "-"
            other = self._product()
            value = value - other if minus else value + other
        return value

    def _product(self) -> Fraction:
        value = self._signed()
        while self._next() in ("*", "/"):
            over = self._take() == "/"
            other = self._signed()
            if over and other == 0:
                raise _Wrong("divides by zero.")
            value = value / other if over else value * other
        return value

    def _signed(self) -> Fraction:
        token = self._take()
        if isinstance(token, Fraction):
            return token
        if token not in ("+", "-", "("):
            raise _Wrong(f"has {_shown(token)} where a number should be.")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Wrong(f"is nested more than {MAX_DEPTH} levels deep.")
        value = self._sum() if token == "(" else self._signed() * (-1 if token == "-" else 1)
        if token == "(" and self._take() != ")":
            raise _Wrong("has a parenthesis that is not closed.")
        self._depth -= 1
        return value


def _shown(token: Token | None) -> str:
    if token is None:
        return "its end"
    return f"'{token}'"
