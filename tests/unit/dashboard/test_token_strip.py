"""What the token strip is given: text that cannot act, colours, numbers, alternatives, and the most extreme tokens."""

import numpy as np
import pytest

from dashboard.token_measures import measures, token_numbers
from dashboard.views.token_strip import MAX_TOKENS, SHADES, strip_data, token_frame
from engine.config_loss import LossConfig
from engine.runs.tokens import Tokens

END = "<|end|>"


def tokens(pieces: list[str], logprobs: list[float], reference: list[float] | None = None, **more: object) -> Tokens:
    return Tokens(
        ids=np.arange(len(pieces), dtype=np.uint32),
        logprobs=np.array(logprobs, dtype=np.float32),
        ref_logprobs=None if reference is None else np.array(reference, dtype=np.float32),
        entropies=np.full(len(pieces), 0.3, dtype=np.float32),
        vocabulary={i: (piece, piece == END) for i, piece in enumerate(pieces)},
        **more,  # type: ignore[arg-type]
    )


SUM = tokens(["8", "5", END], [-0.1, -5.0, -0.2], [-0.1, -4.0, -0.2])


def shown(of: Tokens = SUM, key: str | None = "kl", selected: int | None = None, **loss: object) -> dict:
    numbers = token_numbers(of, 1.5, counted=True, loss=LossConfig(**loss))
    measure = measures(numbers, 2.0)[key] if key else None
    return strip_data(of, numbers, measure, name="completion #1", selected=selected)


def column(data: dict, name: str) -> list[str]:
    return next(found["values"] for found in data["columns"] if found["name"] == name)


def test_an_unlikely_token_is_darker_than_a_sure_one():
    # |log-probability| 0.1, 5, 0.2 of 5 at full colour
    assert shown(key="logprob")["levels"] == [0, SHADES, 1]


def test_a_signed_number_has_levels_of_both_signs_and_others_only_one():
    moved = tokens(["8", "5"], [-1.0, -3.0], [-3.0, -1.0])  # p − q = 2 and −2, full colour at 2
    assert shown(moved, "change")["levels"] == [SHADES, -SHADES] and shown(moved, "change")["signed"]
    assert shown(moved, "logprob")["levels"] == [4, 12] and not shown(moved, "logprob")["signed"]


def test_every_number_of_a_token_stands_in_words():
    data = shown()
    # k3 of token 2: q − p = 1, so e − 1 − 1 = 0.718
    found = {name: column(data, name)[1] for name in ("Token KL", "Change since the reference", "Ratio", "Push")}
    assert found == {
        "Token KL": "0.718", "Change since the reference": "−1.000", "Ratio": "1.000", "Push": "+1.500",
    }  # fmt: skip
    assert column(data, "Log-probability")[1] == "−5.000"
    assert column(data, "Log-probability, reference")[1] == "−4.000"
    assert column(data, "Probability") == ["90 %", "0.7 %", "82 %"]  # exp of −0.1, −5, −0.2
    assert column(data, "Entropy")[1] == "0.300"
    assert column(data, "id") == ["0", "1", "2"]


def test_special_tokens_stand_in_brackets_and_are_named():
    data = shown()
    assert data["pieces"] == ["8", "5", "⟨<|end|>⟩"] and data["special"] == [2]
    bare = Tokens(np.array([7], dtype=np.uint32), None, None, None, vocabulary={7: ("", True)})
    assert shown(bare, None)["pieces"] == ["⟨special⟩"]


@pytest.mark.parametrize(
    ("piece", "text"),
    [("<b>", "<b>"), ("a\nb", "a⏎\nb"), ("", "∅"), ("\u202e", "⟨U+202E⟩"), ("\x00", "␀"), ("x" * 500, "x" * 400 + "…")],
)
def test_a_piece_is_text_and_visible(piece, text):
    assert shown(tokens([piece], [-1.0]), "logprob")["pieces"] == [text]


def test_the_most_extreme_tokens_are_listed_first_the_furthest_and_none_that_is_nothing():
    data = shown()
    assert data["listTitle"] == "Most extreme: Token KL"
    assert data["list"] == [{"place": 2, "text": "5", "value": "0.718"}]
    many = tokens(["a"] * 30, [-float(i) for i in range(30)])
    assert [row["place"] for row in shown(many, "logprob")["list"]] == list(range(30, 20, -1))


def test_alternatives_come_with_their_probability_and_the_own_token_is_marked():
    rich = tokens(
        ["8", "5"], [-0.5, -2.0], alternative_ids=np.array([[0, 1], [0, 1]], dtype=np.uint32),
        alternative_logprobs=np.log([[0.62, 0.21], [0.75, 0.0004]]).astype(np.float32),
    )  # fmt: skip
    assert shown(rich, "logprob")["alternatives"] == [
        [("8", "62 %", True), ("5", "21 %", False)],
        [("8", "75 %", False), ("5", "< 0.1 %", True)],
    ]
    assert shown()["alternatives"] == [[], [], []]
    frame = token_frame(rich, {})
    assert frame["alternatives"].tolist() == ["8 62 % · 5 21 %", "8 75 % · 5 < 0.1 %"]


def test_a_very_long_completion_is_cut_with_a_word():
    many = tokens(["a"] * (MAX_TOKENS + 10), [-1.0] * (MAX_TOKENS + 10))
    data = shown(many, "logprob", selected=MAX_TOKENS + 1)
    parts = (data["pieces"], data["levels"], data["alternatives"], column(data, "id"))
    assert {len(part) for part in parts} == {MAX_TOKENS}
    assert (data["total"], data["note"]) == (MAX_TOKENS + 10, "and 10 more tokens: see the table")
    assert data["selected"] is None  # the URL names a token that is not shown
    assert shown(many, "logprob", selected=MAX_TOKENS)["selected"] == MAX_TOKENS


def test_the_table_counts_from_one_and_holds_every_number():
    numbers = token_numbers(SUM, 1.0, counted=True, loss=LossConfig())
    frame = token_frame(SUM, numbers)
    assert frame.index.tolist() == [1, 2, 3]
    assert frame.columns.tolist() == [
        "token", "id", "of the reference", "Token KL", "Change since the reference", "Ratio", "Push", "Entropy",
        "Log-probability",
    ]  # fmt: skip
    assert frame["Token KL"].tolist() == pytest.approx([0.0, 0.71828, 0.0], abs=1e-5)


def test_tokens_that_nothing_measured_are_shown_plainly_with_what_is_known():
    unmeasured = Tokens(np.arange(2, dtype=np.uint32), None, None, None, vocabulary={0: ("8", False), 1: (END, True)})
    data = shown(unmeasured, None)
    assert data["levels"] == [0, 0] and data["list"] == [] and [c["name"] for c in data["columns"]] == ["id"]
    assert token_frame(unmeasured, {}).columns.tolist() == ["token", "id"]
