"""What a re-score found, in words and tables."""

import re
from dataclasses import replace
from html import unescape

from dashboard.views.rescore_html import list_change, passes_html, read_html, rewards_html, sentence, signal_words
from engine.analysis.rescored import Passes, RewardChange, Summary
from engine.config import RewardSpec
from engine.rescore_client import ReadRow
from tests.fakes import fake_config

EVIL = '<script>alert(1)</script>"\u202e'
CHANGE = RewardChange("mine", 0.5, 0.25, 3, 8, 0.9, 0, 0)
FOUND = Summary(
    num_steps=2, num_groups=4, num_completions=8, changed=3, mean_before=0.5, mean_after=0.25, correlation=0.9,
    passes=Passes(2, 1, 2, 3, 0), flipped=1, num_signed=6, live_before=3, live_after=2, gained=0, lost=1,
    rewards=(CHANGE,),
)  # fmt: skip
ROW = ReadRow(
    step=3, group_index=1, completion_index=0, prompt="1+1=", completion="2", reference="2", total_before=1.0,
    total_after=0.25, advantage_before=0.5, advantage_after=-0.5, passed_before=True, passed_after=False,
    parsed_before="2", parsed_after="2", values_before={"mine": 1.0}, values_after={"mine": 0.25}, reasons_after={},
)  # fmt: skip


def text(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html))).strip()


def test_one_sentence_says_what_changes() -> None:
    assert sentence(FOUND) == (
        "3 of 8 completions get another total reward, 3 change their verdict (1 become right, 2 wrong), and 1 of 6 "
        "advantages change their sign."
    )
    assert signal_words(FOUND) == "Groups with signal: 3 before, 2 after, of 4; 0 gain it and 1 lose it."


def test_nothing_changed_is_said() -> None:
    same = replace(FOUND, changed=0, flipped=0, passes=Passes(3, 0, 0, 5, 0))
    assert sentence(same) == "Nothing changes: all 8 completions keep their total reward."


def test_values_that_are_missing_now_are_in_the_sentence() -> None:
    lost = replace(FOUND, rewards=(CHANGE, replace(CHANGE, name="broken", missing_before=1, missing_after=7)))
    assert sentence(lost).endswith("change their sign. broken is missing for 7 of them.")
    as_before = replace(FOUND, rewards=(replace(CHANGE, missing_before=7, missing_after=7),))
    assert "missing" not in sentence(as_before)


def test_the_table_of_verdicts_has_before_in_rows_and_after_in_columns() -> None:
    words = text(passes_html(Passes(2, 1, 4, 3, 5), "a", "a"))
    assert words == (
        "✔ right after ✘ wrong after ✔ right before 2 4 ✘ wrong before 1 3 Decided by a. "
        "5 completions are not decided in both."
    )
    assert "no completion is decided" in passes_html(Passes(0, 0, 0, 0, 8), "a", "a")


def test_another_reward_that_decides_is_named() -> None:
    assert "Decided by a before, and by <b> after." in text(passes_html(Passes(1, 0, 0, 1, 0), "a", "<b>"))
    assert "Decided by a before, and by no reward after." in passes_html(Passes(0, 0, 0, 0, 1), "a", None)


def test_each_reward_with_its_mean_and_why_it_is_missing() -> None:
    one = replace(CHANGE, missing_after=2, reasons_after=((EVIL, 2),))
    html = rewards_html([one, replace(CHANGE, name="kept", changed=0)], ["mine"])
    assert "<script>" not in html and "\u202e" not in html
    assert "mine called again 0.500 → 0.250 3 of 8 correlation 0.90 0 → 2 2 × <script>" in text(html)
    assert "kept as stored" in text(html)


def test_a_completion_side_by_side() -> None:
    words = text(read_html([ROW], "x"))
    assert "1 1+1= 2 2 mine 1.000 → 0.250 ✔ right → ✘ wrong 1.000 → 0.250 +0.500 → −0.500 ⇄" in words


def test_texts_of_a_completion_are_shown_and_not_interpreted() -> None:
    evil = replace(ROW, prompt=EVIL, completion=EVIL, reference=EVIL, values_after={}, reasons_after={"mine": EVIL})
    html = read_html([evil], EVIL)
    assert "<script>" not in html and "\u202e" not in html
    assert "mine 1.000 → – (missing: <script>" in text(html)


def test_in_what_a_list_differs_from_the_runs() -> None:
    config = fake_config(name="x", steps=1).model_copy(
        update={"rewards": (RewardSpec(name="exact_match"), RewardSpec(name="short", function="length_target"))}
    )
    listed = [spec.model_dump(mode="json") for spec in config.rewards]
    assert list_change(listed, config) == "The rewards as they were"
    file = {**listed[0], "function": "python_file", "params": {"path": "/a/b/mine.py", "callable": "f"}}
    assert list_change([file, listed[1]], config) == "exact_match: exact_match → mine.py f"
    target = {**listed[1], "params": {"target": 7}}
    assert re.fullmatch(r"short: target \d+ → 7", list_change([listed[0], target], config))
    assert list_change([*listed, {"name": "digits_only"}], config) == "digits_only added: digits_only"
    assert list_change(listed[:1], config) == "short left out"
