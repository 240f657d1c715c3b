import pytest

from engine.analysis.groups import group_kind, is_dead

NAN = float("nan")


@pytest.mark.parametrize(
    ("totals", "passed", "cut", "texts", "kind"),
    [
        ([1.0, 0.0], [True, False], [False, False], ["a", "b"], "mixed"),
        ([1.0, 1.0], [True, True], [False, False], ["a", "b"], "solved"),
        ([0.0, 0.0], [False, False], [False, False], ["a", "b"], "hopeless"),
        ([0.0, 0.0], [False, False], [True, True], ["a", "b"], "truncated"),
        ([0.0, 0.0], [False, False], [False, False], ["a", "a"], "identical"),
        ([0.5, 0.5], [None, None], [False, False], ["a", "b"], "other"),
        ([NAN, NAN], [None, None], [False, False], ["a", "b"], "failed"),
    ],
)
def test_a_group_is_of_the_kind_that_its_completions_make_it(totals, passed, cut, texts, kind):
    assert group_kind(totals, passed, cut, texts) == kind


@pytest.mark.parametrize(
    ("totals", "passed", "cut", "kind"),
    [
        ([NAN, 1.0], [True, True], [True, True], "failed"),
        ([1.0, 1.0], [True, True], [True, True], "solved"),
        ([0.0, 0.0], [False, False], [True, True], "truncated"),
        ([0.5, 0.5], [None, None], [False, False], "identical"),
    ],
)
def test_of_several_kinds_that_hold_the_one_that_says_what_to_do_is_named(totals, passed, cut, kind):
    """All of these groups are of one text, too."""
    assert group_kind(totals, passed, cut, ["a", "a"]) == kind


def test_a_rounding_error_is_no_signal():
    assert is_dead([0.1 + 0.2, 0.3])
    assert not is_dead([0.3001, 0.3])


def test_totals_are_equal_to_one_part_in_a_hundred_million_and_small_ones_to_1e_8():
    assert is_dead([1e9, 1e9 + 9])
    assert not is_dead([1e9, 1e9 + 11])
    assert is_dead([-0.5, -0.5 + 0.9e-8])
    assert not is_dead([-0.5, -0.5 + 1.1e-8])


def test_a_single_reward_is_no_signal():
    assert is_dead([1.0, NAN, NAN])
