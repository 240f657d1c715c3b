"""The comparison of two completions: marked words, escaped text, and numbers with their differences."""

import re

from dashboard.views.comparison import Side, inline_html, numbers_html, side_by_side_html
from engine.analysis.word_diff import word_diff
from tests.fake_records import HOSTILE

NAN = float("nan")


def side(label: str, text: str = "", **row: object) -> Side:
    return Side(label, {"text": text, "rewards": {}, **row})


def cells(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows[1:]]


def test_removed_words_are_struck_through_on_the_left_and_added_ones_underlined_on_the_right():
    html = side_by_side_html(word_diff("it is 12", "it is 13"), side("#1"), side("#4"))
    left, right = re.findall(r'<div class="lab-diff lab-mono">(.*?)</div>', html)
    assert (left, right) == ("it is <del>12</del>", "it is <ins>13</ins>")


def test_in_one_text_what_was_removed_stands_before_what_was_added():
    html = inline_html(word_diff("it is 12", "it is 13"), side("#1"), side("#4"))
    assert "it is <del>12</del> <ins>13</ins>" in html
    assert "<del>only in #1</del> <ins>only in #4</ins>" in html


def test_a_changed_line_break_is_visible():
    assert "<del>⏎\n</del>" in inline_html(word_diff("x\n", "x"), side("a"), side("b"))


def test_a_space_that_is_all_of_a_change_is_marked():
    assert "x<ins> </ins>" in inline_html(word_diff("x", "x "), side("a"), side("b"))


def test_an_empty_side_says_so():
    assert "(empty)" in side_by_side_html(word_diff("", "x"), side("a"), side("b"))


def test_what_was_not_compared_is_counted():
    html = side_by_side_html(word_diff("x" * 20_001, "y" * 25_000), side("a"), side("b"))
    assert "(1 more characters are not compared)" in html and "(5,000 more characters are not compared)" in html


def test_hostile_texts_and_labels_stay_text():
    for wild in HOSTILE:
        a, b = side(wild, wild, rewards={wild: 1.0}), side("b", f"{wild} and more", rewards={})
        diff = word_diff(a.text, b.text)
        for html in (side_by_side_html(diff, a, b), inline_html(diff, a, b), numbers_html(a, b)):
            assert not any(sign in html for sign in ("<script", "<img", "<a href", "\x00", "\u202e", "\x1b"))


def test_the_numbers_of_both_stand_beside_their_difference():
    a = side("a", total=1.5, rewards={"exact": 1.0}, advantage=0.5, length=10, mean_kl=0.1, finish_reason="eos")
    b = side("b", total=0.25, rewards={"exact": 0.0}, advantage=-0.75, length=12, mean_kl=NAN, finish_reason="length")
    assert cells(numbers_html(a, b)) == [
        ["total reward", "1.500", "0.250", "−1.250"],
        ["exact", "1.000", "0.000", "−1.000"],
        ["advantage", "0.500", "−0.750", "−1.250"],
        ["tokens", "10", "12", "+2"],
        ["KL to reference, nats/token", "0.100", "–", "–"],
        ["end", "ended", "cut off", ""],
    ]


def test_a_missing_reward_has_no_difference_and_numbers_that_neither_has_are_left_out():
    a, b = side("a", total=None, rewards={"exact": None}), side("b", total=1.0, rewards={"exact": 1.0})
    assert cells(numbers_html(a, b)) == [["total reward", "–", "1.000", "–"], ["exact", "–", "1.000", "–"]]
