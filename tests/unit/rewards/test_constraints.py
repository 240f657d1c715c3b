"""The reward for instructions that a program can check."""

from typing import Any

import pytest
from pydantic import ValidationError

from engine.rewards.constraints import KNOWN, ConstraintsParams
from engine.rewards.registry import REWARDS

CASES = [
    ("min_words: 3", "one two three", "one two"),
    ("max_words: 2", "one two", "one two three"),
    ("min_sentences: 2", "One. Two!", "One."),
    ("max_sentences: 1", "Only one", "One. Two"),
    ("paragraphs: 2", "one\n\ntwo", "one\ntwo"),
    ("bullets: 2", "- one\n* two", "- one"),
    ("placeholders: 1", "Dear [name]", "Dear you"),
    ("highlights: 1", "a *bold* word", "2 * 3 * 4"),
    ("starts_with: Dear", "dear Ann", "Ann dear"),
    ("ends_with: Yours", "Bye. yours\n", "yours, bye"),
    ("contains: cat", "a CAT", "a dog"),
    ("excludes: cat", "a dog", "a cat"),
    ("lowercase", "all small", "Not all"),
    ("uppercase", "ALL BIG", "Not all"),
    ("no_commas", "one two", "one, two"),
    ("title", "<<A title>> text", "A title"),
    ("quoted", '"all of it"', '"part" of it'),
]


def call(completions: list[str], columns: dict[str, list[Any]] | None = None, **params: Any) -> list[float | None]:
    info = REWARDS["constraints"]
    return info.make(info.params(**params))(completions=completions, **(columns or {}))


@pytest.mark.parametrize(("line", "kept", "broken"), CASES)
def test_each_constraint_tells_kept_from_broken(line: str, kept: str, broken: str) -> None:
    assert call([kept, broken, ""], constraints=line) == [1, 0, 0]


def test_every_constraint_has_a_case() -> None:
    assert {line.partition(":")[0] for line, _, _ in CASES} == set(KNOWN)


def test_the_share_that_is_kept_counts_unless_all_have_to_be() -> None:
    assert call(["a b c"], constraints="max_words: 3\nno_commas\nuppercase") == [pytest.approx(2 / 3)]
    assert call(["a b c"], constraints="max_words: 3\nno_commas\nuppercase", partial=False) == [0]


def test_a_column_holds_constraints_of_its_row_beside_those_of_all() -> None:
    rules = ["uppercase", '["uppercase", "max_words: 1"]', ["uppercase"], None]
    values = call(["A B"] * 4, {"rules": rules}, column="rules", constraints="no_commas")
    assert values == pytest.approx([1, 2 / 3, 1, 1])


@pytest.mark.parametrize("cell", ["two words", "[", None, "max_words: many", "max_words: 1\n" * 51])
def test_a_row_whose_constraints_cannot_be_read_is_missing(cell: Any) -> None:
    assert call(["A"], {"rules": [cell]}, column="rules") == [None]


@pytest.mark.parametrize(
    ("line", "reason"),
    [("two words", "is none of"), ("max_words: many", "needs a number"), ("title: x", "takes no value"),
     ("contains:", "needs a text"), ("", "give constraints")],
)  # fmt: skip
def test_constraints_that_cannot_be_read_are_refused(line: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ConstraintsParams(constraints=line)


def test_the_think_block_is_not_looked_at() -> None:
    assert call(["<think>well, well</think>yes"], constraints="no_commas\nmax_words: 1") == [1]
