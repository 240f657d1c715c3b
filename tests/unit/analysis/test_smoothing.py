import pandas as pd
import pytest

from engine.analysis.smoothing import trailing_mean


def test_each_point_averages_itself_and_what_came_before():
    assert trailing_mean(pd.Series([1.0, 2.0, 3.0, 4.0]), 2).tolist() == [1.0, 1.5, 2.5, 3.5]


def test_a_constant_stays_as_it_is():
    assert trailing_mean(pd.Series([0.1] * 50), 7).tolist() == pytest.approx([0.1] * 50)


def test_more_data_does_not_change_what_was_drawn():
    values = pd.Series([3.0, 1.0, 4.0, 1.0, 5.0])
    assert trailing_mean(values, 3).iloc[:4].tolist() == trailing_mean(values.iloc[:4], 3).tolist()


def test_missing_values_do_not_count():
    assert trailing_mean(pd.Series([1.0, float("nan"), 3.0]), 3).tolist() == [1.0, 1.0, 2.0]
