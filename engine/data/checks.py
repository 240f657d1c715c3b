"""What is odd about the data of a run, found without a model: each finding with its count, first rows, and what to do.

Pure, over a Dataset. Rows without prompt or answer never get this far: opening the data refuses them by number.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from engine.data.example import Dataset, Example
from engine.data.leaks import shows_answer

FIRST = 5  # rows that a finding names
MAX_EXAMPLES = 200_000  # that are looked at
BINS = 20

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing about the data. `rows` says where its first cases stand; `count` of `total` examples have it.

    error: the run would not measure what it should. warning: probably not meant. note: for information.
    `field` is the setting that changes it, where there is one.
    """

    key: str
    severity: Severity
    count: int
    total: int
    message: str
    hint: str
    rows: tuple[str, ...] = ()
    field: str = ""

    def __str__(self) -> str:
        where = f" ({'; '.join(self.rows)}{'; …' if self.count > len(self.rows) else ''})" if self.rows else ""
        return f"{self.message}{where} {self.hint}".strip()


@dataclass(frozen=True)
class Bin:
    """How many prompts have from `low` to `high` tokens, both included."""

    low: int
    high: int
    count: int


def check_examples(dataset: Dataset) -> list[Finding]:
    """Every finding about the examples, the worst first; empty when there is nothing to say."""
    rows = list(islice(dataset.examples(), MAX_EXAMPLES))
    held_out = {example.prompt for example in dataset.held_out}
    checks = [_blank(rows), _conflicts(rows), _leaks(rows), _overlap(rows, held_out), _duplicates(rows)]
    found = [finding for check in [*checks, _dropped(dataset)] for finding in check]
    order: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}
    return sorted(found, key=lambda finding: order[finding.severity])


def missing_columns(dataset: Dataset, needed: Mapping[str, Iterable[str]]) -> list[Finding]:
    """Columns that rewards ask for (reward → columns) and that some examples do not have."""
    rows = list(islice(dataset.examples(), MAX_EXAMPLES))
    found = []
    for reward, columns in needed.items():
        for column in columns:
            without = [row for row in rows if row[1].columns.get(column) is None]
            if without:
                message = f"{reward} needs the column '{column}', which {_of(len(without), len(rows), 'example')} lack."
                hint = "Its reward is missing there. Choose data with this column, or another reward."
                severity: Severity = "error" if len(without) == len(rows) else "warning"
                found.append(_finding("missing_column", severity, without, rows, message, hint, "rewards"))
    return found


def histogram(lengths: Sequence[int]) -> tuple[Bin, ...]:
    """At most BINS bins of equal width, from the shortest to the longest; none for no lengths."""
    if not lengths:
        return ()
    low, high = min(lengths), max(lengths)
    width = -(-(high - low + 1) // BINS)
    counts = [0] * (-(-(high - low + 1) // width))
    for length in lengths:
        counts[(length - low) // width] += 1
    return tuple(Bin(low + i * width, low + (i + 1) * width - 1, count) for i, count in enumerate(counts))


Rows = Sequence[tuple[str, Example]]


def _blank(rows: Rows) -> Iterator[Finding]:
    """A template of its own words can hide that nothing is asked; a file with blank cells does not open."""
    blank = [row for row in rows if not row[1].question.strip()]
    if blank:
        message = f"{_of(len(blank), len(rows), 'question')} have no text."
        yield _finding("blank", "error", blank, rows, message, "Remove these rows.")


def _duplicates(rows: Rows) -> Iterator[Finding]:
    seen: set[str] = set()
    again = [row for row in rows if row[1].id in seen or seen.add(row[1].id)]  # type: ignore[func-returns-value]
    if again:
        message = f"{_of(len(again), len(rows), 'example')} repeat the prompt and answer of an earlier one."
        hint = "They are trained on more often than others. Drop duplicates, if that is not meant."
        yield _finding("duplicates", "note", again, rows, message, hint, "data.drop_duplicates")


def _conflicts(rows: Rows) -> Iterator[Finding]:
    answers: dict[str, set[str | None]] = {}
    for _, example in rows:
        answers.setdefault(_flat(example.prompt), set()).add(example.answer and _flat(example.answer))
    several = [row for row in rows if len(answers[_flat(row[1].prompt)]) > 1]
    if several:
        prompts = sum(len(found) > 1 for found in answers.values())
        message = f"{prompts:,} {'prompt has' if prompts == 1 else 'prompts have'} different answers in different rows."
        hint = "Whichever the model gives, it is sometimes wrong. Keep the right one."
        yield _finding("conflicts", "warning", several, rows, message, hint)


def _leaks(rows: Rows) -> Iterator[Finding]:
    leaking = [row for row in rows if shows_answer(row[1].question, row[1].answer)]
    if leaking:
        message = f"{_of(len(leaking), len(rows), 'question')} show the right answer."
        hint = (
            "A model that copies it is rewarded. An answer of four words or 24 characters counts wherever it stands, a "
            "shorter one after words such as 'answer:'. Drop leaks, or correct the rows."
        )
        yield _finding("leaks", "warning", leaking, rows, message, hint, "data.drop_leaks")


def _overlap(rows: Rows, held_out: set[str]) -> Iterator[Finding]:
    """The same prompt is never on both sides; one that differs in spaces, case or punctuation can be."""
    flat = {_letters(prompt) for prompt in held_out}
    both = [row for row in rows if row[1].prompt not in held_out and _letters(row[1].prompt) in flat]
    if both:
        message = f"{_of(len(both), len(rows), 'training prompt')} are held out but for case, spaces or punctuation."
        hint = "Held-out results will look better than they are. Remove one of each pair."
        yield _finding("overlap", "warning", both, rows, message, hint)


def _dropped(dataset: Dataset) -> Iterator[Finding]:
    for why, count in dataset.dropped.items():
        total = count + (dataset.train_size or 0) + len(dataset.held_out)
        message = f"{count:,} {'row was' if count == 1 else 'rows were'} left out: {why}."
        yield Finding("dropped", "note", count, total, message, "")


def _finding(
    key: str, severity: Severity, cases: Rows, rows: Rows, message: str, hint: str, field: str = ""
) -> Finding:
    first = tuple(where for where, _ in cases[:FIRST])
    return Finding(key, severity, len(cases), len(rows), message, hint, first, field)


def _of(count: int, total: int, noun: str) -> str:
    return f"{count:,} of {total:,} {noun}s"


def _flat(text: str) -> str:
    return " ".join(text.split())


def _letters(text: str) -> str:
    """The text without what changes when it is typed again. Signs stay: 1+1 is not 1-1."""
    return re.sub(r"[\s.,;:!?'\"]+", "", text).casefold()
