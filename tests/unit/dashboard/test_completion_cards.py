"""Completions in columns: the same facts as in the table, best first, and no text that is read as markup."""

import re

import pandas as pd

from dashboard.views.completion_table import are_long, completion_cards, completion_table
from tests.fake_records import HOSTILE
from tests.unit.dashboard.test_completion_table import BAD, GOOD, GROUP, LOSS, WEIGHTS, plain, row


def cards(*rows: dict) -> list[str]:
    return completion_cards(GROUP, pd.DataFrame(rows), WEIGHTS, LOSS).split('role="listitem"')[1:]


def test_there_is_a_card_for_each_completion_best_first_with_its_arithmetic():
    best, worst = cards(BAD, GOOD)
    assert "#1 1.500 ✔ right 1 × 1.000 + 0.5 × 1.000 style: 0.200" in plain(best)
    assert "▲ +1.500 (1.500 − 0.750) / (0.500 + 0.0001) = +1.500" in plain(best)
    assert "✘ wrong" in worst and "3 tokens, ended, KL 0.010, entropy 0.500" in worst


def test_bars_are_as_long_as_in_the_table():
    frame = pd.DataFrame([GOOD, BAD])
    both = [
        re.findall(r"width:([\d.]+)%", draw(GROUP, frame, WEIGHTS, LOSS))
        for draw in (completion_cards, completion_table)
    ]
    assert both[0] == both[1] == ["66.7", "33.3", "16.7"]


def test_hostile_texts_stay_text():
    wild = [text.encode(errors="replace").decode() for text in HOSTILE]  # as the store keeps them
    html = "".join(cards(*(row(place, text, {text: 1.0}, 1.0, 0.0) for place, text in enumerate(wild))))
    assert not any(sign in html for sign in ("<script", "<img", "<a href", "\x00", "\u202e", "\x1b"))


def test_of_a_long_text_beginning_and_end_are_shown():
    (card,) = cards(row(0, f"begin{'x' * 5000}end", {}, 1.0, 0.0))
    assert "begin" in card and "end" in card and "characters left out" in card


def test_texts_of_more_than_80_characters_are_long():
    assert are_long(pd.DataFrame({"text": ["a", "b" * 81]}))
    assert not are_long(pd.DataFrame({"text": ["a", "b" * 80]}))
