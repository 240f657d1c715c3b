"""Colours follow the theme, also where dialogs are: outside of Streamlit's page, beside it in the body."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMEOUT_MS, Dashboard
from tests.fakes import write_fake_run

pytestmark = pytest.mark.slow
expect.set_options(timeout=TIMEOUT_MS)

COLOUR_IN_A_DIALOG = """() => {
  const probe = document.createElement("div");
  probe.style.color = "var(--lab-bad)";
  document.body.append(probe);
  return getComputedStyle(probe).color;
}"""


@pytest.mark.parametrize(("scheme", "colour"), [("light", "rgb(179, 54, 31)"), ("dark", "rgb(255, 138, 112)")])
def test_what_is_bad_is_told_in_the_red_of_the_theme(page: Page, dashboard: Dashboard, scheme, colour) -> None:
    write_fake_run(dashboard.runs, "done", steps=2)
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{dashboard.url}run?run=done")
    expect(page.locator(".lab-chip").first).to_be_visible()
    assert page.evaluate(COLOUR_IN_A_DIALOG) == colour
