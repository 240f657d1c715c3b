import math

import pytest

from engine.analysis.arithmetic import (
    GDPO_WORDS,
    advantage_arithmetic,
    formula,
    mean_of_others,
    steps_words,
)
from engine.config_loss import LossConfig

NAN = float("nan")


def test_a_group_scaled_advantage_is_written_out():
    # rewards 1, 1, 0, 0: mean 0.5, n−1 std 0.577, so (1 − 0.5) / 0.5774 = 0.866
    text = advantage_arithmetic(1.0, 0.5, 0.5774, 0.866, scored=4, dead=False)
    assert text == "(1.000 − 0.500) / (0.577 + 0.0001) = +0.866"


def test_without_scaling_it_is_a_difference():
    assert advantage_arithmetic(0.25, 0.75, None, -0.5, scored=4, dead=False) == "0.250 − 0.750 = −0.500"


def test_a_negative_mean_is_added():
    assert advantage_arithmetic(0.5, -0.5, None, 1.0, scored=4, dead=False) == "0.500 + 0.500 = +1.000"


@pytest.mark.parametrize(
    ("total", "scored", "dead", "words"),
    [
        (NAN, 3, False, "no reward, so advantage 0"),
        (1.0, 4, True, "all rewards of the group are equal, so advantage 0"),
        (1.0, 1, True, "fewer than two rewards in the group, so advantage 0"),
    ],
)
def test_an_advantage_of_0_has_its_reason(total, scored, dead, words):
    assert advantage_arithmetic(total, 1.0, 0.0, 0.0, scored=scored, dead=dead) == words


def test_small_rewards_are_written_with_the_decimals_that_show_them():
    # 0.0002 / (0.0002 + 0.0001) = 2 / 3
    found = advantage_arithmetic(0.0004, 0.0002, 0.0002, 2 / 3, scored=4, dead=False)
    assert found == "(0.000400 − 0.000200) / (0.000200 + 0.0001) = +0.667"
    assert advantage_arithmetic(0.5004, 0.5, None, 0.0004, scored=4, dead=False) == "0.500400 − 0.500000 = +0.000400"


def test_the_group_states_its_rule():
    assert formula(0.75, 0.463, LossConfig()) == "advantage = (reward − group mean 0.750) / (group std 0.463 + 0.0001)"
    batch = LossConfig(scale_rewards="batch")
    assert (
        formula(0.75, 0.463, batch)
        == "advantage = (reward − group mean 0.750) / (std of the step's rewards 0.463 + 0.0001)"
    )
    plain = LossConfig(scale_rewards="none")
    assert formula(0.75, None, plain) == "advantage = reward − group mean 0.750, not divided"
    assert formula(0.0002, None, plain) == "advantage = reward − group mean 0.000200, not divided"
    assert formula(-0.5, None, plain) == "advantage = reward − group mean (−0.500), not divided"
    assert formula(NAN, 0.1, LossConfig()).endswith("no completion of this group has a reward")


@pytest.mark.parametrize("scale", [None, NAN])
def test_a_group_with_one_reward_has_no_rule_but_0(scale):
    assert formula(1.5, scale, LossConfig()) == "advantage = 0: fewer than two rewards in the group"


RLOO = LossConfig(baseline="leave_one_out", scale_rewards="none")


def test_leave_one_out_compares_with_the_mean_of_the_other_scored_completions():
    totals = [1.0, 0.0, 0.0, NAN]
    assert mean_of_others(1.0, totals) == 0.0
    assert mean_of_others(0.0, totals) == 0.5


def test_the_only_scored_completion_has_no_others_to_be_compared_with():
    assert math.isnan(mean_of_others(1.0, [1.0, NAN]))


def test_the_rule_of_a_group_names_its_baseline_and_its_aggregation():
    assert formula(0.75, None, RLOO) == "advantage = reward − mean of the other rewards, not divided"
    gdpo = LossConfig(multi_objective_aggregation="normalize_then_sum")
    assert formula(0.75, 0.5, gdpo) == f"advantage: {GDPO_WORDS}"


def test_step_scores_are_written_out():
    assert steps_words({"digit_steps": [(0, 1.0), (1, 0.0)]}).startswith("steps digit_steps: 1, 0.")


def test_an_advantage_below_the_third_decimal_is_0_and_has_no_sign():
    assert advantage_arithmetic(0.5, 0.5, None, 0.0004, scored=4, dead=False) == "0.500 − 0.500 = 0"
    assert advantage_arithmetic(0.5, 0.5, None, -0.0006, scored=4, dead=False) == "0.500 − 0.500 = −0.001"
