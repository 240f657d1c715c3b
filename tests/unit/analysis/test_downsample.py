import numpy as np
import pytest

from engine.analysis.downsample import average_runs, keep_extremes, run_starts


def test_a_planted_spike_and_a_planted_dip_survive():
    y = np.zeros(10_000)
    y[1234], y[8765] = 50.0, -50.0
    x, thin = keep_extremes(np.arange(10_000), y, limit=100)
    assert len(thin) <= 100
    assert dict(zip(x, thin, strict=True))[1234] == 50.0
    assert dict(zip(x, thin, strict=True))[8765] == -50.0


def test_first_and_last_points_stay():
    x, _ = keep_extremes(np.arange(1, 5001), np.random.default_rng(0).random(5000), limit=50)
    assert (x[0], x[-1]) == (1, 5000)


def test_a_short_series_is_left_alone():
    x, y = keep_extremes([1, 2, 3], [5.0, 4.0, 6.0], limit=4)
    assert x.tolist() == [1, 2, 3]
    assert y.tolist() == [5, 4, 6]


def test_kept_points_are_in_order_and_real():
    y = np.random.default_rng(1).random(3000)
    x, thin = keep_extremes(np.arange(3000), y, limit=200)
    assert (np.diff(x) > 0).all()
    assert (y[x.astype(int)] == thin).all()
    assert 100 < len(x) <= 200


def test_a_gap_stays_a_gap():
    y = np.ones(1000)
    y[400:600] = np.nan
    x, thin = keep_extremes(np.arange(1000), y, limit=40)
    assert np.isnan(thin[(x >= 420) & (x < 580)]).all()
    assert np.isnan(thin).sum() >= 3


def test_a_series_of_nothing_stays_nothing():
    _, thin = keep_extremes(np.arange(1000), np.full(1000, np.nan), limit=10)
    assert np.isnan(thin).all()


def test_a_limit_that_cannot_hold_the_extremes_is_refused():
    with pytest.raises(ValueError, match="limit is 3"):
        keep_extremes([1, 2], [1, 2], limit=3)


def test_averages_leave_missing_values_out():
    values = np.array([[1.0], [3.0], [np.nan], [5.0]])
    assert average_runs(values, 2).tolist() == [[2.0], [5.0]]


def test_few_rows_are_not_averaged():
    values = np.array([[1.0], [3.0], [np.nan]])
    np.testing.assert_array_equal(average_runs(values, 4), values)


def test_an_average_of_nothing_is_missing():
    averaged = average_runs(np.array([[np.nan], [np.nan], [1.0], [1.0]]), 2)
    assert np.isnan(averaged[0, 0])
    assert averaged[1, 0] == 1.0


def test_shares_still_add_up_after_averaging():
    shares = np.random.default_rng(2).dirichlet([1, 1, 1], size=1001)
    assert average_runs(shares, 100).sum(axis=1) == pytest.approx(np.ones(100))


def test_runs_begin_where_their_first_step_is():
    assert run_starts([10, 11, 12, 13], 2).tolist() == [10, 12]
    assert run_starts([10, 11], 5).tolist() == [10, 11]
