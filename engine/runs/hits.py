"""What a list of search results shows of each completion: its place, its numbers, and the phrase where it stands."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.runs.columns import checked
from engine.runs.reader import RunReader
from engine.runs.text_index import folded

EXCERPT = 160  # characters around the phrase, or of the beginning
LEAD = 50  # of them before it
SHORT = 300  # characters of prompt and parsed answer


@dataclass(frozen=True)
class Excerpt:
    """A piece of a text: `match` is the phrase as it stands there, "" when none was asked for.

    `cut_before`, `cut_after`: the text goes on there.
    """

    before: str
    match: str = ""
    after: str = ""
    cut_before: bool = False
    cut_after: bool = False


@dataclass(frozen=True)
class Hit:
    """One completion of a result. Indices count from 0; None where a number is missing."""

    key: int
    step: int
    group_index: int
    completion_index: int
    prompt: str
    excerpt: Excerpt
    length: int | None
    finish_reason: str | None
    total: float | None
    advantage: float
    passed: bool | None
    parsed: str | None


_SQL = """
WITH chosen (id) AS MATERIALIZED (SELECT value FROM json_each(?))
SELECT id, step, group_index, completion_index, prompt, text, length, finish_reason, total, advantage, passed,
       coalesce(texts.parsed, completions.parsed) AS parsed
FROM chosen CROSS JOIN completions USING (id) CROSS JOIN texts USING (id) CROSS JOIN groups USING (step, group_index)
"""
_NEEDED = ("id", "step", "group_index", "completion_index", "prompt", "text", "advantage")


def hits(reader: RunReader, keys: Sequence[int], phrase: str = "") -> list[Hit]:
    """The rows of these completions, newest first; of keys that are not stored there are none.

    A replayed step has the keys of the one that it replaced: ask within the snapshot in which they were found.
    """
    with reader.database() as db:
        cursor = db.execute(_SQL, (json.dumps(list(keys)),))
        names = [name for name, *_ in cursor.description]
        found = [_hit(checked(names, row), phrase) for row in cursor]
    return sorted(found, key=lambda hit: -hit.key)


def _hit(row: Mapping[str, Any], phrase: str) -> Hit:
    passed, parsed = row["passed"], row["parsed"]
    if empty := [name for name in _NEEDED if row[name] is None]:
        raise TypeError(f"the column {empty[0]} is empty")
    return Hit(
        row["id"], row["step"], row["group_index"], row["completion_index"], row["prompt"][:SHORT],
        excerpt(row["text"], phrase), row["length"], row["finish_reason"], row["total"], row["advantage"],
        None if passed is None else bool(passed), None if parsed is None else parsed[:SHORT],
    )  # fmt: skip


def excerpt(text: str, phrase: str) -> Excerpt:
    """The piece of a text around the first place that holds the phrase; the beginning where it holds none."""
    start, end = place(text, phrase)
    first = max(0, start - LEAD)
    last = min(len(text), max(end, first + EXCERPT))
    return Excerpt(text[first:start], text[start:end], text[end:last], first > 0, last < len(text))


def place(text: str, phrase: str) -> tuple[int, int]:
    """Where a phrase stands in a text, in any case of its letters: start and end; (0, 0) when nowhere."""
    wanted, where = folded(phrase), folded(text)
    at = where.find(wanted) if wanted else -1
    if at < 0:
        return 0, 0
    if len(where) == len(text):
        return at, at + len(wanted)
    origin = list(_origins(text))  # letters that fold to several: ß to ss
    return origin[at], origin[at + len(wanted) - 1] + 1


def _origins(text: str) -> Iterator[int]:
    """For each character of the folded text, which character of the text it comes from."""
    for index, character in enumerate(text):
        yield from [index] * len(folded(character))
