import numpy as np
import pytest

from engine.analysis.distribution import (
    MAX_LEVELS,
    RewardBins,
    bin_shares,
    pooled,
    reward_bins,
    reward_levels,
    reward_quantiles,
    stack_totals,
)

NAN = float("nan")


def test_quantiles_of_known_rewards():
    rows = reward_quantiles(np.array([[0.0, 1.0, 2.0, 3.0, 4.0]]))
    assert rows[0].tolist() == pytest.approx([0.4, 1.0, 2.0, 3.0, 3.6])


def test_quantiles_agree_with_numpy_row_by_row():
    totals = np.random.default_rng(0).normal(size=(20, 16))
    expected = np.quantile(totals, (0.1, 0.25, 0.5, 0.75, 0.9), axis=1).T
    assert reward_quantiles(totals) == pytest.approx(expected)


def test_missing_rewards_do_not_count():
    assert reward_quantiles(np.array([[NAN, 5.0, NAN, 7.0]]))[0, 2] == 6.0
    assert np.isnan(reward_quantiles(np.array([[NAN, NAN]]))).all()


def test_pooling_joins_a_step_with_those_before_it_only():
    rows = pooled(np.array([[1.0], [2.0], [3.0]]), window=2)
    assert [sorted(row[np.isfinite(row)].tolist()) for row in rows] == [[1.0], [1.0, 2.0], [2.0, 3.0]]


def test_steps_of_different_size_are_stacked():
    stacked = stack_totals([np.array([1.0, 2.0]), np.array([3.0])])
    assert stacked[0].tolist() == [1.0, 2.0]
    assert stacked[1, 0] == 3.0
    assert np.isnan(stacked[1, 1])


def test_rewards_of_0_and_1_get_one_bin_each():
    bins = reward_bins(0.0, 1.0, {0.0, 1.0})
    assert bins.labels == ["0", "1"]
    assert bin_shares(np.array([[0.0, 1.0, 1.0, 1.0]]), bins).tolist() == [[0.25, 0.75]]


def test_many_rewards_get_ranges_with_round_bounds():
    values = np.linspace(-0.31, 0.97, 500)
    bins = reward_bins(values.min(), values.max(), reward_levels(values[None]))
    width = bins.edges[1] - bins.edges[0]
    assert not bins.levels
    assert width == pytest.approx(0.1)
    assert bins.edges[0] <= -0.31
    assert bins.edges[-1] > 0.97
    assert len(bins.centres) <= 21


def test_shares_of_a_step_add_up_to_one():
    totals = np.random.default_rng(3).normal(size=(50, 32))
    totals[7, :5] = NAN
    bins = reward_bins(np.nanmin(totals), np.nanmax(totals), reward_levels(totals))
    assert bin_shares(totals, bins).sum(axis=1) == pytest.approx(np.ones(50))


def test_a_step_without_rewards_has_no_shares():
    assert np.isnan(bin_shares(np.array([[NAN, NAN]]), reward_bins(0, 1, {0.0, 1.0}))).all()


def test_the_highest_reward_is_in_the_last_range():
    bins = reward_bins(0.0, 1.0, set(np.linspace(0, 1, MAX_LEVELS + 1).tolist()))
    assert bin_shares(np.array([[1.0]]), bins)[0, -1] == 1.0


def test_rewards_that_agree_to_four_decimals_are_one_level():
    assert reward_levels(np.array([[0.1 + 0.2, 0.3]])) == {0.3}
    assert reward_levels(np.array([[0.12341, 0.12344, 0.1235]])) == {0.1234, 0.1235}


def test_no_more_levels_are_collected_than_it_takes_to_see_that_there_are_too_many():
    assert len(reward_levels(np.arange(100.0)[None])) == MAX_LEVELS + 1


def test_a_range_is_named_by_its_bounds_and_stands_at_its_middle():
    bins = reward_bins(0.0, 1.0, set(np.linspace(0, 1, MAX_LEVELS + 1).tolist()))  # 21 ranges of 0.05
    assert (bins.labels[0], bins.labels[-1], len(bins.labels)) == ("0 to 0.05", "1 to 1.05", 21)
    assert bins.centres[:2] == pytest.approx([0.025, 0.075])


@pytest.mark.parametrize(
    ("high", "width"), [(20.0, 1.0), (20.1, 2.0), (40.0, 2.0), (40.1, 2.5), (50.1, 5.0), (100.1, 10.0), (0.6, 0.05)]
)
def test_twenty_ranges_are_as_wide_as_the_next_round_number(high, width):
    bins = reward_bins(0.0, high, set(np.linspace(0, high, 20).tolist()))
    assert np.diff(bins.edges) == pytest.approx(width)


def test_bins_are_the_same_when_their_edges_and_their_kind_are():
    bins = reward_bins(0.0, 1.0, {0.0, 1.0})
    assert bins.same_as(reward_bins(0.0, 9.0, {1.0, 0.0}))
    assert not bins.same_as(reward_bins(0.0, 1.0, {0.0, 0.5, 1.0}))
    assert not bins.same_as(RewardBins(bins.edges, bins.centres, levels=False))


def test_without_any_reward_there_is_still_a_bin():
    assert reward_bins(0.0, 0.0, set()).labels == ["0"]
