"""Colours follow the theme, also where dialogs are: outside of Streamlit's page, beside it in the body."""

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import TIMEOUT_MS, Dashboard
from tests.fakes import write_fake_run

pytestmark = pytest.mark.slow

HAS_COLOUR_IN_A_DIALOG = """(colour) => {
  const probe = document.createElement("div");
  probe.style.color = "var(--lab-bad)";
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found === colour;
}"""


@pytest.mark.parametrize(("scheme", "colour"), [("light", "rgb(179, 54, 31)"), ("dark", "rgb(255, 138, 112)")])
def test_what_is_bad_is_told_in_the_red_of_the_theme(page: Page, dashboard: Dashboard, scheme, colour) -> None:
    write_fake_run(dashboard.runs, "done", steps=2)
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{dashboard.url}run?run=done")
    page.wait_for_function(HAS_COLOUR_IN_A_DIALOG, arg=colour, timeout=TIMEOUT_MS)  # the style comes with the page
    assert page.evaluate(HAS_COLOUR_IN_A_DIALOG, colour)
