"""Which words two texts share, and which only one of them has. Pure.

The matching is difflib's. Its cost grows with the square of the number of words, so long texts are compared in part: a
stretch of both from a little before their first difference, and the result says how much was left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

LIMIT = 20_000  # characters of either text that are compared at most, about 4,000 English words
MAX_WORDS = 5_000  # the same in words, for texts with very short ones: 20,000 Chinese characters took 0.8 s
LEAD = 300  # characters that are kept before the first difference when what is alike at the beginning is left out

_HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"  # written without spaces: each character counts as a word
_WORD = re.compile(rf"\s*(?:[{_HAN}]|(?:(?![{_HAN}])\w)+|[^\w\s])|\s+")

Change = Literal["same", "removed", "added"]


class Part(NamedTuple):
    """A stretch of text: in both, only in the first ("removed"), or only in the second ("added")."""

    change: Change
    text: str


@dataclass(frozen=True)
class WordDiff:
    """The parts in reading order. Characters that were not compared: `skipped` at the beginning of both, where they
    are alike, and `cut_before` and `cut_after` at the end of the first and the second text.
    """

    parts: tuple[Part, ...]
    identical: bool
    skipped: int = 0
    cut_before: int = 0
    cut_after: int = 0

    def side(self, change: Literal["removed", "added"]) -> list[Part]:
        """The parts of the first text ("removed") or of the second ("added")."""
        return [part for part in self.parts if part.change in ("same", change)]


def word_diff(before: str, after: str) -> WordDiff:
    """What changed from one text to another, word by word. A word takes the white space before it along."""
    if before == after:
        return WordDiff((Part("same", before[:LIMIT]),) if before else (), True, 0, *[max(0, len(before) - LIMIT)] * 2)
    alike = _num_alike_characters(before, after)
    start = alike - LEAD if alike > LIMIT // 2 else 0
    one, two = (words(text[start : start + LIMIT])[:MAX_WORDS] for text in (before, after))
    cut_before, cut_after = len(before) - start - _length(one), len(after) - start - _length(two)
    return WordDiff(tuple(_merged(_parts(one, two))), False, start, cut_before, cut_after)


def words(text: str) -> list[str]:
    """The text in words and signs, each with the white space before it; together they are the text again."""
    return _WORD.findall(text)


def _length(found: list[str]) -> int:
    return sum(map(len, found))


def _parts(one: list[str], two: list[str]) -> Iterator[Part]:
    """Alike beginnings and ends are taken off first: they are most of the work, and difflib may miss them."""
    lead = _num_alike(one, two)
    trail = _num_alike(one[lead:][::-1], two[lead:][::-1])
    a, b = one[lead : len(one) - trail], two[lead : len(two) - trail]
    yield Part("same", "".join(one[:lead]))
    for _, i, j, k, m in SequenceMatcher(None, a, b).get_opcodes():
        if a[i:j] == b[k:m]:
            yield Part("same", "".join(a[i:j]))
        else:
            yield Part("removed", "".join(a[i:j]))
            yield Part("added", "".join(b[k:m]))
    yield Part("same", "".join(one[len(one) - trail :]))


def _num_alike_characters(one: str, two: str) -> int:
    """How many characters at the beginning are the same, by halving: a million of them take a millisecond."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _num_alike(one: list[str], two: list[str]) -> int:
    count = 0
    for x, y in zip(one, two, strict=False):
        if x != y:
            break
        count += 1
    return count


def _merged(parts: Iterator[Part]) -> Iterator[Part]:
    """Without empty parts, and neighbours of one kind as one."""
    held: Part | None = None
    for part in parts:
        if not part.text:
            continue
        if held is not None and held.change == part.change:
            held = Part(part.change, held.text + part.text)
            continue
        if held is not None:
            yield held
        held = part
    if held is not None:
        yield held
