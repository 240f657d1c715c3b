"""What a check found, in words and as HTML: the verdict says what to do, holes come first, blank texts are named."""

import re
from dataclasses import replace

from dashboard.views.reward_board_html import board_html, evidence_html, headline
from engine.reward_check.types import Evidence, Finding, RewardCheck, StrategyScore

CLOSED = StrategyScore("empty", "Nothing at all", "closed", 0.0, 0.0, 0, 8, 12, 0)
HOLE = StrategyScore("list", "Five candidates", "hole", 1.0, 1.0, 8, 8, 12, 0, "It earns the maximum.")
SILENT = StrategyScore("echo", "The prompt again", "not applicable", None, None, 0, 8, 2, 2, "It gives no value.")
UNTRIED = replace(SILENT, name="swap", label="Two digits swapped", tried=0, missing=0)
BAD = Finding("returns", "Returns", "failed", "It returned 1 value for 8 completions.")
FOUND = RewardCheck("mine", board=(CLOSED, SILENT, UNTRIED, HOLE), low=0.0, high=1.0)


def test_the_verdict_counts_the_holes_and_names_what_failed() -> None:
    holes = Finding("exploits", "Exploits", "failed", "1 of 2 strategies is paid.")
    assert headline(replace(FOUND, findings=(holes, BAD))) == (
        "failed", "Not fit to train on yet: 1 way to earn it without solving the task (holes); see Returns below."
    )  # fmt: skip
    assert (
        headline(replace(FOUND, board=(CLOSED,), findings=(BAD,)))[1] == "Not fit to train on yet: see Returns below."
    )
    assert headline(replace(FOUND, board=(CLOSED,)))[0] == "ok"


def rows_of(html: str) -> list[list[str]]:
    """The texts of the cells, row by row."""
    bodies = re.findall(r"<tr>(.*?)</tr>", html.split("<tbody>")[1])
    return [[re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<td.*?>(.*?)</td>", body)] for body in bodies]


def test_holes_come_first_and_what_gave_no_value_was_tried_all_the_same() -> None:
    rows = rows_of(board_html(FOUND))
    assert [row[:2] for row in rows] == [
        ["Five candidates", "✘ hole"], ["Nothing at all", "✔ closed"],
        ["The prompt again", "– no value"], ["Two digits swapped", "– not tried"],
    ]  # fmt: skip
    assert rows[0][2:5] == ["1.000", "100 %", "12"] and rows[2][2:5] == ["–", "–", "2 (2 missing)"]


def test_a_completion_without_anything_to_see_is_named() -> None:
    shown = [Evidence("line 1", "1+1=", text, "2", 0.0) for text in ("", " \n\t", "<b>2</b>")]
    cells = [row[3] for row in rows_of(evidence_html(shown))]
    assert cells == ["(empty)", "(3 blank characters)", "&lt;b&gt;2&lt;/b&gt;"]
