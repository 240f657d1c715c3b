"""Compare in a browser: the best answers of two runs to one prompt, word by word, three clicks from the Run page.

That both runs' answers stand beside each other after two clicks is in test_tasks.py.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from engine.runs.reader import RunReader
from tests.browser.conftest import TIMEOUT_MS, Dashboard
from tests.browser.test_tasks import Hands
from tests.fakes import write_fake_run

pytestmark = pytest.mark.slow
expect.set_options(timeout=TIMEOUT_MS)
STEPS, SHORT = 20, 10


def test_compare_the_best_answers_of_two_runs_word_by_word(page: Page, dashboard: Dashboard) -> None:
    runs = [write_fake_run(dashboard.runs, "done", steps=STEPS), write_fake_run(dashboard.runs, "other", steps=SHORT)]
    page.goto(f"{dashboard.url}run?run=done")
    expect(page.locator("button.lab-group").first).to_be_visible()
    hands = Hands(page)
    hands.click(page.get_by_role("button", name="Compare"))
    hands.click(page.get_by_role("radio", name=re.compile("Answers")))
    expect(page.get_by_role("link", name="Open this group")).to_have_count(2)
    prompt = page.locator(".lab-box").first.inner_text().strip()
    hands.click(page.get_by_text("Word by word"))
    numbers = page.locator("table.lab-diff-numbers")
    for run in runs:
        reader = RunReader(run.db)
        groups = reader.groups(SHORT)
        index = int(groups[groups["prompt"] == prompt]["group_index"].iloc[0])
        best = reader.completions(SHORT, index)["total"].max()
        expect(numbers).to_contain_text(re.compile(rf"{run.run_id}, #\d+ \({best:.3f}\)"))
    assert page.console_errors == []  # type: ignore[attr-defined]
