"""Rewards for a letter, a collection of items, an order of items."""

from typing import Any

import pytest
from pydantic import ValidationError

from engine.rewards.choices import MultipleChoiceParams, items_of
from engine.rewards.registry import REWARDS


def call(name: str, completions: list[str], answer: str, **params: Any) -> list[float | None]:
    info = REWARDS[name]
    return info.make(info.params(**params))(completions=completions, answer=[answer] * len(completions))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("B", 1), ("b", 1), ("(b)", 1), ("B.", 1), ("B) Paris", 1), ("**B**: Paris", 1), (r"\boxed{\text{B}}", 1),
        ("The answer is (B).", 1), ("I choose B because A is too small", 0), ("<answer>B</answer> not A", 1),
        ("A", 0), ("A, B", 0), ("not B", 0), ("It isn't B", 0), ("It is not A but B", 1), ("E", 0), ("", 0), ("BA", 0),
        ("A good question", 0), ("A or B", 0),
    ],
)  # fmt: skip
def test_one_letter_has_to_be_named(text: str, value: float) -> None:
    assert call("multiple_choice", [text], "B") == [value]


def test_an_article_is_no_letter_and_a_letter_alone_is() -> None:
    assert call("multiple_choice", ["A", "A dog", "A is right"], "(A)") == [1, 0, 1]


def test_a_reference_without_a_letter_is_missing_and_letters_are_checked() -> None:
    assert call("multiple_choice", ["A"], "85") == [None]
    assert call("multiple_choice", ["E"], "E", letters="abcde") == [1]
    for letters in ("A B", "AA", "A1"):
        with pytest.raises(ValidationError, match="different letters"):
            MultipleChoiceParams(letters=letters)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("red, green and blue", ["red", "green", "blue"]),
        ("1. Red\n2. Green", ["red", "green"]),
        ("- red\n- green", ["red", "green"]),
        ('["a, b", 1.50]', ["a, b", "1.5"]),
        ('{"b": [2, 1], "a": null}', ["b: [2,1]", "a: null"]),
        ("{1, 2, 3}", ["1", "2", "3"]),
        ("1.0, 2/4", ["1", "0.5"]),
        ("", []),
    ],
)
def test_items_are_told_apart(text: str, items: list[str]) -> None:
    assert items_of(text) == items


def test_f1_is_twice_the_common_items_over_all_items() -> None:
    assert call("collection_f1", ["a, b", "a", "c", "a, b, c, d", ""], "a, b") == pytest.approx([1, 2 / 3, 0, 2 / 3, 0])


def test_the_order_of_sets_does_not_matter_and_repeats_count_in_lists_alone() -> None:
    assert call("collection_f1", ["b, a, a"], "a, b") == [1]
    assert call("collection_f1", ["b, a, a"], "a, b", repeats="list") == [0.8]


def test_order_counts_the_pairs_that_stand_right() -> None:
    # of 123: 132 has 2 of 3 pairs right, 321 none, 12 one (3 takes its pairs with it), 1234 all, but 4 is too many
    assert call("sorted_order", ["1, 3, 2", "3, 2, 1", "1, 2", "1, 2, 3, 4"], "1, 2, 3") == [2 / 3, 0, 1 / 3, 0.75]
    assert call("sorted_order", ["7", "8"], "7") == [1, 0]


def test_equal_items_take_their_places_in_turn() -> None:
    assert call("sorted_order", ["1, 1, 2", "1, 2, 1"], "1, 1, 2") == [1, 2 / 3]


def test_a_reference_with_too_many_items_is_missing() -> None:
    assert call("sorted_order", ["1"], ", ".join(map(str, range(201)))) == [None]
