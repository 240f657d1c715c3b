"""Rewards that compare with the reference answer. Calls follow TRL's convention: keywords, lists in, a list out."""

from typing import Any

import pytest

from engine.rewards.protocol import MISSING
from engine.rewards.registry import REWARDS


def call(name: str, completions: list[str], answers: list[str | None] | None, **params: Any) -> list[float | None]:
    info = REWARDS[name]
    columns = {} if answers is None else {"answer": answers}
    return info.make(info.params(**params))(prompts=["p"] * len(completions), completions=completions, **columns)


def reasons(name: str, completions: list[str], answers: list[str | None]) -> list[str | None]:
    extra: dict[str, list[str | None]] = {}
    info = REWARDS[name]
    info.make(info.params())(completions=completions, answer=answers, log_extra=extra.__setitem__)
    return extra[MISSING]


def test_exact_match_ignores_spaces_around_but_not_inside() -> None:
    assert call("exact_match", [" 85\n", "85.", "8 5", "85"], ["85", "85", "85", " 85 "]) == [1, 0, 0, 1]


def test_exact_match_tells_case_apart_unless_asked_not_to() -> None:
    assert call("exact_match", ["paris"], ["Paris"]) == [0]
    assert call("exact_match", ["paris"], ["Paris"], ignore_case=True) == [1]


def test_exact_match_can_read_a_tag() -> None:
    completions = ["<think>A or B</think><answer>B</answer>", "B"]
    assert call("exact_match", completions, ["B", "B"], extract="tag") == [1, 0]


def test_numeric_match_sees_the_same_number_in_every_spelling() -> None:
    completions = ["The answer is $1,072.00.", r"\boxed{1072}", "#### 1072", "<answer>1,072</answer>", "1072 or 5"]
    assert call("numeric_match", completions, ["1072"] * 5) == [1, 1, 1, 1, 0]


def test_numeric_match_scores_a_completion_without_a_number_0() -> None:
    assert call("numeric_match", ["no idea", ""], ["7", "7"]) == [0, 0]


def test_numeric_match_is_exact_unless_a_tolerance_is_given() -> None:
    assert call("numeric_match", ["0.333"], ["1/3"]) == [0]
    assert call("numeric_match", ["0.333"], ["1/3"], tolerance=0.001) == [1]
    assert call("numeric_match", ["10.1", "10.2"], ["10", "10"], tolerance=0.1) == [1, 0]


def test_numeric_match_reads_the_number_after_the_hashes_of_a_reference() -> None:
    assert call("numeric_match", ["72"], ["24+48 = <<24+48=72>>72\n#### 72"]) == [1]


def test_a_reference_that_is_not_a_number_makes_the_reward_missing_with_the_reason() -> None:
    assert call("numeric_match", ["72", "72"], ["many", "72"]) == [None, 1]
    assert reasons("numeric_match", ["72", "72"], ["many", "72"]) == [
        "the reference answer 'many' is not a number",
        None,
    ]


@pytest.mark.parametrize("name", ["exact_match", "numeric_match", "digit_match", "edit_similarity", "multiple_choice"])
def test_a_row_without_a_reference_is_missing_not_wrong(name: str) -> None:
    assert call(name, ["1", "1"], [None, " "]) == [None, None]
    assert call(name, ["1"], None) == [None]


def test_digit_match_is_the_share_of_right_positions_from_the_units_up() -> None:
    completions = ["85", "75", "5", "185", "58", "eighty"]
    assert call("digit_match", completions, ["85"] * 6) == [1, 1 / 2, 1 / 2, 2 / 3, 0, 0]


def test_digit_match_from_the_left_compares_the_first_digits() -> None:
    assert call("digit_match", ["855", "5"], ["85", "85"], align="left") == [2 / 3, 0]


def test_digit_match_gives_nothing_for_the_wrong_sign_or_decimals() -> None:
    assert call("digit_match", ["-85", "85.0", "0085"], ["85"] * 3) == [0, 1, 1]
    assert call("digit_match", ["0.5"], ["2"]) == [0]


def test_digit_match_is_missing_where_the_reference_is_not_whole() -> None:
    assert call("digit_match", ["8"], ["8.5"]) == [None]


def test_exact_match_can_ignore_what_stands_around_the_answer() -> None:
    given = ["**Paris.**", r"\text{Paris}", "(paris)", "Ｐａｒｉｓ", "Paris, Texas"]
    assert call("exact_match", given, ["Paris"] * 5, ignore_punctuation=True, ignore_case=True) == [1, 1, 1, 1, 0]
    assert call("exact_match", given, ["Paris"] * 5, ignore_case=True) == [0] * 5


def test_a_tolerance_can_be_a_share_of_the_reference() -> None:
    assert call("numeric_match", ["101", "102"], ["100", "100"], relative_tolerance=0.01) == [1, 0]


def test_a_percent_sign_can_be_kept_from_meaning_hundredths() -> None:
    assert call("numeric_match", ["50%", "50%"], ["50", "0.5"]) == [1, 1]
    assert call("numeric_match", ["50%", "50%"], ["50", "0.5"], percent="number") == [1, 0]


def test_chat_completions_score_like_plain_ones() -> None:
    info = REWARDS["exact_match"]
    completions = [[{"role": "assistant", "content": "85"}], [{"role": "assistant", "content": None}]]
    assert info.make(info.params())(completions=completions, answer=["85", "85"]) == [1, 0]


def test_what_a_reward_parsed_can_be_shown() -> None:
    numeric = REWARDS["numeric_match"]
    assert numeric.parse is not None
    assert numeric.parse(numeric.params(), "so it is $1,072.50!") == "1072.5"
    assert numeric.parse(numeric.params(), "nothing") is None
