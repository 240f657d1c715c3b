"""Rewards for the form of a completion."""

import time
from typing import Any

import pytest
from pydantic import ValidationError

from engine.rewards.form import LengthTargetParams, OverlongPenaltyParams, RegexMatchParams
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


def test_a_pattern_that_runs_away_is_missing() -> None:
    started = time.process_time()
    assert call("regex_match", ["a" * 50_000 + "!"], pattern="(a|aa)+$") == [None]
    assert time.process_time() - started < 1  # it is given 0.1 s


@pytest.mark.parametrize(
    "params", [{"pattern": "("}, {"pattern": ""}, {"pattern": "a", "group": "2"}, {"pattern": "a", "group": "-1"}]
)
def test_a_pattern_that_cannot_work_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RegexMatchParams(**params)


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


def test_length_target_falls_in_a_straight_line() -> None:
    info = REWARDS["length_target"]
    reward = info.make(LengthTargetParams(target=4, tolerance=2))
    ids = [[0] * 4, [0] * 5, [0] * 3, [0] * 6, [0] * 100, []]
    assert reward(completions=[""] * 6, completion_ids=ids) == [1, 0.5, 0.5, 0, 0, 0]


def test_language_consistency_is_the_share_of_ascii_letters() -> None:
    # "да yes" has 2 letters of 5 in another script; digits and tags' brackets are no letters.
    assert call("language_consistency", ["It is 85.", "да yes", "答案", "<b>1+1=2</b>"]) == [1, 0.6, 0, 1]


def test_text_without_a_letter_is_in_no_language() -> None:
    assert call("language_consistency", ["85", "", "!? 1"]) == [0, 0, 0]


def overlong(lengths: list[int], **params: int) -> list[float | None]:
    info = REWARDS["overlong_penalty"]
    return info.make(OverlongPenaltyParams(**params))(completion_ids=[[0] * length for length in lengths])


def test_the_overlong_penalty_falls_in_a_straight_line_to_the_limit() -> None:
    # DAPO, equation 13, with a limit of 20 and a cache of 4.
    assert overlong([0, 16, 17, 19, 20, 21], max_length=20, cache=4) == [0, 0, -0.25, -0.75, -1, -1]


def test_without_a_cache_only_what_is_beyond_the_limit_is_punished() -> None:
    assert overlong([19, 20, 21], max_length=20, cache=0) == [0, 0, -1]


def test_a_cache_longer_than_the_limit_is_refused() -> None:
    with pytest.raises(ValidationError, match="the cache, 30, is longer than the limit, 20"):
        OverlongPenaltyParams(max_length=20, cache=30)
