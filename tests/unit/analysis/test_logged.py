"""Columns of what rewards logged: one for each name."""

import math

from engine.analysis.logged import logged_means


def test_a_name_that_two_functions_logged_is_their_mean_and_gaps_are_missing() -> None:
    rows = [
        {"one": {"mean": 1.0, "logged": {"a": 1.0}}, "two": {"mean": 0.0, "logged": {"a": 3.0, "b": 5.0}}},
        {"one": {"mean": 1.0}, "two": {"mean": 0.0, "logged": {"b": None}}},
    ]
    found = logged_means(rows)
    assert list(found) == ["a", "b"] and found.iloc[0].tolist() == [2.0, 5.0]
    assert all(math.isnan(value) for value in found.iloc[1])


def test_a_file_with_endless_names_is_fifty_columns() -> None:
    assert logged_means([{"one": {"logged": {f"n{i}": 1.0 for i in range(60)}}}]).shape == (1, 50)


def test_without_any_there_is_no_column() -> None:
    assert logged_means([{"one": {"mean": 1.0}}] * 3).shape == (3, 0)
