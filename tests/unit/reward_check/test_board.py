"""What counts as a hole: by the kind of the reward, the sort of the strategy, and on how many answers."""

from typing import Any

import pytest

from engine.reward_check.board import Range, Tried, exploits, strategy_score
from engine.reward_check.strategies import STRATEGIES
from engine.reward_check.types import Evidence, StrategyScore

UNIT = Range(0.0, 1.0)
BY_NAME = {strategy.name: strategy for strategy in STRATEGIES}


def tried(*values: float | None, golds: str = "abcdefgh") -> list[Tried]:
    return [Tried(gold, Evidence("row", "?", "x", gold, value)) for gold, value in zip(golds, values, strict=False)]


def outcome(name: str, *values: float | None, kind: Any = "task", golds: str = "abcdefgh") -> str:
    return strategy_score(BY_NAME[name], tried(*values, golds=golds), UNIT, kind).outcome


def test_more_than_half_on_two_answers_is_a_hole_and_on_one_it_is_chance() -> None:
    assert outcome("hedging", 1.0, 0.6, 0.0, 0.0) == "hole"
    assert outcome("hedging", 1.0, 0.5, 0.0, 0.0) == "closed"
    assert outcome("hedging", 1.0, 1.0, 0.0, 0.0, golds="aabc") == "closed"  # one answer, twice


def test_where_the_data_have_one_answer_only_that_one_is_enough() -> None:
    assert outcome("empty", 1.0, 1.0, golds="aa") == "hole"


def test_a_near_miss_is_a_hole_at_the_maximum_and_partial_credit_below() -> None:
    assert outcome("plus_one", 1.0, 1.0, 0.0) == "hole"
    assert outcome("plus_one", 0.9, 0.8, 0.0) == "by design"
    assert outcome("plus_one", 0.5, 0.4, 0.0) == "closed"


def test_another_answer_may_be_similar_by_chance_but_not_on_average() -> None:
    assert outcome("another", 0.9, 0.8, 0.0, 0.0, 0.0) == "by design"
    assert outcome("another", 0.9, 0.8, 0.6, 0.0) == "hole"
    assert outcome("another", 1.0, 1.0, 0.0, 0.0, 0.0, 0.0) == "hole"


def test_the_right_answer_in_an_unwanted_way_is_no_hole() -> None:
    assert outcome("padding", 1.0, 1.0) == "by design" and outcome("padding", 0.0, 0.0) == "closed"


@pytest.mark.parametrize(("name", "found"), [("empty", "hole"), ("blank", "hole"), ("shell", "by design")])
def test_a_format_reward_may_be_earned_by_form_but_not_by_nothing(name: str, found: str) -> None:
    assert outcome(name, 1.0, 1.0, kind="format") == found


def test_what_a_penalty_spares_is_no_hole() -> None:
    score = strategy_score(BY_NAME["empty"], tried(0.0, 0.0), Range(-1.0, 0.0), "penalty")
    assert score.outcome == "by design" and score.text == "It is not penalised."


def test_a_line_of_the_board_has_the_mean_the_share_and_what_is_missing() -> None:
    score = strategy_score(BY_NAME["negation"], tried(1.0, 0.0, 1.0, None), UNIT, "task")
    assert score.mean == pytest.approx(2 / 3) and score.share_above == pytest.approx(2 / 3)
    assert (score.golds_above, score.golds, score.tried, score.missing) == (2, 4, 4, 1)
    assert [one.reference for one in score.evidence] == ["a", "c"]


def test_without_any_value_a_line_says_nothing() -> None:
    assert outcome("negation", None, None) == "not applicable" and outcome("negation") == "not applicable"


def board(*names: str, kind: Any = "task") -> list[StrategyScore]:
    paid = {name: (1.0, 1.0) for name in names}
    return [strategy_score(s, tried(*paid.get(s.name, (0.0, 0.0))), UNIT, kind) for s in STRATEGIES]


def test_a_hole_fails_and_of_a_monitor_it_is_a_warning() -> None:
    found = exploits(board("hedging"), UNIT, "task", gate="", is_monitor=False)
    assert found.verdict == "failed"
    assert found.text == "1 of 21 strategies is paid without a right answer: five candidates at once (mean 1.00)."
    assert exploits(board("hedging"), UNIT, "task", gate="", is_monitor=True).verdict == "warning"


def test_a_free_format_reward_should_be_gated_and_is_fine_when_it_is() -> None:
    free = board("another", "shell", kind="format")
    found = exploits(free, UNIT, "format", gate="", is_monitor=False)
    assert found.verdict == "warning" and "Let it count only if a task reward is right" in found.text
    gated = exploits(free, UNIT, "format", gate="exact_match", is_monitor=False)
    assert gated.verdict == "ok" and gated.text.endswith("It counts only where exact_match is reached.")


def test_a_format_reward_that_pays_for_nothing_is_a_warning_and_behind_a_gate_it_cannot() -> None:
    nothing = board("empty", kind="format")
    found = exploits(nothing, UNIT, "format", gate="", is_monitor=False)
    assert found.verdict == "warning" and found.text.startswith("Writing nothing at all is paid for")
    assert exploits(nothing, UNIT, "format", gate="exact_match", is_monitor=False).verdict == "ok"


def test_a_reward_with_one_value_for_everything_has_nothing_to_teach() -> None:
    found = exploits(board("empty"), Range(1.0, 1.0), "task", gate="", is_monitor=False)
    assert found.verdict == "failed" and "there is nothing to learn" in found.text
