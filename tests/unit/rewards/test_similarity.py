"""Rewards for how near a text comes to the reference."""

import random
from typing import Any

from rapidfuzz.distance import LCSseq, Levenshtein

from engine.rewards.registry import REWARDS


def call(name: str, completions: list[str], answers: list[str], **params: Any) -> list[float | None]:
    info = REWARDS[name]
    return info.make(info.params(**params))(completions=completions, answer=answers)


def test_edit_similarity_is_1_minus_distance_over_the_longer_length() -> None:
    # kitten → sitting: two replacements and one insertion, 7 characters
    assert call("edit_similarity", ["sitting", "kitten", ""], ["kitten"] * 3) == [1 - 3 / 7, 1, 0]
    assert call("edit_similarity", ["KITTEN"], ["kitten"], ignore_case=True) == [1]


def test_edit_similarity_counts_the_rest_of_a_runaway_as_wrong() -> None:
    assert call("edit_similarity", ["a" * 20_000], ["a" * 10_000]) == [0.5]


def test_what_lies_above_the_floor_is_stretched_to_1() -> None:
    assert call("edit_similarity", ["abcd", "abxy", "wxyz"], ["abcd"] * 3, floor=0.25) == [1, (0.5 - 0.25) / 0.75, 0]


def test_rouge_l_counts_the_words_that_stand_in_both_in_the_same_order() -> None:
    # "police killed the gunman" and "police kill the gunman": 3 words of 4, in Lin's example
    given, wanted = ["police kill the gunman"], ["police killed the gunman"]
    assert call("rouge_l", given, wanted) == [0.75]
    assert call("rouge_l", ["the gunman police killed"], wanted, measure="recall") == [0.5]
    assert call("rouge_l", ["police"], wanted, measure="precision") == [1]
    assert call("rouge_l", [""], wanted) == [0]


def test_rouge_l_of_a_reference_without_a_word_is_missing() -> None:
    assert call("rouge_l", ["a"], ["?!"]) == [None]


def plain_distance(first: str, second: str) -> int:
    """The textbook table, row by row."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


def plain_common(first: str, second: str) -> int:
    """Length of the longest common subsequence, by the textbook table."""
    row = [0] * (len(second) + 1)
    for a in first:
        before = 0
        for j, b in enumerate(second, 1):
            before, row[j] = row[j], before + 1 if a == b else max(row[j], row[j - 1])
    return row[-1]


def test_the_library_agrees_with_the_textbook_tables() -> None:
    random.seed(0)
    for _ in range(300):
        first, second = ("".join(random.choices("abcä", k=random.randrange(12))) for _ in range(2))
        assert Levenshtein.distance(first, second) == plain_distance(first, second), (first, second)
        assert LCSseq.similarity(list(first), list(second)) == plain_common(first, second), (first, second)
