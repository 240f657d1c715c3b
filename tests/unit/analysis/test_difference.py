"""Differences between evaluations: intervals and p values against cases that can be counted by hand, or one by one."""

import math
from itertools import combinations, product

import numpy as np
import pytest

from engine.analysis import difference as module
from engine.analysis.difference import (
    difference,
    holm,
    paired_difference,
    prompt_values,
    sign_flip_p,
    unpaired_difference,
)
from engine.analysis.evaluation import Estimate, Outcomes, mean_estimate, prompt_counts

NAN = float("nan")


def every_sign(values: list[float]) -> float:
    """The sign-flip test by counting all 2^P choices of signs."""
    seen = abs(sum(values)) - 1e-9
    sums = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in product((1, -1), repeat=len(values))
    ]
    return sum(s >= seen for s in sums) / len(sums)


def every_deal(a: list[float], b: list[float]) -> float:
    """The permutation test by counting all ways to deal the values out."""
    pooled = a + b
    seen = abs(np.mean(a) - np.mean(b)) - 1e-9
    gaps = []
    for places in combinations(range(len(pooled)), len(a)):
        one = [pooled[i] for i in places]
        two = [value for i, value in enumerate(pooled) if i not in places]
        gaps.append(abs(np.mean(one) - np.mean(two)))
    return sum(gap >= seen for gap in gaps) / len(gaps)


def test_three_prompts_won_and_one_drawn_have_two_of_eight_sign_choices_as_far_out():
    p, exact = sign_flip_p(np.array([1.0, 1.0, 1.0, 0.0]))
    assert p == pytest.approx(2 / 8) and exact


def test_one_completion_a_prompt_is_mcnemars_exact_test():
    # 9 prompts won, 2 lost: two-sided binomial 2 · (C(11,0) + C(11,1) + C(11,2)) / 2^11
    values = np.array([1.0] * 9 + [-1.0] * 2 + [0.0] * 300)
    assert sign_flip_p(values)[0] == pytest.approx(2 * (1 + 11 + 55) / 2**11)


@pytest.mark.parametrize("seed", range(4))
def test_the_exact_p_is_that_of_counting_every_choice_of_signs(seed: int):
    rng = np.random.default_rng(seed)
    values = (rng.integers(-8, 9, 9) / 8).tolist()
    p, exact = sign_flip_p(np.array(values))
    assert exact and p == pytest.approx(every_sign(values), abs=1e-12)


def test_the_drawn_p_is_near_the_exact_one_and_always_the_same(monkeypatch: pytest.MonkeyPatch):
    values = np.array([0.5, -0.25, 0.125, 0.75, 0.5, 0.0, -0.125, 0.375, 0.5, -0.25])
    monkeypatch.setattr(module, "MAX_EXACT", 0)
    first, again = sign_flip_p(values), sign_flip_p(values)
    assert first == again and not first[1]
    # The standard error of 9,999 draws at p near 0.07 is 0.0026; five of them.
    assert first[0] == pytest.approx(every_sign(values.tolist()), abs=0.013)


def test_the_interval_of_paired_shares_adds_half_a_pair_of_each_kind():
    # d = 1, 1, 1, 0 with +1, −1, 0, 0 at half weight: mean 3/6, variance 4/6 − 1/4 over 6 pairs
    found = paired_difference([1, 1, 1, 0], [0, 0, 0, 0], shares=True)
    half = 1.959963984540054 * math.sqrt((4 / 6 - 1 / 4) / 6)
    assert (found.value, found.low, found.high) == pytest.approx((0.75, 0.5 - half, min(1.0, 0.5 + half)))
    assert found.paired and found.num_prompts == 4


def test_runs_that_agree_on_every_prompt_differ_by_nothing_but_not_for_sure():
    found = paired_difference([1, 0, 1, 1], [1, 0, 1, 1], shares=True)
    assert (found.value, found.p) == (0.0, 1.0)
    assert found.low < 0 < found.high


def test_the_interval_of_paired_rewards_is_students_t_of_the_differences():
    # differences 1, 2, 3: mean 2, std 1, t of 2 degrees of freedom 4.3027
    found = paired_difference([2.0, 4.0, 6.0], [1.0, 2.0, 3.0], shares=False)
    assert (found.low, found.high) == pytest.approx((2 - 4.3027 / math.sqrt(3), 2 + 4.3027 / math.sqrt(3)))
    single = paired_difference([2.0], [1.0], shares=False)
    assert math.isnan(single.low) and math.isnan(single.high)


def test_swapping_the_runs_turns_the_sign_and_nothing_else():
    a, b = [1.0, 0.5, 0.25, 0.0, 1.0], [0.5, 0.5, 0.0, 0.25, 0.0]
    one, two = paired_difference(a, b, shares=True), paired_difference(b, a, shares=True)
    assert (one.value, one.low, one.high, one.p) == pytest.approx((-two.value, -two.high, -two.low, two.p))


def test_pairing_finds_what_the_spread_between_prompts_hides():
    rng = np.random.default_rng(0)
    ease = rng.normal(0, 1, 60)
    a, b = (ease + 0.1 + rng.normal(0, 0.1, 60)).tolist(), (ease + rng.normal(0, 0.1, 60)).tolist()
    of_a, of_b = (mean_estimate(np.array(values)[:, None]) for values in (a, b))
    assert paired_difference(a, b, shares=False).p < 0.001
    assert unpaired_difference(a, b, of_a, of_b).p > 0.3


@pytest.mark.parametrize("few_levels", [0, 50])
def test_the_unpaired_p_is_near_that_of_counting_every_deal(monkeypatch: pytest.MonkeyPatch, few_levels: int):
    monkeypatch.setattr(module, "FEW_LEVELS", few_levels)
    a, b = [1.0, 1.0, 0.5, 1.0, 0.0], [0.0, 0.5, 0.0, 0.0, 0.5, 0.0]
    found = unpaired_difference(a, b, Estimate(0.7, 0.4, 0.9), Estimate(1 / 6, 0.05, 0.4))
    # The standard error of 9,999 draws at p near 0.06 is 0.0024; five of them.
    assert found.p == pytest.approx(every_deal(a, b), abs=0.012)
    assert (found.paired, found.num_prompts, found.num_other) == (False, 5, 6)


def test_the_unpaired_interval_joins_those_of_the_two_runs():
    found = unpaired_difference([0.7], [0.4], Estimate(0.7, 0.6, 0.75), Estimate(0.4, 0.3, 0.52))
    assert found.low == pytest.approx(0.3 - math.hypot(0.1, 0.12))
    assert found.high == pytest.approx(0.3 + math.hypot(0.05, 0.1))


def test_runs_with_the_same_prompts_are_paired_by_id_whatever_their_order():
    a, b = {"p1": 1.0, "p2": 0.0, "p3": 1.0}, {"p3": 1.0, "p1": 0.0, "p2": 0.0}
    found = difference(a, b, Estimate(2 / 3), Estimate(1 / 3), shares=True)
    assert found is not None and found.paired and found.value == pytest.approx(1 / 3)
    assert found.p == 1.0  # one prompt differs: either sign is as far out


def test_runs_with_other_prompts_are_not_paired_and_without_values_not_compared():
    a, b = {"p1": 1.0, "p2": 0.0}, {"q1": 1.0, "q2": 0.0}
    known = Estimate(0.5, 0.1, 0.9)
    found = difference(a, b, known, known, shares=True)
    assert found is not None and not found.paired
    assert difference(a, {}, known, known, shares=True) is None


def test_holm_multiplies_the_smallest_p_most_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02] and holm([]) == []


def test_values_of_prompts_are_those_that_the_evaluation_stored():
    right = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    outcomes = Outcomes(right, [["4", "5"]] * 3, {"exact": right}, right * 2)
    prompts = {"id": ["a", "b", "c"], **prompt_counts(outcomes)}
    assert prompt_values(prompts, 2, "pass_at_1") == {"a": 0.5, "b": 1.0, "c": 0.0}
    assert prompt_values(prompts, 2, "pass_at_2") == {"a": 1.0, "b": 1.0, "c": 0.0}
    assert prompt_values(prompts, 2, "reward") == {"a": 1.0, "b": 2.0, "c": 0.0}
    assert prompt_values(prompts, 2, "rewards/exact/mean") == {"a": 0.5, "b": 1.0, "c": 0.0}
    assert prompt_values(prompts, 2, "majority_at_2") == dict(zip("abc", prompts["majority"], strict=True))
    assert prompt_values(prompts, 2, "pass_at_8") == {} == prompt_values(prompts, 2, "majority_at_8")


def test_missing_values_are_left_out_and_columns_that_do_not_fit_are_refused():
    assert prompt_values({"id": ["a", "b"], "reward": [0.5, None]}, 1, "reward") == {"a": 0.5}
    with pytest.raises(ValueError, match="1 values of reward for 2 prompts"):
        prompt_values({"id": ["a", "b"], "reward": [0.5]}, 1, "reward")
    with pytest.raises(ValueError, match="2 values"):
        prompt_values({"id": ["a", "a"], "reward": [0.5, 1.0]}, 1, "reward")
