import numpy as np
import pytest

from engine.analysis.forecast import GROUP_SIZES, MAX_VALUES, forecast_dead, pass_posterior, tally

NAN = float("nan")


def test_spread_prompts_have_far_more_dead_groups_than_their_mean_says():
    """Pass rates Beta(0.4, 0.6), G = 8: [B(8.4, 0.6) + B(0.4, 8.6)] / B(0.4, 0.6) = 0.41549. Prompts that are alike:
    0.4^8 + 0.6^8 = 0.01745.

    200 prompts leave a standard error of 0.45 / √200 = 0.03.
    """
    rng = np.random.default_rng(0)
    spread = forecast_dead(
        rng.binomial(1, rng.beta(0.4, 0.6, (200, 1)), (200, 16)), prompts_per_step=16, learning=False
    )
    alike = forecast_dead(rng.binomial(1, 0.4, (200, 16)), prompts_per_step=16, learning=False)
    assert spread is not None and alike is not None
    assert spread.shares[8].value == pytest.approx(0.41549, abs=0.06)
    assert alike.shares[8].value == pytest.approx(0.01745, abs=0.01)


def test_prompts_of_two_kinds_stay_two_kinds():
    """Half are never right, half in 97 of 100: of 16 completions all alike in 0.5 + 0.5 · 0.97^16 = 0.807 of groups."""
    rng = np.random.default_rng(0)
    totals = rng.binomial(1, np.repeat([0.0, 0.97], 100)[:, None], (200, 16))
    found = forecast_dead(totals, prompts_per_step=16, learning=False)
    assert found is not None
    assert found.shares[16].value == pytest.approx(0.807, abs=0.05)  # its own counts are all that is known of a prompt


@pytest.mark.parametrize(
    ("right", "tried", "low", "high"),
    [
        (4, 8, 0.198966, 0.801034),  # quantiles of Beta(right + ½, wrong + ½) by mpmath 1.3, betainc
        (1, 8, 0.013838, 0.453719),
        (30, 32, 0.814280, 0.986785),
    ],
)
def test_the_posterior_interval_of_a_pass_rate_is_that_of_its_beta_distribution(right, tried, low, high):
    found = pass_posterior(right, tried)
    assert found.value == pytest.approx((right + 0.5) / (tried + 1))
    assert (found.low, found.high) == pytest.approx((low, high), abs=2e-6)


def test_nothing_right_leaves_zero_possible_and_all_right_one():
    none, every = pass_posterior(0, 8), pass_posterior(8, 8)
    assert (none.low, every.high) == (0.0, 1.0)
    assert none.high == pytest.approx(0.26222, abs=2e-5) and every.low == pytest.approx(1 - none.high)


def test_values_apart_by_rounding_are_one_value_and_missing_ones_none():
    found = tally([[0.1 + 0.2, 0.3, 1.0, NAN], [1.0, 1.0, 0.3, 0.3], [NAN, 1.0, NAN, NAN]])
    assert found.counts.tolist() == [[2, 1], [2, 2]]
    assert found.values.tolist() == [0.3, 1.0]


def test_without_two_scored_completions_of_a_prompt_there_is_no_forecast():
    assert forecast_dead([[NAN, 1.0], [NAN, NAN]], prompts_per_step=4) is None


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_groups_that_were_all_dead_are_forecast_to_be_nearly_all_dead_but_not_for_sure(value):
    found = forecast_dead([[value] * 8] * 16, prompts_per_step=16, ceiling=1.0)
    assert found is not None
    assert 0.9 < found.shares[8].value < 1 and found.shares[8].low < 0.95 and found.shares[8].high == 1.0


def test_where_all_was_wrong_the_right_answer_may_yet_come_up_and_where_all_was_right_nothing_better():
    wrong, right = (forecast_dead([[value] * 8] * 16, prompts_per_step=16, ceiling=1.0) for value in (0.0, 1.0))
    assert wrong is not None and right is not None
    assert wrong.shares[8].low < 0.5 and right.shares[8].low > 0.85


@pytest.mark.parametrize("totals", [[1e16] * 4, [1e308, -1e308] * 2, [1e308, 1e308, 0.0, 1e300]])
def test_totals_as_large_as_floats_go_are_forecast_like_others(totals):
    found = forecast_dead([totals] * 4, prompts_per_step=2)
    assert found is not None and all(0 <= share.low <= share.high <= 1 for share in found.shares.values())


def test_a_larger_group_is_never_forecast_to_be_dead_more_often():
    totals = np.random.default_rng(0).binomial(1, 0.3, (16, 8))
    found = forecast_dead(totals, prompts_per_step=16)
    assert found is not None
    shares = [found.shares[size].value for size in GROUP_SIZES]
    assert shares == sorted(shares, reverse=True)


def test_a_reward_that_never_repeats_itself_has_no_dead_groups():
    found = forecast_dead(np.random.default_rng(0).random((16, 8)), prompts_per_step=16)
    assert found is not None
    assert all(share.value < 1e-4 and share.low == 0 and share.high < 1e-4 for share in found.shares.values())


def test_of_very_many_values_the_common_ones_are_told_apart():
    """Half of the prompts always earn 0, the others never the same twice: half of the groups are dead."""
    never = np.random.default_rng(0).random((40, 8))
    found = forecast_dead([*never, *np.zeros((40, 8))], prompts_per_step=16, learning=False)
    assert found is not None and MAX_VALUES < 320
    assert found.shares[8].value == pytest.approx(0.45, abs=0.06)  # 8 times 0 may yet be less than always


def test_a_best_value_that_no_prompt_gave_twice_may_fill_groups_later():
    """1 in a quarter of completions; at odds e^3.4 against 0 it would be 6 of 7, and 0.29 of groups of 8 all 1."""
    totals = [[0.0, 0.0, 0.2, 1.0]] * 64
    still, learning = (forecast_dead(totals, prompts_per_step=16, learning=on) for on in (False, True))
    assert still is not None and learning is not None
    assert still.shares[8].high < 0.02 < 0.05 < learning.shares[8].high < 0.29


def test_partial_credit_that_splits_the_wrong_answers_leaves_fewer_dead_groups():
    rng = np.random.default_rng(3)
    right = rng.binomial(1, 0.1, (16, 8))
    partial = right + (1 - right) * 0.1 * rng.integers(0, 3, (16, 8))
    plain, split = (forecast_dead(totals, prompts_per_step=16) for totals in (right, partial))
    assert plain is not None and split is not None
    assert split.shares[8].value < plain.shares[8].value - 0.2


def test_the_interval_is_narrower_for_more_prompts():
    totals = np.random.default_rng(0).binomial(1, 0.2, (16, 8)).tolist()
    few, many = (forecast_dead(totals * times, prompts_per_step=16, learning=False) for times in (1, 8))
    assert few is not None and many is not None
    assert many.shares[8].high - many.shares[8].low < 0.7 * (few.shares[8].high - few.shares[8].low)


def test_learning_widens_the_interval_and_leaves_the_value_at_the_start():
    """Half right: without learning 2 × 0.5^8 = 0.8 % of groups are dead; at odds e^2.5 to 1, 0.924^8 = 53 %."""
    totals = [[1.0, 0.0] * 16] * 64
    still, learning = (forecast_dead(totals, prompts_per_step=16, learning=on) for on in (False, True))
    assert still is not None and learning is not None
    assert learning.shares[8].value == still.shares[8].value == pytest.approx(2 * 0.5**8, abs=0.005)
    assert still.shares[8].high < 0.03
    assert 0.08 < learning.shares[8].high < 0.53  # the mean over the way there, and not its end
    assert learning.shares[8].low == pytest.approx(still.shares[8].low, abs=0.01)


def test_learning_favours_the_best_total_and_never_the_worst():
    """Nearly all wrong: as the policy learns, fewer groups are dead, so the interval reaches further down."""
    totals = [[0.0] * 15 + [1.0]] * 64
    still, learning = (forecast_dead(totals, prompts_per_step=16, learning=on) for on in (False, True))
    assert still is not None and learning is not None
    assert learning.shares[8].low < still.shares[8].low - 0.1
    assert learning.shares[8].high <= still.shares[8].high


@pytest.mark.slow  # 200 forecasts for each kind of prompts
@pytest.mark.parametrize("kind", ["beta", "alike", "partial", "two kinds", "hard"])
def test_the_interval_holds_what_then_comes_about_as_often_as_it_says(kind):
    """A policy that stays as it is. Of 200 forecasts, 190 should hold, and by chance 184 or more do in 99 of 100 tries.

    The bar is 176: the prior and the assumed shape of the spread are not those of the simulated prompts.
    """
    rng = np.random.default_rng(7)

    def chances(count):
        if kind == "alike":
            return np.tile([0.9, 0.1], (count, 1))
        if kind in ("two kinds", "hard"):
            p = rng.choice([0.001, 0.95], count) if kind == "two kinds" else rng.beta(0.05, 1.0, count)
            return np.stack([p, 1 - p], axis=1)
        p = rng.beta(0.4, 0.6, count)
        if kind == "beta":
            return np.stack([p, 1 - p], axis=1)
        half = rng.beta(2, 2, count)
        return np.stack([p, (1 - p) * half, (1 - p) * (1 - half)], axis=1)

    held = 0
    for seed in range(200):
        totals = [rng.choice(len(p), 8, p=p) for p in chances(16)]
        found = forecast_dead(totals, prompts_per_step=16, group_sizes=[8], learning=False, seed=seed)
        assert found is not None
        seen = (rng.random(320) < (chances(320) ** 8).sum(axis=1)).mean()
        held += found.shares[8].low <= seen <= found.shares[8].high
    assert held >= 176
