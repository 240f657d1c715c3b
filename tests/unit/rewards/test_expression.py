"""Arithmetic expressions: exact values, what is no expression, and bounds that nothing written can pass."""

from fractions import Fraction

import pytest

from engine.rewards.expression import MAX_TEXT, NoValue, evaluate, numbers_in, uses_numbers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("10 - 4 - 3", 3),  # from the left
        ("100 / 10 / 5", 2),
        ("2 - -3", 5),
        ("-(2 + 3)", -5),
        ("--4", 4),
        ("1 / 3 + 1 / 6", Fraction(1, 2)),
        ("0.1 + 0.2", Fraction(3, 10)),  # exact, as no float is
        ("6 × 7 ÷ 2 − 1", 20),
        ("((((5))))", 5),
        ("\n 7\t", 7),
    ],
)
def test_the_value_is_exact(text: str, value: Fraction | int) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty."),
        ("2 +", "has its end where a number should be."),
        ("2 3", "has '3' where an operator or its end should be."),
        ("2(3)", "has '(' where an operator or its end should be."),
        ("(2 + 3", "has a parenthesis that is not closed."),
        ("2 + 3)", "has ')' where an operator or its end should be."),
        ("1 / (2 - 2)", "divides by zero."),
        ("2 ** 3", "has '*' where a number should be."),
        ("2 ^ 3", "has '^', which is neither a number nor one of + - * / ( )."),
        ("3 + 4 = 7", "has '=', which is neither a number nor one of + - * / ( )."),
        ("9e9", "has 'e', which is neither a number nor one of + - * / ( )."),
        ("٣ + 1", "has '٣', which is neither a number nor one of + - * / ( )."),
        ("__import__('os')", "has '_', which is neither a number nor one of + - * / ( )."),
        ("1" * 31, "has a number of more than 30 digits."),
        ("1+" * 300 + "1", "has 601 characters, more than 500."),
        ("(" * 60 + "1" + ")" * 60, "is nested more than 50 levels deep."),
        ("-" * 60 + "1", "is nested more than 50 levels deep."),
    ],
)
def test_what_has_no_value_says_why(text: str, reason: str) -> None:
    assert evaluate(text) == NoValue(reason)


def test_the_longest_product_has_no_more_digits_than_its_text() -> None:
    text = "*".join(["9" * 30] * 16)
    value = evaluate(text)
    assert len(text) <= MAX_TEXT and isinstance(value, Fraction) and len(str(value.numerator)) <= len(text)


def test_each_number_may_be_used_as_often_as_it_is_listed() -> None:
    assert uses_numbers("3 + 4", [3, 4, 5]) and uses_numbers("-3 + 4", [3, 4])
    assert not uses_numbers("3 + 3", [3, 4]) and uses_numbers("3 + 3", [3, 3])
    assert not uses_numbers("34", [3, 4]) and not uses_numbers("3 + 1", [3, 4])
    assert not uses_numbers("3 +", [3]) and not uses_numbers("x", [3])
    assert uses_numbers("3 + 4", [4, 3], all_of_them=True) and not uses_numbers("3", [4, 3], all_of_them=True)


def test_numbers_are_read_in_order_without_their_signs() -> None:
    assert numbers_in("-3 + (4 * 0.5)") == [3, 4, Fraction(1, 2)]
    assert isinstance(numbers_in("a"), NoValue)
