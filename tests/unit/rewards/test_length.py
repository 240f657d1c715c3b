"""Rewards for length and repetition: tokens, words or characters."""

import math

import pytest
from pydantic import ValidationError

from engine.rewards.length import (
    CosineLengthParams,
    LengthLimitParams,
    LengthTargetParams,
    OverlongPenaltyParams,
    RepetitionPenaltyParams,
)
from engine.rewards.registry import REWARDS


def test_length_target_falls_in_a_straight_line() -> None:
    info = REWARDS["length_target"]
    reward = info.make(LengthTargetParams(target=4, tolerance=2))
    ids = [[0] * 4, [0] * 5, [0] * 3, [0] * 6, [0] * 100, []]
    assert reward(completions=[""] * 6, completion_ids=ids) == [1, 0.5, 0.5, 0, 0, 0]


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


def test_length_target_can_fall_in_a_half_cosine_that_meets_the_line_half_way() -> None:
    reward = REWARDS["length_target"].make(LengthTargetParams(target=4, tolerance=4, shape="cosine"))
    values = reward(completions=[""] * 4, completion_ids=[[0] * n for n in (4, 5, 6, 8)])
    assert values == pytest.approx([1, 0.853553, 0.5, 0], abs=1e-6)  # (1 + cos(π/4)) / 2


@pytest.mark.parametrize(("unit", "lengths"), [("tokens", [3, 0]), ("words", [2, 0]), ("characters", [7, 1])])
def test_length_is_counted_in_the_chosen_unit(unit: str, lengths: list[int]) -> None:
    reward = REWARDS["length_target"].make(LengthTargetParams(target=1000, tolerance=1000, unit=unit))  # type: ignore[arg-type]
    assert reward(completions=["two  wd", " "], completion_ids=[[1, 2, 3], []]) == pytest.approx(
        [n / 1000 for n in lengths]
    )


def test_length_limits_fall_over_the_slack_on_both_sides() -> None:
    reward = REWARDS["length_limit"].make(LengthLimitParams(shortest=4, longest=6, slack=2))
    ids = [[0] * n for n in (2, 3, 4, 6, 7, 8)]
    assert reward(completions=[""] * 6, completion_ids=ids) == [0, 0.5, 1, 1, 0.5, 0]
    with pytest.raises(ValidationError, match="at most 3 is less than at least 4"):
        LengthLimitParams(shortest=4, longest=3)


def test_correctness_by_length_moves_along_the_cosine_and_stays_flat_beyond_the_longest() -> None:
    reward = REWARDS["cosine_length"].make(CosineLengthParams(max_length=8))
    ids = [[0] * n for n in (0, 4, 8, 16)]
    assert reward(completions=["7"] * 4, completion_ids=ids, answer=["7"] * 4) == pytest.approx([1, 0.75, 0.5, 0.5])
    assert reward(completions=["6"] * 4, completion_ids=ids, answer=["7"] * 4) == pytest.approx([-1, -0.75, -0.5, -0.5])
    assert reward(completions=["6"], completion_ids=[[]], answer=["many"]) == [None]


def test_correctness_by_length_can_compare_texts() -> None:
    reward = REWARDS["cosine_length"].make(CosineLengthParams(compare="text"))
    assert reward(completions=["Paris."], completion_ids=[[]], answer=["paris"]) == [1]


def test_repetition_costs_the_share_of_runs_that_occurred_before() -> None:
    reward = REWARDS["repetition_penalty"].make(RepetitionPenaltyParams(ngram=2, size=0.5))
    # runs: 12 23 31 12 23, of which 2 of 5 occurred before; 11 11; none
    assert reward(completion_ids=[[1, 2, 3, 1, 2, 3], [1, 1, 1], [1]]) == [-0.2, -0.25, 0]


def test_what_could_not_be_compared_in_time_is_no_number() -> None:
    params = CosineLengthParams(compare="text", extract="regex", answer_pattern="^(?:a|aa)+$|c$")
    values = REWARDS["cosine_length"].make(params)(
        completions=["c", "a" * 5000 + "b"], completion_ids=[[1], [1]], answer=["c", "c"]
    )
    assert values[0] is not None and math.isnan(values[1])
