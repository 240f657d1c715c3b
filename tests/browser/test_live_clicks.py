"""Clicks on a run that goes on: what was clicked is opened, however many steps have come since."""

import re
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from engine.config_io import dump_config
from engine.runs.control import request_stop
from engine.runs.durable import write_atomic
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from tests.browser.conftest import TIMEOUT_MS, Dashboard
from tests.fakes import fake_config, live
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
expect.set_options(timeout=TIMEOUT_MS)

PAUSE_S = 0.5  # between two steps of the run
CLICKS = 8


@pytest.fixture
def growing(dashboard: Dashboard) -> Iterator[RunPaths]:
    """A run that writes steps until the test is over."""
    paths, config = RunPaths(dashboard.runs / "live"), fake_config(name="live", steps=100_000)
    paths.root.mkdir(parents=True)
    write_atomic(paths.config, dump_config(config).encode())
    engine = threading.Thread(target=live, args=(paths, config, PAUSE_S))
    engine.start()
    wait_until(lambda: paths.db.exists() and RunReader(paths.db).last_step() > 0, "the first step")
    yield paths
    request_stop(paths)
    engine.join()


def test_a_click_on_a_group_of_a_live_run_opens_it_each_time(
    page: Page, dashboard: Dashboard, growing: RunPaths
) -> None:
    page.goto(f"{dashboard.url}run?run=live")
    caption = page.get_by_text("Groups of step")
    for click in range(CLICKS):
        expect(caption).to_be_visible()
        step = caption.inner_text()
        expect(caption).not_to_have_text(step)  # another step has come: the page ticks
        page.locator("button.lab-group").nth(click % 5).click()
        expect(page.get_by_role("heading", name=re.compile(r"Group \d+ of 6"))).to_be_visible()
        page.wait_for_url(re.compile(r"/groups\?(?=.*run=live)(?=.*step=\d+)(?=.*group=\d+)"))
        page.get_by_role("link", name="Run", exact=True).click()
    assert page.console_errors == []  # type: ignore[attr-defined]


def test_a_click_on_a_token_of_a_live_run_opens_the_step_it_was_shown_for(
    page: Page, dashboard: Dashboard, growing: RunPaths
) -> None:
    for place in range(3):
        page.goto(f"{dashboard.url}groups?run=live&view=tokens")
        where = page.locator("button.lab-token-row").nth(place)
        expect(where).to_be_visible()
        where.click()
        page.wait_for_url(re.compile(r"(?=.*step=\d+)(?=.*completion=\d+)(?=.*token=\d+)"))
        expect(page.locator(".lab-token[aria-selected=true]")).to_have_count(1)
    assert page.console_errors == []  # type: ignore[attr-defined]
