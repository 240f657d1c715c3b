"""The reward for being unlike the others of a group."""

import math
from typing import Any

import pytest

from engine.rewards.registry import REWARDS


def call(completions: list[str], prompts: list[Any], **params: Any) -> list[float | None]:
    info = REWARDS["group_diversity"]
    return info.make(info.params(**params))(completions=completions, prompts=prompts)


def test_each_completion_is_compared_with_the_others_of_its_prompt_alone() -> None:
    assert call(["a", "b", "a", "a"], ["p", "p", "q", "q"]) == [1, 1, 0, 0]


def test_the_distance_is_the_share_of_runs_not_shared_averaged_over_the_others() -> None:
    # pairs of words: {ab, bc}, {ab, bd}, {xy}: distances 2/3 and 1
    assert call(["a b c", "a b d", "x y"], ["p"] * 3) == pytest.approx([5 / 6, 5 / 6, 1])


def test_whether_texts_are_the_same_can_count_instead_as_can_the_stated_answer() -> None:
    assert call(["A b", "a  B!", "c"], ["p"] * 3, measure="same") == [0.5, 0.5, 1]
    texts = ["so <answer>1</answer>", "and <answer>1</answer>"]
    assert call(texts, ["p"] * 2, measure="same", extract="tag") == [0, 0]


def test_a_group_of_one_is_missing_and_chat_prompts_make_groups_too() -> None:
    chat = [{"role": "user", "content": "p"}]
    assert call(["a", "b", "c"], [chat, list(chat), "other"]) == [1, 1, None]


def test_the_others_are_compared_without_one_that_cannot_be_read_in_time() -> None:
    texts = ["bc", "bc", "a" * 5000 + "b", "c"]
    params = {"extract": "regex", "answer_pattern": "^(?:a|aa)+$|.*c$", "measure": "same"}
    values = call(texts, ["p"] * 4, **params)
    assert math.isnan(values.pop(2)) and values == [0.5, 0.5, 1]


def test_empty_completions_are_alike() -> None:
    assert call(["", ""], ["p", "p"]) == [0, 0]
