"""From the form to a pre-flight and into its groups and back, with the embedded model, as a person would."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMEOUT_MS, Dashboard

pytestmark = pytest.mark.slow


def test_a_preflight_shows_progress_then_what_to_expect_and_its_groups(dashboard: Dashboard, page: Page) -> None:
    expect.set_options(timeout=TIMEOUT_MS)
    page.goto(dashboard.url + "new_run")
    page.get_by_role("button", name="Pre-flight").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.get_by_text("A look ahead, and not a run")).to_be_visible()
    expect(page.get_by_text("Groups without signal, by group size")).to_be_visible()
    expect(page.get_by_text("Pass rate of each prompt")).to_be_visible()
    page.reload()  # what is shown is on disk
    expect(page.get_by_text("A look ahead, and not a run")).to_be_visible()
    page.get_by_title(re.compile("^Group 3:")).click()
    expect(page.get_by_text("This is a pre-flight, and not a run")).to_be_visible()
    expect(page.get_by_text(re.compile("Group 3 of 16"))).to_be_visible()
    page.get_by_role("link", name="Back to the new run").click()
    expect(page.get_by_text("A look ahead, and not a run")).to_be_visible()


def test_a_preflight_can_be_cancelled(dashboard: Dashboard, page: Page) -> None:
    expect.set_options(timeout=TIMEOUT_MS)
    page.goto(dashboard.url + "new_run")
    page.get_by_role("button", name="Pre-flight").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Pre-flight")).to_be_visible()
    expect(page.get_by_text("makes one update that is thrown away")).to_be_visible()
    assert list((dashboard.runs / ".preflight").iterdir()) == []
