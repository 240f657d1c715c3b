"""One sentence of advice: each rule speaks with its numbers when it should, and is silent otherwise."""

from dataclasses import replace

import pytest

from engine.preflight import advice
from engine.preflight.result import RewardResult
from tests.unit.preflight.findings import forecast, prompt, result

FINE = result()


@pytest.mark.parametrize("rule", advice.RULES, ids=lambda rule: rule.__name__)
def test_no_rule_speaks_when_all_is_well(rule):
    assert rule(FINE) is None


def test_when_no_rule_speaks_it_is_ready_with_the_share_of_groups_that_carry_signal():
    found = advice.advise(FINE)
    assert (found.rule, found.group_size) == ("ready", None)
    assert found.sentence == "Ready to train: 50% of the completions are right, and 90% of the groups should carry signal at first."  # fmt: skip # noqa: E501


def test_missing_values_are_named_with_their_commonest_reason_before_anything_else():
    failing = RewardResult("exact_match", 1.0, None, 2, (("returned nan, not a finite number", 2),))
    found = advice.advise(replace(FINE, rewards=(failing,), truncated=16))
    assert found.rule == "failing_reward"
    assert "exact_match has no value for 2 of 16 completions (12%)" in found.sentence
    assert "because it returned nan" in found.sentence
    assert advice.failing_reward(replace(FINE, rewards=(replace(failing, missing=1),))) is None


def test_more_than_15_percent_cut_off_asks_for_room():
    found = advice.truncated(replace(FINE, truncated=3))
    assert found is not None and "3 of 16 completions (19%) were cut off at 64 tokens" in found.sentence
    assert advice.truncated(replace(FINE, truncated=2)) is None


def test_nearly_all_right_is_too_easy():
    found = advice.too_easy(result(prompts=(prompt(4, "solved"),) * 4))
    assert found is not None and found.sentence.startswith("100% of the completions are right already, and 100%")
    assert advice.too_easy(result(prompts=(*(prompt(4, "solved"),) * 3, prompt(3)))) is None  # 94 %


def test_one_text_over_and_over_asks_for_temperature_unless_it_is_right():
    alike = prompt(0, "identical", distinct=1)
    found = advice.identical(result(prompts=(alike, alike, prompt(), prompt()), temperature=0.3))
    assert (
        found is not None
        and "In 2 of 4 groups all 4 completions are the same text at temperature 0.3" in found.sentence
    )
    assert advice.identical(result(prompts=(alike, prompt(), prompt(), prompt()))) is None
    assert advice.identical(result(prompts=(prompt(4, "solved", distinct=1),) * 4)) is None


def test_nothing_right_and_no_signal_asks_for_partial_credit_or_easier_data():
    found = advice.too_hard(result(prompts=(prompt(0, "hopeless"),) * 4))
    assert found is not None
    assert found.sentence.startswith(
        "Nothing is right in 4 of 4 prompts × 4 completions, and 100% of the groups carry no"
    )


def test_nothing_right_but_signal_says_that_it_comes_from_partial_credit():
    found = advice.too_hard(result(prompts=(prompt(0),) * 4))
    assert found is not None and "all signal, in 100% of the groups, comes from partial credit" in found.sentence


def test_prompts_that_nothing_decides_are_not_called_hard():
    assert advice.too_hard(result(prompts=(prompt(None, "other"),) * 4)) is None


def test_a_larger_group_is_advised_with_its_price_when_it_saves_many_dead_groups():
    found = advice.advise(result(forecast=forecast(g4=0.39, g8=0.27)))
    assert (found.rule, found.group_size) == ("larger_groups", 8)
    assert found.sentence == "G 4 → 8 would cut groups without signal from 39% to 27%, for 32 instead of 16 completions a step."  # fmt: skip # noqa: E501


def test_a_larger_group_that_saves_little_is_not_advised():
    found = advice.advise(result(forecast=forecast(g4=0.5, g8=0.45)))
    assert (found.rule, found.group_size) == ("many_dead", None)
    assert found.sentence.startswith("50% of the groups would carry no signal (0 of 4 here)")


def test_no_group_size_above_what_the_setting_allows_is_advised():
    sizes = forecast(g4=0.9, g256=0.5, g512=0.1)
    assert advice.larger_groups(result(group_size=256, forecast=sizes)) is None


def test_without_a_scored_prompt_nothing_can_be_learned():
    found = advice.advise(result(forecast=None))
    assert found.rule == "many_dead" and "nothing can be learned" in found.sentence


def test_scoring_that_takes_half_of_a_step_is_told():
    costs = replace(FINE.costs, seconds={"loading": 1.0, "rollout": 2.0, "reward": 6.0, "update": 2.0})
    found = advice.advise(result(costs=costs))
    assert found.rule == "slow_reward" and "Scoring takes 6.0 s of the 10.0 s of a step (60%)" in found.sentence
