"""Estimates from held-out completions: numbers by hand, and intervals that cover as often as they claim."""

import math
from itertools import combinations

import numpy as np
import pytest

from engine.analysis.evaluation import (
    Estimate,
    Outcomes,
    majority_at_k,
    mean_estimate,
    metrics_of,
    pass_at_k,
    pass_ks,
    pass_shares,
    prompt_counts,
    prompt_means,
    read_estimates,
    share_estimate,
    t_quantile,
    undecided_words,
    wilson,
)

NAN = math.nan


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"),
    [
        (4, 1, 2, 0.5),  # 3 of the 6 pairs hold the right one
        (4, 2, 2, 5 / 6),  # 1 of the 6 pairs holds none
        (4, 0, 4, 0.0),
        (4, 3, 2, 1.0),  # only one is wrong, so every pair holds a right one
        (5, 2, 1, 0.4),
        (8, 1, 8, 1.0),
    ],
)
def test_pass_at_k_by_counting(n: int, c: int, k: int, expected: float) -> None:
    assert pass_at_k(n, c, k) == pytest.approx(expected, abs=1e-15)


def test_pass_at_k_is_the_share_of_subsets_that_hold_a_right_one() -> None:
    for n in range(1, 8):
        for c in range(n + 1):
            for k in range(1, n + 1):
                subsets = list(combinations([True] * c + [False] * (n - c), k))
                share = sum(any(subset) for subset in subsets) / len(subsets)
                assert pass_at_k(n, c, k) == pytest.approx(share, abs=1e-12)  # rounding of at most 7 factors


def test_pass_at_k_stays_exact_where_binomials_overflow() -> None:
    assert pass_at_k(10_000, 1, 5_000) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize(("n", "c", "k"), [(4, 5, 1), (4, -1, 1), (4, 1, 0), (4, 1, 5)])
def test_impossible_counts_are_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="it takes"):
        pass_at_k(n, c, k)


def test_k_doubles_up_to_the_number_of_completions() -> None:
    assert [pass_ks(n) for n in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


@pytest.mark.parametrize(
    ("answers", "right", "expected"),
    [
        (["85", "85", "84"], [True, True, False], 1.0),
        (["85", "84", "84"], [True, False, False], 0.0),
        (["85", "84"], [True, False], 0.5),  # one of two tied answers is right
        (["85", "84", "83"], [False, True, False], 1 / 3),
        ([None, None, "85"], [False, False, True], 1.0),  # no answer has no vote
        ([None, None], [True, False], 0.0),
        (["85", "85"], [True, False], 0.5),  # the same answer, but one completion broke another rule
    ],
)
def test_the_answer_given_most_often_decides(answers: list[str | None], right: list[bool], expected: float) -> None:
    assert majority_at_k(answers, right) == pytest.approx(expected, abs=1e-15)


def test_the_interval_of_half_of_100_is_the_known_one() -> None:
    low, high = wilson(0.5, 100)
    assert (round(low, 4), round(high, 4)) == (0.4038, 0.5962)


def test_one_completion_per_prompt_gives_the_plain_wilson_interval() -> None:
    assert share_estimate([1.0] * 30 + [0.0] * 70) == Estimate(
        pytest.approx(0.3), *map(pytest.approx, wilson(0.3, 100))
    )


def test_all_right_is_not_certainty() -> None:
    found = share_estimate([1.0] * 16)
    assert found.value == found.high == 1.0
    assert found.low == pytest.approx(16 / (16 + 1.96**2), abs=1e-4)  # the known bound n / (n + z²)


def test_prompts_that_are_each_half_right_say_more_than_as_many_coin_flips() -> None:
    spread, alike = share_estimate([0.0, 1.0] * 32), share_estimate([0.4, 0.6] * 32)
    assert spread.value == alike.value == pytest.approx(0.5)
    assert alike.high - alike.low < 0.3 * (spread.high - spread.low)


def test_the_worth_of_prompts_that_differ_little_by_hand() -> None:
    found = share_estimate([0.4, 0.6, 0.4, 0.6])
    flips = 0.5 * 0.5 / ((4 * 0.1**2 / 3) / 4)  # 75 coin flips vary as much as the mean of these four
    expected = wilson(0.5, flips * (1.96 / 3.1824) ** 2)  # t for 3 degrees of freedom
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-4)


def test_without_prompts_nothing_is_known() -> None:
    assert math.isnan(share_estimate([]).value) and math.isnan(mean_estimate(np.empty((0, 2))).value)


def test_a_mean_of_other_numbers_has_students_interval_over_prompts() -> None:
    found = mean_estimate(np.array([[0.2, 0.4], [0.5, 0.5], [0.7, 0.9]]))  # prompt means 0.3, 0.5, 0.8
    half = 4.3027 * np.std([0.3, 0.5, 0.8], ddof=1) / math.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((1.6 / 3, 1.6 / 3 - half, 1.6 / 3 + half))


def test_rewards_of_nothing_but_0_and_1_are_shares() -> None:
    assert mean_estimate(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])) == share_estimate([0.5, 1.0, 0.0])


def test_equal_numbers_have_a_mean_but_no_interval() -> None:
    found = mean_estimate(np.full((4, 1), 0.25))
    assert found.value == 0.25 and math.isnan(found.low) and math.isnan(found.high)


def test_missing_rewards_are_left_out_and_never_zero() -> None:
    values = np.array([[0.5, NAN], [NAN, NAN], [0.1, 0.3]])
    assert prompt_means(values) == pytest.approx([0.5, NAN, 0.2], nan_ok=True)
    assert mean_estimate(values).value == pytest.approx(0.35)
    assert math.isnan(mean_estimate(np.full((2, 2), NAN)).value)


def test_students_quantiles_are_the_tabled_ones() -> None:
    tabled = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 10: 2.228, 30: 2.042, 1000: 1.962}
    for freedom, quantile in tabled.items():
        assert t_quantile(freedom) == pytest.approx(quantile, rel=2e-3)  # what its docstring promises


@pytest.mark.parametrize("num_prompts", [16, 64])
@pytest.mark.parametrize("n", [1, 8])
@pytest.mark.parametrize(("a", "b"), [(1, 1), (0.3, 2), (20, 5)])  # spread evenly; mostly hopeless; all about 80 %
def test_the_interval_of_pass_at_1_covers_the_truth_in_about_95_of_100_evaluations(
    num_prompts: int, n: int, a: float, b: float
) -> None:
    rng = np.random.default_rng(7)
    truth, runs = a / (a + b), 1000
    found = [share_estimate(rng.binomial(n, rng.beta(a, b, num_prompts)) / n) for _ in range(runs)]
    covered = sum(estimate.low <= truth <= estimate.high for estimate in found) / runs
    # A share of 1,000 scatters by 0.7 points; for few prompts with few right answers every method is some points off.
    assert 0.91 <= covered <= 0.985


def test_the_interval_of_a_mean_reward_covers_the_truth_in_about_95_of_100_evaluations() -> None:
    rng = np.random.default_rng(7)
    found = [mean_estimate(rng.normal(0.3, 0.2, (24, 1)) + rng.normal(0, 0.5, (24, 4))) for _ in range(1000)]
    covered = sum(estimate.low <= 0.3 <= estimate.high for estimate in found) / 1000
    assert 0.93 <= covered <= 0.97


def outcomes(**changes: object) -> Outcomes:
    """Two prompts × four completions: one right of four, and three."""
    right = np.array([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]])
    answers = [["1", "2", "2", None], ["5", "5", "5", "6"]]
    plain = {
        "right": right, "answers": answers, "rewards": {"exact": right},
        "totals": np.array([[1.2, 0.0, 0.0, 0.0], [1.2, 1.2, 1.2, NAN]]),
    }  # fmt: skip
    return Outcomes(**{**plain, **changes})  # type: ignore[arg-type]


def test_an_evaluation_is_summed_up_by_every_measure() -> None:
    values = {name: estimate.value for name, estimate in metrics_of(outcomes()).items()}
    assert values == pytest.approx(
        {
            "pass_at_1": 0.5,  # (1/4 + 3/4) / 2
            "pass_at_2": 0.75,  # (1/2 + 1) / 2
            "pass_at_4": 1.0,
            "majority_at_4": 0.5,  # "2" is wrong, "5" is right
            "undecided": 0.0,
            "reward": 0.75,  # (0.3 + 1.2) / 2, the missing one left out
            "rewards/exact/mean": 0.5,
        }
    )


def test_what_cannot_be_measured_is_left_out() -> None:
    assert list(metrics_of(outcomes(right=None))) == ["reward", "rewards/exact/mean"]
    assert "majority_at_4" not in metrics_of(outcomes(answers=None))
    single = outcomes(right=np.array([[1.0], [0.0]]), answers=[["1"], ["2"]], rewards={}, totals=np.ones((2, 1)))
    assert list(metrics_of(single)) == ["pass_at_1", "undecided", "reward"]


# Right of decided: 1 of 2, 3 of 3, none of none, 0 of 4.
UNDECIDED = [[NAN, 1, NAN, 0], [1, 1, 1, NAN], [NAN] * 4, [0, 0, 0, 0]]


def test_undecided_completions_are_neither_right_nor_wrong() -> None:
    answers = [["7", "8", "7", "9"], ["5", "5", "6", "6"], ["1"] * 4, ["2", "2", "3", None]]
    some = outcomes(right=np.array(UNDECIDED), answers=answers, rewards={}, totals=np.ones((4, 4)))
    metrics = metrics_of(some)
    assert {name: estimate.value for name, estimate in metrics.items()} == pytest.approx(
        {
            "pass_at_1": 0.5,  # (1/2 + 1 + 0) / 3
            "pass_at_2": 2 / 3,  # (1 + 1 + 0) / 3
            "pass_at_4": 0.0,  # only the last prompt has four decided ones
            "majority_at_4": 0.5,  # "8" and "9" tie: 1/2; "5" is right; "2" is wrong
            "undecided": 7.0,
            "reward": 1.0,
        }
    )
    assert metrics["pass_at_1"] == share_estimate([0.5, 1.0, 0.0])
    assert metrics["pass_at_4"] == share_estimate([0.0])
    counts = prompt_counts(some)
    assert (counts["right"], counts["decided"]) == ([1, 3, 0, 0], [2, 3, 0, 4])
    assert counts["majority"] == [0.5, 1.0, None, 0.0]
    assert pass_shares(zip(counts["decided"], counts["right"], strict=True), 3) == [None, 1.0, None, 0.0]


def test_where_no_completion_is_decided_nothing_is_known_of_right_and_wrong() -> None:
    metrics = metrics_of(outcomes(right=np.full((2, 4), NAN)))
    shares = [estimate for name, estimate in metrics.items() if "_at_" in name]
    assert len(shares) == 4 and all(math.isnan(value) for one in shares for value in (one.value, one.low, one.high))
    assert (metrics["undecided"].value, metrics["reward"].value) == (8.0, pytest.approx(0.75))


@pytest.mark.parametrize(
    ("undecided", "num_prompts", "n", "words"),
    [
        (3, 16, 4, "3 of 64 completions could not be scored; they are left out."),
        (1, 1000, 2, "1 of 2,000 completions could not be scored; it is left out."),
        (1, 1, 1, "1 of 1 completion could not be scored; it is left out."),
        (0, 16, 4, ""),
        (NAN, 16, 4, ""),
    ],
)
def test_how_many_are_left_out_is_a_sentence(undecided: float, num_prompts: int, n: int, words: str) -> None:
    assert undecided_words({"undecided": Estimate(undecided)}, num_prompts, n) == words
    assert undecided_words({}, num_prompts, n) == ""


def test_counts_per_prompt_are_enough_to_compute_pass_at_any_k() -> None:
    counts = prompt_counts(outcomes())
    assert counts == {
        "right": [1, 3], "decided": [4, 4], "majority": [0.0, 1.0], "reward": pytest.approx([0.3, 1.2]),
        "rewards": {"exact": [0.25, 0.75]},
    }  # fmt: skip
    again = [pass_at_k(4, c, 2) for c in counts["right"]]
    assert sum(again) / 2 == metrics_of(outcomes())["pass_at_2"].value
    nothing = prompt_counts(outcomes(right=None, totals=np.full((2, 4), NAN)))
    assert (nothing["right"], nothing["decided"], nothing["majority"]) == (None, None, None)
    assert nothing["reward"] == [None, None]


def test_a_stored_estimate_without_interval_has_none_again() -> None:
    found = read_estimates({"reward": {"value": 0.5, "low": None, "high": None}})["reward"]
    assert found.value == 0.5 and math.isnan(found.low) and math.isnan(found.high)
