from dataclasses import replace

import pandas as pd
import pytest

from dashboard.views import group_rows as module
from dashboard.views.group_rows import (
    MAX_DOTS,
    GroupRow,
    Pick,
    advantage_reach,
    distinct_parts,
    dot_levels,
    group_row_list,
    group_rows,
)

NAN = float("nan")


def completions(totals: list[float], advantages: list[float], group: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"group_index": group, "total": totals, "advantage": advantages})


def test_dots_go_from_the_best_reward_to_the_worst():
    assert dot_levels(completions([0.0, 1.0, 0.5], [-2.0, 2.0, 0.0]), reach=2.0) == (1.0, 0.0, -1.0)


def test_a_missing_reward_comes_last():
    assert dot_levels(completions([NAN, 0.0, 1.0], [0.0, -1.0, 1.0]), reach=2.0) == (0.5, -0.5, 0.0)


def test_a_tiny_advantage_is_not_shown_as_none():
    assert dot_levels(completions([1.0, 0.0], [0.001, -0.001]), reach=2.0) == (0.05, -0.05)


def test_advantages_beyond_full_colour_are_full_colour():
    assert dot_levels(completions([1.0, 0.0], [7.0, -7.0]), reach=2.0) == (1.0, -1.0)


def test_a_huge_group_keeps_its_best_and_its_worst():
    size = 1000
    levels = dot_levels(completions(list(range(size)), [-2.0, *[0.0] * (size - 2), 2.0]), reach=2.0)
    assert len(levels) == MAX_DOTS
    assert (levels[0], levels[-1]) == (1.0, -1.0)


@pytest.mark.parametrize(
    ("advantages", "scaled", "reach"),
    [([0.1, -0.4], True, 2.0), ([0.1, -0.4], False, 0.4), ([0.0], False, 2.0), ([], False, 2.0)],
)
def test_full_colour_is_two_standard_deviations_or_the_largest_undivided_advantage(advantages, scaled, reach):
    assert advantage_reach(advantages, scaled=scaled) == reach


def test_rows_count_groups_from_one():
    groups = pd.DataFrame(
        {"group_index": [3], "prompt": ["1+1="], "mean": [0.5], "kind": ["mixed"], "discarded": [None]}
    )
    (row,) = group_row_list(groups, completions([1.0, 0.0], [1.0, -1.0], group=3), reach=2.0)
    assert (row.group, row.prompt, row.levels, row.kind) == (4, "1+1=", (0.5, -0.5), "mixed")


@pytest.fixture
def shown(monkeypatch):
    """What the component in the browser was given."""
    given = {}
    monkeypatch.setattr(module, "_rows", lambda **data: given.update(data))
    return given


ROWS = [GroupRow(2, "1+1=", (1.0, -1.0), 0.25, "mixed"), GroupRow(4, "2+2=", (0.0,), 1.0, "solved")]


def test_a_row_says_in_words_what_its_dots_show(shown):
    group_rows(ROWS, key="rows", step=1, selected=4, on_pick=lambda _: None)
    assert (shown["data"]["step"], shown["data"]["label"]) == (1, "Groups of step 1")
    first, second = shown["data"]["rows"]
    assert first["title"] == "Group 2: 1+1= · mean reward 0.250 · with signal"
    assert (first["word"], second["word"]) == ("with signal", "all right")
    assert (first["selected"], second["selected"]) == (False, True)
    assert (first["dots"], first["mean"]) == ([1.0, -1.0], "0.250")


def test_a_picked_row_is_told_before_the_script(shown, monkeypatch):
    heard = []
    # The script shows step 3 by now, but the click was on a row of step 1.
    group_rows(ROWS, key="rows", step=3, on_pick=heard.append)
    good = [{"step": 1, "group": 4}, {"step": 2, "group": 1}]
    for reported in (*good, {"step": 1, "group": 0}, {"step": 0, "group": 1}, {"step": 1, "group": "4"}, {}, None):
        monkeypatch.setattr(module.st, "session_state", {"rows": {"picked": reported}})
        shown["on_picked_change"]()
    assert heard == [Pick(1, 4), Pick(2, 1)]


def test_rows_leave_out_the_beginning_that_all_prompts_share() -> None:
    shots = "2 + 3 = 5\n10 + 4 = 14\n"
    assert distinct_parts([f"{shots}9 + 18 =", f"{shots}7 + 1 ="]) == ["…9 + 18 =", "…7 + 1 ="]


def test_prompts_with_little_in_common_or_all_alike_stay_whole() -> None:
    assert distinct_parts(["47+38=", "47+39="]) == ["47+38=", "47+39="]
    assert distinct_parts(["the same long question"] * 2) == ["the same long question"] * 2


def test_rows_leave_out_the_end_that_all_prompts_share() -> None:
    end = " Reason step by step."
    assert distinct_parts([f"Who sold clips?{end}", f"How many boxes were there?{end}"]) == [
        "Who sold clips? …", "How many boxes were there? …",
    ]  # fmt: skip


def test_rows_of_a_template_show_the_words_that_differ() -> None:
    asked = [f"Tom buys {n} boxes with forty-two apples in each, and gives {n + 1} away." for n in (3, 8)]
    assert distinct_parts(asked) == ["Tom buys 3 …4 away.", "Tom buys 8 …9 away."]


def test_a_prompt_that_begins_like_all_others_and_goes_no_further_keeps_its_last_word() -> None:
    assert distinct_parts(["Name a large city\n", "Name a large city\nin France"]) == ["…city\n", "…city\nin France"]


def test_an_empty_prompt_stays_empty() -> None:
    assert distinct_parts(["", "What is the answer?"]) == ["", "What is the answer?"]


def test_a_discarded_group_says_so_in_words_beside_its_kind() -> None:
    row = GroupRow(4, "1+1=", (0.0, 0.0), 1.3, "solved", discarded=True)
    item = module._item(row, selected=False)
    assert (item["word"], item["kind"]) == ("discarded", "discarded")  # where there is no room for words, a sign
    assert item["title"] == "Group 4: 1+1= · mean reward 1.300 · discarded (all right)"
    assert module._item(replace(row, discarded=False), selected=False)["word"] == "all right"
