"""A what-if in words and as a table: what changes, when ε matters, and text that stays text."""

import numpy as np
import pytest

from dashboard.views.what_if_table import GroupChange, Pair, what_if_table
from dashboard.views.what_if_words import (
    direction,
    epsilon_words,
    group_size_words,
    group_words,
    late_words,
    share_change,
    weight_words,
)
from engine.analysis.late_weights import LateWeights
from engine.config_loss import LossConfig

NAN = float("nan")


def change(before: list[float], after: list[float]) -> GroupChange:
    pair = Pair(np.array(before), np.array(after))
    return GroupChange(pair, pair, pair)


def test_a_group_that_comes_to_life_or_dies_says_so() -> None:
    assert "This group: without signal → with signal." in group_words(change([0, 0], [1, -1]), False, True, True)
    assert "This group: with signal → without signal." in group_words(change([1, -1], [0, 0]), True, False, True)


def test_flipped_signs_are_counted() -> None:
    words = group_words(change([1, -1, 0.5], [-1, 1, 0.5]), True, True, True)
    assert "not the same advantages as in the run. 2 of 3 advantages change the sign (⇄)." in words.replace("</b>", "")
    assert "1 of 3 advantages changes the sign" in group_words(change([1, 1, 1], [-1, 1, 1]), True, True, True)


@pytest.mark.parametrize(
    ("after", "words"),
    [([1.0, -1.0], "the same advantages"), ([1.0, NAN], "the same advantages"),
     ([1.0003, -1.0], "almost the same advantages"), ([1.1, -1.0], "not the same advantages")],
)  # fmt: skip
def test_advantages_that_stay_are_told_apart_from_others(after: list[float], words: str) -> None:
    assert f"with signal, {words} as in the run" in group_words(change([1.0, -1.0], after), True, True, True)


def test_a_discarded_group_is_judged_as_if_it_had_been_trained_on() -> None:
    words = group_words(change([NAN, NAN], [1, -1]), False, True, False)
    assert "This group: discarded, without signal → with signal." in words and "as if it had been" in words


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ({}, "ε changes nothing here: with one update per batch every ratio is exactly 1"),
        ({"num_iterations": 2}, "the first of 2 updates of a step"),
        ({"loss_type": "sapo"}, "sapo has no clip"),
        ({"loss_type": "cispo"}, "no token weighs more than ε upwards, 0.2, so every token weighs 0.2 from the start"),
        ({"loss_type": "cispo", "epsilon_high": 5.0}, "5, which no ratio of 1 reaches"),
    ],
)
def test_when_epsilon_matters_is_said(loss: dict[str, object], words: str) -> None:
    assert words in epsilon_words(LossConfig(**loss))  # type: ignore[arg-type]


def test_the_last_of_several_updates_is_told_before_and_after() -> None:
    twice, none = LossConfig(num_iterations=2), LateWeights(0, 0, NAN)
    before, after = LateWeights(1200, 30, 0.9876), LateWeights(1200, 1, 1.0)
    assert late_words(before, after, twice) == (
        "At the last of 2 updates, with the ratios that the run came to: 30 of 1,200 tokens with an advantage had "
        "weight 0, and the mean weight was 0.988. With these settings: 1 of 1,200, and 1.000."
    )
    assert "With these settings" not in late_words(before, before, twice)
    assert late_words(none, none, twice) == ""


def test_the_weight_per_token_says_what_it_leaves_out() -> None:
    plain = weight_words(LossConfig(), stepwise=False)
    assert plain.startswith("Weight per token: by what the gradient")
    more = weight_words(
        LossConfig(num_minibatches=2, top_entropy_quantile=0.2, mask_truncated_completions=True), stepwise=True
    )
    for part in ("1 / 2, of the step's", "20 % most uncertain tokens", "cut off have none", "mean of a completion"):
        assert part in more and part not in plain


def test_smaller_groups_and_differences_are_put_into_words() -> None:
    assert group_size_words(4, 8) == "A group of 4: its first 4 completions as sampled, of 8." and not group_size_words(
        8, 8
    )
    assert share_change(0.25, 0.5) == ("▲ 25 points", "bad") and share_change(0.5, 0.25) == ("▼ 25 points", "good")
    assert share_change(0.5, 0.501) == ("= 0 points", "") and share_change(NAN, 0.5) == ("", "")
    assert [direction(factor) for factor in (1.0, 1.2, 0.8, NAN)] == ["as before", "stronger", "weaker", "as before"]


def test_the_table_has_before_and_after_where_they_look_different_and_a_mark_where_the_sign_changes() -> None:
    table = what_if_table(["a", "b"], change([0.25, 1.0], [-0.25, 1.0001]))
    assert table.index(">b<") < table.index(">a<")  # the best total first
    assert "0.250 →</span> <b>−0.250</b>" in table and "1.000 →" not in table
    assert table.count("⇄") == 1
    assert "–" in what_if_table(["a"], change([1.0], [NAN]))  # not in the smaller group


def test_text_of_the_model_stays_text_and_is_cut() -> None:
    table = what_if_table(["<img src=x onerror=alert(1)>" + "long" * 300_000], change([1.0], [1.0]))
    assert "<img" not in table and "&lt;img" in table and len(table) < 2000
