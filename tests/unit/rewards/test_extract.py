"""What is read as the answer of a completion, and which number that is."""

from fractions import Fraction

import pytest

from engine.rewards.extract import Extract, number_in, read_number, reference_number, show_number, stated_answer


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("72", 72),
        ("-5", -5),
        ("+5", 5),
        ("−5", -5),  # the typographic minus
        ("1,234", 1234),
        ("12,345,678", 12345678),
        ("$1,234.50", Fraction(2469, 2)),
        ("-$5", -5),
        ("$-5", -5),
        ("72.0", 72),
        ("72.", 72),
        (".5", Fraction(1, 2)),
        ("3/4", Fraction(3, 4)),
        ("-3/4", Fraction(-3, 4)),
        (r"\frac{3}{4}", Fraction(3, 4)),
        ("50%", 50),
        ("72 clips", 72),
        ("1.5e3", 1500),
        ("007", 7),
    ],
)
def test_a_number_is_read_however_it_is_written(text: str, number: Fraction) -> None:
    assert number_in(text) == number


@pytest.mark.parametrize("text", ["", "none", "6*7", "3 or 5", "1/0", "5-3", "1" * 101, "٣"])
def test_no_number_several_numbers_and_runaways_are_not_a_number(text: str) -> None:
    assert number_in(text) is None


def test_four_digits_after_a_comma_are_no_thousands_group() -> None:
    assert number_in("1,2345") is None  # 1 and 2345
    assert read_number("1,2345", "last_number") == 2345


@pytest.mark.parametrize(
    ("text", "extract", "part"),
    [
        ("<answer> 42 </answer>", "tag", "42"),
        ("<answer>1</answer> no, <answer>2</answer>", "tag", "2"),
        ("<answer>42", "tag", None),
        (r"so \boxed{42}.", "boxed", "42"),
        (r"\boxed{1} then \boxed{\frac{1}{2}}", "boxed", r"\frac{1}{2}"),
        (r"\boxed{42", "boxed", None),
        ("work\n#### 42\nmore", "hashes", "42"),
        ("42", "hashes", None),
        ("3 apples and 4 pears", "last_number", "4"),
        ("no number", "last_number", None),
    ],
)
def test_each_form_is_found_where_it_stands(text: str, extract: Extract, part: str | None) -> None:
    assert stated_answer(text, extract) == part


def test_auto_takes_the_tag_before_the_box_before_the_hashes_before_the_last_number() -> None:
    text = r"<answer>1</answer> \boxed{2} #### 3 and 4"
    assert stated_answer(text, "auto") == "1"
    assert stated_answer(r"\boxed{2} #### 3", "auto") == "2"
    assert stated_answer("#### 3\nthat is 4", "auto") == "3"
    assert stated_answer("3 and 4", "auto") == "4"


def test_an_empty_tag_states_no_number_even_when_the_text_has_one() -> None:
    assert read_number("7 <answer></answer>", "auto") is None


def test_a_minus_between_numbers_is_an_operator() -> None:
    assert read_number("5-3", "last_number") == 3
    assert read_number("47+38=-85", "last_number") == -85


def test_hedging_inside_a_box_is_no_answer() -> None:
    assert read_number(r"\boxed{3 \text{ or } 5}", "boxed") is None


def test_a_reference_in_gsm8k_form_is_the_number_after_the_last_hashes() -> None:
    assert reference_number("48/2 = <<48/2=24>>24 clips\n#### 1,072") == 1072
    assert reference_number("72") == 72
    assert reference_number("seventy-two") is None


@pytest.mark.parametrize(
    ("number", "shown"),
    [(Fraction(72), "72"), (Fraction(1, 2), "0.5"), (Fraction(-1, 3), "-1/3"), (Fraction(10**99), "1" + "0" * 99)],
)
def test_a_number_is_shown_exactly(number: Fraction, shown: str) -> None:
    assert show_number(number) == shown
