import math

import pandas as pd
import pytest

from engine.analysis.smoothing import debiased_ema, trailing_mean


def test_each_point_averages_itself_and_what_came_before():
    assert trailing_mean(pd.Series([1.0, 2.0, 3.0, 4.0]), 2).tolist() == [1.0, 1.5, 2.5, 3.5]


def test_a_constant_stays_as_it_is():
    assert trailing_mean(pd.Series([0.1] * 50), 7).tolist() == pytest.approx([0.1] * 50)


def test_more_data_does_not_change_what_was_drawn():
    values = pd.Series([3.0, 1.0, 4.0, 1.0, 5.0])
    assert trailing_mean(values, 3).iloc[:4].tolist() == trailing_mean(values.iloc[:4], 3).tolist()


def test_missing_values_do_not_count():
    assert trailing_mean(pd.Series([1.0, float("nan"), 3.0]), 3).tolist() == [1.0, 1.0, 2.0]


def step_by_step(values: list[float], weight: float) -> list[float]:
    """TensorBoard's loop: the mean starts at 0, and each value is divided by what the zeros took away."""
    mean, count, smooth = 0.0, 0, []
    for value in values:
        if math.isfinite(value):
            mean, count = weight * mean + (1 - weight) * value, count + 1
        smooth.append(mean / (1 - weight**count) if math.isfinite(value) else math.nan)
    return smooth


def test_the_debiased_mean_is_that_of_the_plain_loop():
    values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0]
    assert debiased_ema(values, 0.9).tolist() == pytest.approx(step_by_step(values, 0.9), rel=1e-12)


def test_the_first_smoothed_values_are_not_drawn_towards_zero():
    # 10 and (0.5 · 0.5 · 10 + 0.5 · 20) / (1 − 0.25) = 12.5 / 0.75
    assert debiased_ema([10.0, 20.0], 0.5).tolist() == pytest.approx([10.0, 50 / 3])


def test_a_smoothed_constant_stays_as_it_is():
    assert debiased_ema([0.3] * 40, 0.95).tolist() == pytest.approx([0.3] * 40)


@pytest.mark.parametrize("gap", [math.nan, math.inf, -math.inf])
def test_a_gap_neither_starts_the_mean_anew_nor_spoils_it(gap: float):
    whole = debiased_ema([1.0, 2.0, 4.0], 0.8)
    with_gap = debiased_ema([1.0, 2.0, gap, 4.0], 0.8)
    assert math.isnan(with_gap[2])
    assert with_gap[[0, 1, 3]].tolist() == pytest.approx(whole.tolist())


def test_weight_zero_smooths_nothing_and_one_is_refused():
    assert debiased_ema([3.0, 1.0], 0.0).tolist() == [3.0, 1.0]
    assert debiased_ema([], 0.9).size == 0
    for weight in (1.0, -0.1):
        with pytest.raises(ValueError, match="at least 0 and below 1"):
            debiased_ema([1.0], weight)
