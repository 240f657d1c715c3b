"""Which number a text asserts, how numbers are written, and when two are equal."""

from fractions import Fraction

import pytest

from engine.rewards.numbers import Number, Which, asserted, equal, show, show_number
from engine.rewards.spelling import plain


def value(text: str, which: Which = "one") -> Fraction | None:
    found = asserted(text, which)
    return None if found is None else found.value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("72", 72),
        ("-5", -5),
        ("+5", 5),
        ("−5", -5),  # the typographic minus
        ("1,234", 1234),
        ("12,345,678", 12345678),
        ("1 234 567", 1234567),
        ("1.234,5", Fraction(2469, 2)),
        ("1.234", Fraction(617, 500)),
        ("$1,234.50", Fraction(2469, 2)),
        ("-$5", -5),
        ("$-5", -5),
        ("72.0", 72),
        ("72.", 72),
        (".5", Fraction(1, 2)),
        ("3/4", Fraction(3, 4)),
        ("-3/4", Fraction(-3, 4)),
        ("3 / 4", Fraction(3, 4)),
        (r"\frac{3}{4}", Fraction(3, 4)),
        (r"\tfrac34", Fraction(3, 4)),
        ("1 1/2", Fraction(3, 2)),
        ("2½", Fraction(5, 2)),
        ("50%", 50),
        ("72 clips", 72),
        ("1.5e3", 1500),
        ("1.5 × 10³", 1500),
        ("3 million", 3_000_000),
        ("007", 7),
        ("٣", 3),
        ("𝟒𝟐", 42),
        ("**42**", 42),
        ("*42*", 42),
        ("6*7 = 42", 42),
        ("42 = 6*7", 42),
        ("H2O has 3 atoms", 3),
        ("16 m²", 16),
    ],
)
def test_a_number_is_read_however_it_is_written(text: str, number: Fraction) -> None:
    assert value(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "none", "6*7", "3 or 5", "1/0", "5-3", "1" * 101, "5²", "2^10", "2x", "5 + x", "1,2345", "1 3/2", "±5", "√16"],
)
def test_no_number_several_numbers_expressions_and_runaways_are_not_a_number(text: str) -> None:
    assert value(text) is None


def test_which_number_counts() -> None:
    text = "first 3 apples, then a long while later 4 pears"
    assert (value(text, "first"), value(text, "last"), value(text, "one")) == (3, 4, None)
    assert value("3 is 3", "one") == 3


def test_a_computation_asserts_its_result_and_steps_are_no_list() -> None:
    assert value("3 + 4 = 7, 7 * 2 = 14", "last") == 14
    assert value("40 + 2 = 42\n43", "last") == 43
    assert value("41\n42\n43", "last") is None


def test_what_is_said_about_a_result_does_not_replace_it_and_a_conclusion_does() -> None:
    assert value("He has 42 - 10 = 32 coconuts after he sold 10 yesterday.", "last") == 32
    assert value("3 * 4 = 12 eggs, and he eats 2, so 10 remain.", "last") == 10
    assert value("6 * 7 = 42 is 1 answer", "last") == 1


def test_what_is_denied_is_passed_over_and_denies_its_alternatives() -> None:
    assert value("43, not 42", "last") == 43
    assert value("not 42 or 43, so it has to be 44", "last") == 44
    assert value("not 42", "last") is None


def test_a_percent_sign_agrees_with_both_readings_of_a_bare_number_but_not_with_another_percentage() -> None:
    half, fifty, share = Number(Fraction(50), is_percent=True), Number(Fraction(50)), Number(Fraction(1, 2))
    assert equal(half, fifty) and equal(half, share) and equal(share, half)
    assert not equal(half, share, percent_as_share=False)
    assert not equal(Number(Fraction(1, 2), is_percent=True), half)


def test_known_units_are_converted_and_have_to_measure_the_same_thing() -> None:
    assert equal(Number(Fraction(5000), unit="m"), Number(Fraction(5), unit="km"))
    assert equal(Number(Fraction(75), unit="cents"), Number(Fraction(3, 4), unit="$"))
    assert not equal(Number(Fraction(5), unit="kg"), Number(Fraction(5), unit="km"))
    assert equal(Number(Fraction(5), unit="kg"), Number(Fraction(5)))  # one side names none


def test_the_tolerance_is_the_largest_difference() -> None:
    assert equal(Number(Fraction(101)), Number(Fraction(100)), tolerance=Fraction(1))
    assert not equal(Number(Fraction(102)), Number(Fraction(100)), tolerance=Fraction(1))


@pytest.mark.parametrize(
    ("number", "shown"),
    [(Fraction(72), "72"), (Fraction(1, 2), "0.5"), (Fraction(-1, 3), "-1/3"), (Fraction(10**99), "1" + "0" * 99)],
)
def test_a_number_is_shown_exactly(number: Fraction, shown: str) -> None:
    assert show_number(number) == shown
    assert show(Number(number, is_percent=True)) == f"{shown}%"


def test_latex_and_unicode_become_one_spelling() -> None:
    assert plain(r"1{,}234\,km") == "1,234 km"
    assert plain("4\u200b2") == "42"
    assert plain(r"90^\circ") == "90°"
