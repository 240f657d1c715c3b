"""Reads an answer out of model text: the part that states it, and the number in it. Linear in the text's length."""

import re
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Literal

Form = Literal["tag", "boxed", "hashes", "last_number"]
Extract = Literal["auto"] | Form

MAX_TEXT = 100_000  # characters, from the end, where answers are
MAX_DIGITS = 100  # a longer number is a run-away, not an answer; exact arithmetic stays instant below it

_BOX = r"\boxed{"
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\{([^{}]{1,120})\}\{([^{}]{1,120})\}")
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w)\]}%])[-+])?"  # in 5-3 the sign is an operator: the number is 3
    r"(?:\$(?P<inner_sign>[-+])?)?"
    r"(?=\.?[0-9])(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]*)(?P<decimals>\.[0-9]+)?"
    r"(?P<exponent>[eE][-+]?[0-9]{1,2}(?!\w|\.[0-9]))?"
    r"(?:/(?P<divisor>[0-9]+(?:\.[0-9]+)?))?"
)


def stated_answer(text: str, extract: Extract) -> str | None:
    """The part of a completion that states its answer, None when it has no part of that form.

    tag: inside the last <answer>…</answer>. boxed: inside the last \\boxed{…}. hashes: the rest of the line after the
    last ####. last_number: the last number of the text. auto: the first of these forms that occurs, in this order.
    """
    text = text[-MAX_TEXT:]
    forms = list(_READERS) if extract == "auto" else [extract]
    return next((part for form in forms if (part := _READERS[form](text)) is not None), None)


def read_number(text: str, extract: Extract) -> Fraction | None:
    """The number that a completion states as its answer; None when it states none, or several in one place."""
    part = stated_answer(_plain(text[-MAX_TEXT:]), extract)
    return None if part is None else number_in(part)


def number_in(text: str) -> Fraction | None:
    """The one number in a short text such as "$1,234.50", "72 clips" or "-3/4"; None for no number or several.

    A percent sign and a unit are ignored.
    """
    if len(text) > MAX_TEXT:
        return None
    matches = _NUMBER.finditer(_plain(text))
    first, second = next(matches, None), next(matches, None)
    return _value(first) if first is not None and second is None else None


def reference_number(reference: str) -> Fraction | None:
    """The number of a reference answer; in GSM8K's form it follows the last ####."""
    return number_in(reference.rpartition("####")[2])


def show_number(value: Fraction) -> str:
    """The shortest exact way to write it: 72, 0.5 or 1/3."""
    if value.denominator == 1:
        return str(value.numerator)
    decimal = f"{float(value):.12g}"
    return decimal if "e" not in decimal and Fraction(decimal) == value else f"{value.numerator}/{value.denominator}"


def _plain(text: str) -> str:
    return _LATEX_FRACTION.sub(r"\1/\2", text.replace("−", "-"))


def _value(match: re.Match[str]) -> Fraction | None:
    if len(match[0]) > MAX_DIGITS:
        return None
    digits = (match["whole"].replace(",", "") or "0") + (match["decimals"] or "") + (match["exponent"] or "")
    divisor = Fraction(match["divisor"] or 1)
    if divisor == 0:
        return None
    negative = "-" in (match["sign"], match["inner_sign"])
    return Fraction(digits) / divisor * (-1 if negative else 1)


def _in_tag(text: str) -> str | None:
    before, closing, _ = text.rpartition("</answer>")
    _, opening, inside = before.rpartition("<answer>")
    return inside.strip() if closing and opening else None


def _in_box(text: str) -> str | None:
    start = text.rfind(_BOX)
    depth = 1
    for position in range(start + len(_BOX), len(text) if start >= 0 else 0):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start + len(_BOX) : position].strip()
    return None


def _after_hashes(text: str) -> str | None:
    _, hashes, after = text.rpartition("####")
    return after.strip().partition("\n")[0].strip() if hashes else None


def _last_number(text: str) -> str | None:
    newest = deque(_NUMBER.finditer(text), maxlen=1)
    return newest[0][0] if newest else None


_READERS: dict[Form, Callable[[str], str | None]] = {
    "tag": _in_tag,
    "boxed": _in_box,
    "hashes": _after_hashes,
    "last_number": _last_number,
}
