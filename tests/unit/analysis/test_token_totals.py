"""Which pieces and which places carry a number."""

import numpy as np
import pytest

from engine.analysis.token_totals import by_piece, by_place

NAN = float("nan")


def test_pieces_have_their_share_of_the_sum_the_largest_first():
    frame = by_piece(np.array([7, 5, 7, 9]), np.array([3.0, 2.0, 1.0, 0.0]), np.array([3.0, 2.0, 1.0, 0.0]))
    assert frame["id"].tolist() == [7, 5, 9]
    assert frame["share"].tolist() == pytest.approx([4 / 6, 2 / 6, 0.0])
    assert frame["count"].tolist() == [2, 1, 1]
    assert frame["mean"].tolist() == [2.0, 2.0, 0.0]
    assert frame["largest"].tolist() == [3.0, 2.0, 0.0]
    assert frame["place"].tolist() == [0, 1, 3]


def test_shares_of_numbers_with_a_sign_are_of_their_sizes_and_means_cancel():
    values = np.array([2.0, -2.0, 1.0])
    frame = by_piece(np.array([1, 1, 2]), values, np.abs(values))
    assert frame["share"].tolist() == [0.8, 0.2] and frame["mean"].tolist() == [0.0, 1.0]


def test_the_largest_is_the_furthest_from_nothing_with_its_sign_and_place():
    values = np.array([1.0, -3.0, 2.0])
    frame = by_piece(np.array([4, 4, 4]), values, np.abs(values))
    assert (frame["largest"][0], frame["place"][0]) == (-3.0, 1)


def test_what_is_not_known_counts_nowhere():
    frame = by_piece(np.array([1, 1, 2]), np.array([1.0, NAN, NAN]), np.array([1.0, 0.0, 0.0]))
    assert frame[["id", "count", "share"]].values.tolist() == [[1, 1, 1.0]]
    assert by_place(np.array([1, 2, 2]), np.array([1.0, NAN, 3.0]))["count"].tolist() == [1, 1]


def test_of_nothing_there_are_no_rows_and_of_zeros_no_shares():
    none = np.zeros(0)
    assert by_piece(none.astype(int), none, none).empty and by_place(none.astype(int), none).empty
    assert by_piece(np.array([1]), np.zeros(1), np.zeros(1))["share"].tolist() == [0.0]


def test_places_have_mean_and_90_percent_quantile():
    frame = by_place(np.array([-1] * 11 + [-2]), np.array([*range(11), 7.0]))
    assert frame["place"].tolist() == [-2, -1]
    assert frame["mean"].tolist() == [7.0, 5.0]
    assert frame["high"].tolist() == [7.0, 9.0]  # of 0, 1, … 10
