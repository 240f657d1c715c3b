"""Reads the number that a text asserts: how it may be written, what denies it, and what makes it one of several.

Each pattern here reads a bounded number of characters beyond those it consumes, so the cost is linear in the text.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, zip_longest
from typing import Literal

from engine.rewards.spelling import plain
from engine.rewards.units import find_unit, same_measure

Which = Literal["one", "first", "last"]

MAX_DIGITS = 100  # a longer number is a run-away, not an answer; exact arithmetic stays instant below it
MAX_NUMBERS = 64  # of a text with more, the last (or first) ones are looked at
WINDOW = 64  # characters before a number in which it may be denied; more between two numbers sets them apart


@dataclass(frozen=True)
class Number:
    """A number as it was written: 50 % has the value 50 and `is_percent`; `unit` is a known one, such as km, or ''."""

    value: Fraction
    is_percent: bool = False
    unit: str = ""


@dataclass(frozen=True)
class _Token:
    """A number in its text; `number` is None for one that is part of an expression, or too long."""

    number: Number | None
    start: int
    end: int
    denied: bool


_Link = Literal["equals", "operator", "or", "list", "of", "apart"]


@dataclass(frozen=True)
class _Chain:
    """Numbers joined by operators and =, how they are joined, and how the first is to the number before it."""

    before: _Link
    tokens: list[_Token]
    links: list[_Link]


def asserted(text: str, which: Which) -> Number | None:
    """The number that a text asserts; None when it asserts none, or several that differ.

    one: the text has to assert just one number. first, last: the first or the last that it asserts. A computation
    such as 6 * 7 = 42 asserts its result. Numbers that are denied ("not 42", "42 is wrong") are passed over, numbers
    joined by "or", or listed, are alternatives and assert nothing unless they are equal.
    """
    found = asserted_span(text, which)
    return found[0] if found else None


def asserted_span(text: str, which: Which) -> tuple[Number, str] | None:
    """The same, with the characters that it was read from."""
    text = plain(text)
    matches = _NUMBER.finditer(text)
    kept = list(islice(matches, MAX_NUMBERS + 1)) if which != "last" else list(deque(matches, maxlen=MAX_NUMBERS))
    if which == "one" and len(kept) > MAX_NUMBERS:
        return None
    tokens = [_token(text, match) for match in kept[:MAX_NUMBERS] if not _in_a_name(text, match)]
    groups = list(_groups(text, tokens))
    groups = groups[: _last_that_counts(text, groups) + 1] if which == "last" else groups
    results = [_only([_result(chain) for chain in group]) for group in groups]
    if which == "one":
        plain_results = [result for group, result in zip(groups, results, strict=True) if result or len(group) > 1]
        found = _only(plain_results) if plain_results else None
    else:
        found = results[-1 if which == "last" else 0] if results else None
    return (found.number, text[found.start : found.end]) if found and found.number else None


def equal(given: Number, wanted: Number, *, tolerance: Fraction = Fraction(0), percent_as_share: bool = True) -> bool:
    """Whether two numbers agree, at most `tolerance` apart.

    Where one has a percent sign and the other none, 50 % agrees with 50, and `percent_as_share` also with 0.5. Where
    both name a known unit, the units have to measure the same thing and are converted; otherwise units are ignored.
    """
    factor = same_measure(given.unit, wanted.unit)
    if factor is None:
        return False
    pairs = [(given.value * factor, wanted.value)]
    if percent_as_share and given.is_percent != wanted.is_percent:
        share = Fraction(1, 100)
        pairs.append(
            (given.value * (share if given.is_percent else 1), wanted.value * (share if wanted.is_percent else 1))
        )
    return any(abs(a - b) <= tolerance for a, b in pairs)


def show_number(value: Fraction) -> str:
    """The shortest exact way to write it: 72, 0.5 or 1/3."""
    if value.denominator == 1:
        return str(value.numerator)
    decimal = f"{float(value):.12g}"
    return decimal if "e" not in decimal and Fraction(decimal) == value else f"{value.numerator}/{value.denominator}"


def show(number: Number) -> str:
    """The number with its percent sign; units are left out."""
    return show_number(number.value) + ("%" if number.is_percent else "")


# One number

_NUMBER = re.compile(
    r"(?P<sign>(?<![\w)\]}%])[-+])?"  # in 5-3 the sign is an operator
    r"(?:(?P<currency>[$€£¥₹]) ?(?P<inner_sign>[-+])?)?"
    r"(?=\.?[0-9])"
    r"(?:(?P<dotted>[0-9]{1,3}(?:(?:\.[0-9]{3}(?![0-9])){2,}+|\.[0-9]{3}(?=,[0-9])))(?:,(?P<comma>[0-9]++))?"
    r"|(?P<grouped>[0-9]{1,3}(?:,[0-9]{3}(?![0-9]))++|[0-9]{1,3}(?:[ '][0-9]{3}(?![0-9]))++|[0-9]*+)"
    r"(?P<decimals>\.[0-9]++)?"
    r"(?P<exponent>[eE][-+]?[0-9]{1,3}(?!\w|\.[0-9]))?"
    r"(?: (?P<above>[0-9]{1,9})/(?P<below>[0-9]{1,9})(?![0-9./])| ?/ ?(?P<divisor>[0-9]++(?:\.[0-9]++)?))?)"
    r"(?P<thousands>[kKM](?!\w)| ?(?:thousand|million|billion|trillion)(?!\w))?"
    r"(?P<percent> ?(?:%|(?:percent|per cent|pct)(?!\w)))?"
)
_SIZES = {"k": 3, "K": 3, "M": 6, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_LETTER_BEFORE = re.compile(r"[^\W\d]\^?\Z")
_OF_A_LINE = re.compile(r"\) {1,3}\S")
_LINE_START = re.compile(r"(?:\A|\n) {0,3}\Z")
_CLOCK = re.compile(r"[0-9]:\Z")
_MINUS_BEFORE = re.compile(r"\b(?:minus|negative) \Z", re.I)
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|never|nor|neither|cannot|rather than|instead of|anything but|other than|at least|at most"
    r"|(?:more|less|greater|fewer|larger|smaller|higher|lower) than)\b|n't\b|≠|!=)"
    r"(?: (?:be|equal|equals|to|exactly|the|a|an|is|it|it's|really|going|number|value|answer|possibly|think|believe"
    r"|that)){0,4}"
    r"[ :=$€£({\[\\\"'`]{0,6}\Z",
    re.I,
)
_DENIED_AFTER = re.compile(
    r"[ )}\]$]{0,4}(?:[^\W\d]{1,12} )?"
    r"(?:(?:is|was|seems|would be)(?:n't| not| wrong| incorrect| false| impossible| too [a-z]{1,12})"
    r"|can(?:'t|not) be)\b",
    re.I,
)
_OPERAND_BEFORE = re.compile(r"(?:\^|[\w)\]}] {0,3}[+*/×÷^] {0,3}|(?:sqrt|√|log|ln|±) ?)[({\[]{0,2}\Z")
_OPERAND_AFTER = re.compile(
    r" ?(?:\^|\*\*)| {0,3}[+*×÷] {0,3}[\w(\\]|/ {0,3}[0-9(\\]|[^\W\d_](?![^\W\d_])|-?(?:ish|something|odd)\b"
)


def _in_a_name(text: str, match: re.Match[str]) -> bool:
    """Whether it is part of a word or a unit, as in H2O, x_1 and m^2, numbers a line, as 2) at its
    front, or is the 00 of 2:00."""
    line = _OF_A_LINE.match(text, match.end()) and _LINE_START.search(text[max(0, match.start() - 4) : match.start()])
    if line and match.end() - match.start() <= 2:
        return True
    if match[0] == "00" and _CLOCK.search(text[max(0, match.start() - 2) : match.start()]):
        return True
    before = "" if match["sign"] or match["currency"] else text[max(0, match.start() - 2) : match.start()]
    return before[-1:] == "_" or _LETTER_BEFORE.search(before) is not None


def _token(text: str, match: re.Match[str]) -> _Token:
    start, end = match.span()
    before = text[max(0, start - WINDOW) : start]
    unit, after = find_unit(text, end)
    value = _value(match)
    is_operand = _OPERAND_BEFORE.search(before[-12:]) or (after == end and _OPERAND_AFTER.match(text, end))
    if value is None or is_operand:
        number = None
    else:
        value = -value if _MINUS_BEFORE.search(before[-12:]) else value
        number = Number(value, bool(match["percent"]), unit or match["currency"] or "")
    denied = _DENIED_BEFORE.search(before) or _DENIED_AFTER.match(text, after)
    return _Token(number, start, end, denied is not None)


def _value(match: re.Match[str]) -> Fraction | None:
    if len(match[0]) > MAX_DIGITS:
        return None
    if match["dotted"]:
        value = Fraction(match["dotted"].replace(".", "") + ("." + match["comma"] if match["comma"] else ""))
    else:
        whole = re.sub(r"[, ']", "", match["grouped"]) or "0"
        value = Fraction(whole + (match["decimals"] or "") + (match["exponent"] or ""))
    if match["above"]:
        part = _quotient(match["above"], match["below"])
        if part is None or part >= 1 or match["decimals"] or match["exponent"]:
            return None  # 1 3/2 is no mixed number
        value += part
    elif match["divisor"]:
        divisor = Fraction(match["divisor"])
        if divisor == 0:
            return None
        value /= divisor
    if match["thousands"]:
        value *= 10 ** _SIZES[match["thousands"].strip()]
    return -value if "-" in (match["sign"], match["inner_sign"]) else value


def _quotient(above: str, below: str) -> Fraction | None:
    return Fraction(int(above), int(below)) if int(below) else None


# Several numbers

_OPERATOR = re.compile(
    r"(?: ?[^\W\d_]{1,15}){0,2} {0,3}[)\]}]{0,2} {0,3}(?:[-+*/×÷·x^]|\*\*) {0,3}[({\[]{0,2} {0,3}|[)\]}]?[({\[]"
)
_EQUALS = re.compile(r"[\s)\]}$%°.^/A-Za-z0-9]{0,40}(?:==?|≈|≡|→|⇒|->|=>)[\s$({\[\\]{0,6}")
_OF = re.compile(r"(?: [a-z]{1,12})? (?:out )?of (?:the |all |all the )?")  # in 42 of the 50, the 50 is no answer
_LISTED = re.compile(
    r"[\s,;?!&|)\]}$]{0,12}(?:and)?[\s,]{0,4}[$({\[]{0,3}"
    r"|[\s)\]}$]{0,4}(?:[,;&|?!\n]\s{0,4}(?:and )?|\band )[A-Za-z]\w{0,9} {0,2}= {0,2}[$({\[]{0,3}",
    re.I,
)
_WORDS = re.compile(r"[a-z]++")
_ALTERNATIVES = frozenset({"or", "maybe", "perhaps", "possibly", "alternatively", "could", "might"})


def _link(gap: str) -> _Link:
    """How two numbers hang together, from the text between them."""
    if len(gap) > WINDOW:
        return "apart"
    words = _WORDS.findall(gap.lower())
    if (_ALTERNATIVES.intersection(words) and len(words) <= 8) or words == ["to"]:
        return "or"
    if _OF.fullmatch(gap):
        return "of"
    if _OPERATOR.fullmatch(gap):
        return "operator"
    if _LISTED.fullmatch(gap):
        return "list"
    return "equals" if _EQUALS.fullmatch(gap) and "≠" not in gap else "apart"


def _groups(text: str, tokens: Sequence[_Token]) -> Iterator[list[_Chain]]:
    """Alternatives together: each group has one computation or number for each alternative, denied ones left out."""
    chains = _chains(text, tokens)
    group: list[_Chain] = []
    denied = False
    for chain, after in zip_longest(chains, chains[1:]):
        denied = denied or chain.before == "of" or chain.tokens[0].denied or chain.tokens[-1].denied
        group += [] if denied else [chain]
        if after is not None and _are_alternatives(chain, after):
            continue  # "not 42 or 43" denies both
        if group:
            yield group
        group, denied = [], False


def _are_alternatives(chain: _Chain, after: _Chain) -> bool:
    """Joined by "or", or two plain numbers of a list; computations one after the other are steps."""
    both_plain = all(len(side.tokens) == 1 and side.tokens[0].number for side in (chain, after))
    return after.before == "or" or (after.before == "list" and both_plain)


def _last_that_counts(text: str, groups: Sequence[list[_Chain]]) -> int:
    """The place of the group that the text ends on: the last, or a computation that the last is said about.

    In "42 - 10 = 32 coconuts after he sold 10 of them" that is the computation.
    """
    last = len(groups) - 1
    for place in range(last, -1, -1):
        chain = groups[place][-1]
        if "equals" in chain.links and place < last:
            between = text[chain.tokens[-1].end : groups[last][0].tokens[0].start]
            aside = len(between) <= 2 * WINDOW and not _CONCLUDES.search(between)
            return place if aside and _result(chain) else last
        if len(groups[place]) > 1 or len(chain.tokens) > 1:
            break
    return last


_CONCLUDES = re.compile(
    r"[\n;:,]|[.!?](?:\s|\Z)"
    r"|\b(?:so|but|thus|hence|therefore|then|is|are|was|were|leaves|leaving|makes|making|gives|giving|means|total|answer)\b",
    re.I,
)


def _chains(text: str, tokens: Sequence[_Token]) -> list[_Chain]:
    """The computations of the text, each with its numbers."""
    chains: list[_Chain] = []
    for index, token in enumerate(tokens):
        link = _link(text[tokens[index - 1].end : token.start]) if index else "apart"
        if index and link in ("equals", "operator"):
            chains[-1].tokens.append(token)
            chains[-1].links.append(link)
        else:
            chains.append(_Chain(link, [token], []))
    return chains


def _result(chain: _Chain) -> _Token | None:
    """What a computation comes to: the number after its last =, or before its first; None where there is no =."""
    if "equals" not in chain.links:
        return chain.tokens[0] if len(chain.tokens) == 1 and chain.tokens[0].number else None
    last = len(chain.links) - 1 - chain.links[::-1].index("equals")
    after, before = chain.tokens[last + 1 :], chain.tokens[: chain.links.index("equals") + 1]
    side = after if len(after) == 1 and after[0].number else before
    return side[0] if len(side) == 1 and side[0].number else None


def _only(results: Sequence[_Token | None]) -> _Token | None:
    """The one number among alternatives: None when they differ, or one is an expression."""
    numbers = {(token.number.value, token.number.is_percent) if token and token.number else None for token in results}
    return results[0] if len(numbers) == 1 else None
