"""Rewards for the form of a completion."""

import math
import time
from typing import Any

import pytest
from pydantic import ValidationError

from engine.rewards.form import RegexMatchParams
from engine.rewards.registry import REWARDS


def call(name: str, completions: list[str], answers: list[str] | None = None, **params: Any) -> list[float | None]:
    info = REWARDS[name]
    return info.make(info.params(**params))(completions=completions, answer=answers)


def test_a_pattern_is_searched_or_has_to_cover_everything() -> None:
    assert call("regex_match", ["x85", "85"], pattern="[0-9]+") == [1, 1]
    assert call("regex_match", ["x85", "85"], pattern="[0-9]+", mode="fullmatch") == [0, 1]


@pytest.mark.parametrize("group", ["1", "number"])
def test_a_named_or_numbered_group_has_to_equal_the_answer(group: str) -> None:
    completions = ["Answer: 85", "Answer: 75", "85"]
    given = call("regex_match", completions, ["85"] * 3, pattern="Answer: (?P<number>[0-9]+)", group=group)
    assert given == [1, 0, 0]


def test_a_group_that_took_no_part_in_the_match_is_wrong_not_an_error() -> None:
    assert call("regex_match", ["b"], ["a"], pattern="(a)?b", group="1") == [0]


def test_a_pattern_that_runs_away_has_failed() -> None:
    started = time.process_time()
    assert math.isnan(call("regex_match", ["a" * 50_000 + "!"], pattern="(a|aa)+$")[0])
    assert time.process_time() - started < 1  # it is given 0.1 s


@pytest.mark.parametrize(
    "params",
    [
        {"pattern": "("},
        {"pattern": ""},
        {"pattern": "a", "group": "2"},
        {"pattern": "a", "group": "-1"},
        {"pattern": "a", "count": 2, "negate": True},
        {"pattern": "a", "count": 2, "mode": "fullmatch"},
        {"pattern": "(a)", "group": "1", "negate": True},
    ],
)
def test_a_pattern_that_cannot_work_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RegexMatchParams(**params)


def test_several_matches_can_be_wanted_and_none_can() -> None:
    assert call("regex_match", ["a", "aa", "aaaa"], pattern="a", count=2) == [0.5, 1, 1]
    assert call("regex_match", ["a", "b"], pattern="a", negate=True) == [0, 1]


GOOD = "<think>40+38</think>\n<answer>78</answer>"


@pytest.mark.parametrize(
    "text",
    [
        "<think></think><answer>78</answer>",  # an empty thought
        "<think>a</think><answer> </answer>",
        "<answer>78</answer><think>a</think>",
        GOOD + " and more",
        "first " + GOOD,
        GOOD + GOOD,
        "<think>a</think> so <answer>78</answer>",
        "<think>a<answer>78</answer></think>",
        "",
    ],
)
def test_tags_have_to_come_once_in_order_filled_and_alone(text: str) -> None:
    assert call("think_answer_format", [GOOD, f" {GOOD}\n", text]) == [1, 1, 0]


def test_graded_tags_earn_a_quarter_each() -> None:
    assert call("think_answer_format", ["<think>a</think>", GOOD, "<think><think>", ""], graded=True) == [0.5, 1, 0, 0]


def test_digits_only_wants_a_whole_number_and_nothing_else() -> None:
    assert call("digits_only", ["85", " -85\n", "+8", "85.", "8 5", "٨", ""]) == [1, 1, 1, 0, 0, 0, 0]
