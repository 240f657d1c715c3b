"""Many steps together: shares of signal and signs, and which lengths get the push."""

import math

import numpy as np
import pytest

from engine.analysis.what_if_run import Change, change_of, push_by_length, summary
from tests.unit.analysis.test_what_if import MIXED, settings, stored


def test_a_step_counts_signs_best_completions_and_groups_without_signal() -> None:
    flat = ((1.0, 1.0), (1.0, 0.0), (1.0, 0.0), (1.0, 0.0))
    found = change_of(stored(*MIXED, *flat), settings(1.0, 0.5), settings(0.0, 1.0))
    # The first group goes from + + − − to − + − −. In the second, only `digits` differs, before and after.
    assert (found.flipped, found.num_signed) == (1, 8)
    assert (found.new_best, found.num_live) == (1, 2)
    found = change_of(stored(*MIXED, *flat), settings(1.0, 0.0), settings(1.0, 1.0))
    assert (found.dead_before, found.dead_after) == (0.5, 0.0)
    assert (found.new_best, found.num_live) == (1, 1)  # both right ones are best now, and not the one alone


def test_an_advantage_of_0_has_no_sign_to_change_and_the_sign_of_one_side_is_no_pair() -> None:
    # Before 0, −1, 0, +1 tenths about the mean; after, the third goes from 0 to below.
    tenths = ((0.5, 0.5), (0.4, 0.5), (0.5, 0.0), (0.6, 0.5))
    found = change_of(stored(*tenths), settings(1.0, 0.0), settings(1.0, 1.0))
    assert (found.flipped, found.num_signed) == (1, 2)  # the second rises above the mean, the fourth stays there


def test_another_factor_on_every_reward_flips_no_sign_and_makes_no_other_best() -> None:
    """0.2 is the mean of 0.1, 0.2, 0.3, 0.2 up to 3e-17. 0.1 + 0.2 is above 0.3 by 6e-17, 0.07 + 0.14 below 0.21."""
    tenths = ((0.1, 0.0), (0.2, 0.0), (0.3, 0.0), (0.2, 0.0))
    thirds = ((0.1, 0.0), (0.3, 0.0), (0.1, 0.2), (0.1, 0.0))
    found = change_of(stored(*tenths, *thirds), settings(1.0, 1.0), settings(0.7, 0.7))
    assert (found.flipped, found.num_signed) == (0, 2 + 4)
    assert (found.new_best, found.num_live) == (0, 2)


def test_only_groups_that_were_trained_on_and_have_signal_on_both_sides_have_a_best_to_lose() -> None:
    flat = ((1.0, 1.0), (1.0, 0.0), (1.0, 0.0), (1.0, 0.0))
    step = stored(*MIXED, *flat, *MIXED, discarded=1)
    found = change_of(step, settings(1.0, 0.5), settings(1.0, 0.0))
    assert (found.new_best, found.num_live) == (0, 1)
    assert len(found.lengths) == 8


def test_a_smaller_group_has_no_push_on_what_it_does_not_have() -> None:
    found = change_of(stored(*MIXED), settings(1.0, 0.5), settings(1.0, 0.5, group_size=2))
    assert len(found.lengths) == len(found.before) == len(found.after) == 4
    assert found.after[2:].tolist() == [0.0, 0.0] and (found.before != 0).all()
    assert (found.flipped, found.num_signed) == (
        1,
        2,
    )  # the second was above the mean of four, and is below that of two


def change(lengths: list[int], before: list[float], after: list[float], **counts: float) -> Change:
    plain = {"dead_before": 0.5, "dead_after": 0.25, "flipped": 1, "num_signed": 4, "new_best": 1, "num_live": 2}
    return Change(step=1, **plain | counts, lengths=np.array(lengths), before=np.array(before), after=np.array(after))  # type: ignore[arg-type]


def test_a_run_is_the_mean_of_its_steps() -> None:
    found = summary([change([1], [0.5], [1.0]), change([2], [-0.5], [0.0], dead_after=0.75, flipped=0)])
    assert (found.num_steps, found.dead_before, found.dead_after) == (2, 0.5, 0.5)
    assert (found.flipped, found.new_best) == (1 / 8, 1 / 2)
    assert summary([change([1, 3], [0.5, -0.5], [0.5, 0.5]), change([2], [1.0], [0.0])]).push == pytest.approx(0.5)
    assert found.push == pytest.approx(1.0 / 1.5)  # 1 × 1 of 0.5 × 1 + 0.5 × 2


def test_nothing_to_share_is_no_number() -> None:
    found = summary([])
    assert found.num_steps == 0 and all(math.isnan(v) for v in (found.dead_before, found.flipped, found.push))
    assert push_by_length([]).labels == ()


def test_each_length_is_a_range_of_its_own_while_there_are_few() -> None:
    found = push_by_length([change([2, 2, 6], [0.5, -0.5, 0.5], [0.3, -0.3, 0.1])])
    assert found.labels == ("2", "6")
    assert found.completions.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found.before.tolist() == pytest.approx([0.4, 0.6])  # 2 × 1 of 2 + 3
    assert found.after.tolist() == pytest.approx([2 / 3, 1 / 3])  # 1.2 and 0.6


def test_many_lengths_are_put_into_ranges_of_about_as_many_completions() -> None:
    lengths = list(range(1, 81))
    found = push_by_length([change(lengths, [1.0] * 80, [0.0] * 80)])
    assert len(found.labels) == 8 and found.labels[0].startswith("1–") and found.labels[-1].endswith("–80")
    assert found.completions.tolist() == pytest.approx([1 / 8] * 8, abs=0.02)
    assert push_by_length([change(lengths[:8], [1.0] * 8, [1.0] * 8)]).labels == tuple("12345678")
    assert found.before.sum() == pytest.approx(1.0) and found.after.sum() == 0.0  # nothing is pushed after
