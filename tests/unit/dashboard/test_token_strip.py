import re

import numpy as np
import pytest

from dashboard.views.token_strip import MAX_TOKENS, largest_words, measures, token_frame, token_strip
from engine.runs.reader import Tokens


def tokens(pieces: list[str], logprobs: list[float], reference: list[float] | None = None) -> Tokens:
    return Tokens(
        ids=np.arange(len(pieces), dtype=np.uint32), pieces=pieces, special=[piece == "<|end|>" for piece in pieces],
        logprobs=np.array(logprobs, dtype=np.float32),
        ref_logprobs=None if reference is None else np.array(reference, dtype=np.float32),
        entropies=np.full(len(pieces), 0.3, dtype=np.float32),
    )  # fmt: skip


SUM = tokens(["8", "5", "<|end|>"], [-0.1, -5.0, -0.2], [-0.1, -4.0, -0.2])


def test_kl_is_offered_only_where_there_is_a_reference():
    assert list(measures(SUM)) == ["kl", "logprob", "entropy"]
    assert list(measures(tokens(["8"], [-0.1]))) == ["logprob", "entropy"]


def test_an_unlikely_token_is_darker_than_a_sure_one():
    html = token_strip(SUM, measures(SUM)["logprob"])
    assert re.findall(r"--lab-strength:(\d+)%", html) == ["0", "100", "5"]


def test_numbers_are_there_on_hover():
    html = token_strip(SUM, measures(SUM)["kl"])
    # k3 of token 2: q − p = 1, so e − 1 − 1 = 0.718
    assert "log-probability −5.000" in html
    assert "of the reference −4.000" in html
    assert "KL 0.718 nats" in html
    assert "entropy 0.300 nats" in html


def test_special_tokens_are_marked_and_pieces_escaped():
    html = token_strip(SUM, measures(SUM)["logprob"])
    assert "lab-special" in html
    assert "&lt;|end|&gt;" in html


@pytest.mark.parametrize(("piece", "shown"), [("<b>", "&lt;b&gt;"), ("\n", "⏎<br>"), ("", "∅"), ("\u202e", "⟨U+202E⟩")])
def test_a_piece_is_text_and_visible(piece, shown):
    html = token_strip(tokens([piece], [-1.0]), measures(tokens([piece], [-1.0]))["logprob"])
    assert f">{shown}</span>" in html


def test_the_strongest_tokens_are_named_in_words():
    assert largest_words(SUM, measures(SUM)["kl"]).startswith("'5' (token 2) 0.718")


def test_a_very_long_completion_is_cut_with_a_word():
    many = tokens(["a"] * (MAX_TOKENS + 10), [-1.0] * (MAX_TOKENS + 10))
    html = token_strip(many, measures(many)["logprob"])
    assert html.count("lab-token") == MAX_TOKENS + 1  # and the box around them
    assert "and 10 more tokens" in html


def test_the_table_counts_from_one_and_holds_every_number():
    frame = token_frame(SUM)
    assert frame.index.tolist() == [1, 2, 3]
    assert frame.columns.tolist() == ["token", "id", "log-probability", "of the reference", "KL", "entropy"]
    assert frame["KL"].tolist() == pytest.approx([0.0, 0.71828, 0.0], abs=1e-5)


UNMEASURED = Tokens(np.arange(2, dtype=np.uint32), ["8", "<|end|>"], [False, True], None, None, None)


def test_tokens_that_nothing_measured_are_shown_plainly_with_what_is_known():
    assert measures(UNMEASURED) == {}
    html = token_strip(UNMEASURED, None)
    assert re.findall(r"--lab-strength:(\d+)%", html) == ["0", "0"]
    assert "id 0" in html and "log-probability" not in html and "entropy" not in html
    assert token_frame(UNMEASURED).columns.tolist() == ["token", "id"]
