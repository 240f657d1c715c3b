"""Each strategy writes what it says, and nothing where it would be right by chance."""

import pytest

from engine.reward_check.strategies import (
    STRATEGIES,
    Row,
    constant,
    dropped,
    hedged,
    letter_changed,
    look_alike,
    minus_one,
    negated,
    other_sign,
    plus_one,
    swapped,
    times_ten,
)

ROW = Row("line 1", "40+2=", "42", ("7", "85"), "7")


@pytest.mark.parametrize(
    ("gold", "near"),
    [
        ("42", ["43", "41", "-42", "24", "420", "4"]),
        ("-3", ["-2", "-4", "3", None, "-30", None]),
        ("0", ["1", "-1", None, None, None, None]),
        ("1.52", [None, None, "-1.52", "1.25", None, None]),
        ("77", ["78", "76", "-77", None, "770", "7"]),
        ("Paris", [None] * 6),
    ],
)
def test_near_misses_are_near_and_never_the_answer(gold: str, near: list[str | None]) -> None:
    assert [make(gold) for make in (plus_one, minus_one, other_sign, swapped, times_ten, dropped)] == near


def test_of_a_text_one_letter_is_changed_and_of_a_number_none() -> None:
    assert letter_changed("Paris") == "Paxis" and letter_changed("x") == "y" and letter_changed("42") is None


def test_hedging_has_the_right_answer_in_the_middle() -> None:
    assert hedged(ROW, "bare") == "43 or 41 or 42 or 420 or 24"
    assert hedged(Row("", "", "Paris", ("Rome", "Oslo", "Bern")), "tag") == (
        "<answer>Paxis or Rome or Paris or Oslo or Bern</answer>"
    )


def test_a_denied_answer_is_denied_inside_the_form() -> None:
    assert negated(ROW, "bare") == "The answer is not 42." and negated(ROW, "boxed") == r"\boxed{not 42}"


def test_the_commonest_answer_is_not_tried_on_rows_where_it_is_right() -> None:
    assert constant(ROW, "bare") == "7" and constant(Row("", "", "7", ("42",), "7"), "bare") is None


def test_look_alikes_look_alike_and_are_another_text() -> None:
    assert look_alike(ROW, "bare") == "４２"
    assert look_alike(Row("", "", "зж"), "bare") is None


def test_every_strategy_but_the_right_ones_avoids_stating_the_right_answer_alone() -> None:
    for strategy in STRATEGIES:
        text = strategy.make(ROW, "bare")
        assert text is None or text.strip() != ROW.gold
        assert strategy.sort != "right" or text is None or len(text) > 1
