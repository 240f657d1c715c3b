"""What-if in a real browser: what halving one reward's weight would have done, three clicks from the Run page."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Dashboard
from tests.fakes import write_fake_run

pytestmark = pytest.mark.slow


def test_what_halving_a_weight_would_have_done_is_three_clicks_from_the_run_page(
    page: Page, dashboard: Dashboard
) -> None:
    write_fake_run(dashboard.runs, "done", steps=30)
    page.goto(f"{dashboard.url}run?run=done")
    page.locator("button.lab-group").first.click()
    page.get_by_text("What if", exact=True).click()
    page.get_by_role("button", name="½").nth(1).click()
    table = page.get_by_role("table", name="Completions before and after")
    expect(table).to_contain_text("1.300 → 1.150")
    expect(page.get_by_text(re.compile("This group: .* as in the run"))).to_be_visible()
    expect(page.get_by_text("over all 30 steps")).to_be_visible()
    for title in ("Groups without signal, before and after", "Which lengths get the push"):
        chart = page.get_by_role("img", name=re.compile(f"^{title}"))
        chart.scroll_into_view_if_needed()  # charts are drawn when they come into sight
        expect(chart.locator(".main-svg").first).to_be_attached()

    # The run that starts with it differs in that weight alone.
    page.get_by_role("link", name="Start a run with these settings").click()
    expect(page.get_by_text("Differs from done:")).to_be_visible()
    expect(page.get_by_text("Reward digit_match, weight")).to_be_visible()
    assert "set=" not in page.url
    assert page.console_errors == []  # type: ignore[attr-defined]
