import math

import pytest

from dashboard.wording import ago, duration, number, percent, plural, signed, size, verdict


@pytest.mark.parametrize(
    ("value", "digits", "words"),
    [
        (0.5, 3, "0.500"),
        (-0.5, 2, "−0.50"),
        (12345.6, 3, "12,346"),
        (0.00002, 3, "2.0e-05"),
        (0.083, 1, "0.083"),
        (0.0, 2, "0.00"),
        (-0.0, 2, "0.00"),
        (0.0001, 3, "0.00010"),
        (0.00999, 2, "0.0100"),
        (0.01, 2, "0.01"),
        (999.5, 1, "999.5"),
        (1000.0, 3, "1,000"),
        (math.nan, 3, "–"),
        (None, 3, "–"),
        (math.inf, 3, "∞"),
        (-math.inf, 3, "−∞"),
    ],
)
def test_numbers(value, digits, words):
    assert number(value, digits) == words


def test_a_sign_is_always_there():
    assert (signed(0.25), signed(-0.25), signed(0.0)) == ("+0.25", "−0.25", "0.00")


def test_shares_become_per_cent():
    assert (percent(0.5), percent(0.004), percent(0.0), percent(math.nan)) == ("50 %", "0.4 %", "0 %", "–")
    assert (percent(0.01), percent(1.0)) == ("1 %", "100 %")


def test_a_share_is_all_or_nothing_only_when_it_is():
    assert (percent(0.994), percent(0.9996)) == ("99 %", "> 99 %")
    assert (percent(0.001), percent(0.0004)) == ("0.1 %", "< 0.1 %")


@pytest.mark.parametrize(
    ("seconds", "words"), [(41, "0:41"), (725, "12:05"), (11049, "3:04:09"), (-1, "0:00"), (math.inf, "–")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.3, "just now"),
        (1, "1 s ago"),
        (12.9, "12 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (300, "5 min ago"),
        (7200, "2 h ago"),
        (172_799, "47 h ago"),
        (3 * 86_400, "3 days ago"),
        (None, "–"),
    ],
)
def test_ages(seconds, words):
    assert ago(seconds) == words


def test_one_is_singular():
    assert (plural(1, "group"), plural(2, "group"), plural(1200, "group")) == ("1 group", "2 groups", "1,200 groups")


def test_bytes_are_counted_in_units_of_1024():
    assert [size(n) for n in (0, 400_000, 21 * 2**20, 1000 * 2**20, 1536 * 2**20, 24 * 2**30)] == [
        "0.0 MB", "0.4 MB", "21 MB", "1.0 GB", "1.5 GB", "24.0 GB",
    ]  # fmt: skip


def test_a_verdict_is_a_sign_and_a_word_and_nothing_where_nothing_decides():
    assert [verdict(passed) for passed in (True, False, 1.0, 0.0, math.nan, None)] == [
        "✔ right", "✘ wrong", "✔ right", "✘ wrong", "", "",
    ]  # fmt: skip
