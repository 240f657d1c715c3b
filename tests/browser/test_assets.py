"""Components of dashboard/assets in a browser, without a dashboard: each is a module that draws what it is given."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import plotly
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from dashboard.style import asset
from tests.browser.conftest import TIMEOUT_MS

pytestmark = pytest.mark.slow
expect.set_options(timeout=TIMEOUT_MS)
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
FIGURE = orjson.dumps({"data": [{"type": "bar", "x": [1], "y": [1], "customdata": [[7]]}], "layout": {}}).decode()
NOT_LOADED = "The chart could not be drawn: plotly.js did not load. Reload the page."
MOUNT = """async ([source, data]) => {
  const made = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const box = document.querySelector("main");
  window.reports = [];
  const setTriggerValue = (name, value) => window.reports.push([name, value]);
  window.show = (data) => made.default({ data, parentElement: box, setTriggerValue });
  window.show(data);
}"""
Mount = Callable[[str, dict[str, Any]], None]


@pytest.fixture
def mount(page: Page) -> Mount:
    """Puts a component on an otherwise empty page, with the rules of lab.css; plotly.js loads."""
    html = f"<!doctype html><html lang=en><style>{asset('lab.css')}</style><main style='width: 900px'></main></html>"
    page.route("http://lab.test/", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.route("**/plotly.min.js", lambda route: route.fulfill(path=PLOTLY, content_type="text/javascript"))
    page.goto("http://lab.test/")
    return lambda name, data: page.evaluate(MOUNT, [asset(name), data])


def show(page: Page, data: dict[str, Any]) -> None:
    page.evaluate("data => window.show(data)", data)


def reports(page: Page) -> Any:
    return page.evaluate("window.reports")


def board(**changes: Any) -> dict[str, Any]:
    """The data of a board with one chart."""
    chart = {"key": "c", "title": "T", "note": "", "figure": FIGURE, "height": 200, "sentence": "", "alt": "T."}
    return {"layout": "charts", "items": [chart | changes]}


def bar(page: Page) -> Locator:
    return page.locator(".bars path").first


def test_a_chart_without_plotly_says_so_and_is_drawn_when_it_loads_with_the_next_data(page: Page, mount: Mount) -> None:
    def fail(route: Route) -> None:
        route.abort()

    page.route("**/plotly.min.js", fail)
    mount("live_plot.js", board())
    sentence = page.locator(".lab-chart-sentence")
    expect(sentence).to_have_text(NOT_LOADED)
    page.unroute("**/plotly.min.js", fail)
    show(page, board())
    expect(bar(page)).to_be_visible()
    expect(sentence).to_have_text("")


def test_a_chart_that_was_a_sentence_meanwhile_still_reports_clicks_once(page: Page, mount: Mount) -> None:
    mount("live_plot.js", board())
    expect(bar(page)).to_be_visible()
    show(page, board(figure=None, sentence="Nothing yet."))
    expect(bar(page)).to_have_count(0)
    show(page, board())
    expect(bar(page)).to_be_visible()
    page.locator(".nsewdrag").click()
    page.wait_for_function("window.reports.length > 0")
    assert reports(page) == [["clicked", {"chart": "c", "x": 1, "data": [7]}]]


def test_what_was_typed_into_the_step_box_becomes_the_step_that_is_shown(page: Page, mount: Mount) -> None:
    data = {"newest": 8, "oldest": 1, "step": 3, "follow": False, "live": True}
    mount("scrubber.js", data)
    box = page.get_by_role("spinbutton")
    box.fill("9999")
    box.press("Enter")
    assert reports(page) == [["moved", {"step": 8}]]
    expect(box).to_have_value("8")
    box.fill("2")
    show(page, data | {"newest": 9})  # what is being typed is left alone
    expect(box).to_have_value("2")


KEYS = {"step": 4, "oldest": 1, "newest": 9, "group": 2, "groups": [1, 2, 3], "completion": None, "completions": [],
        "has": ["group"], "follow": False, "seen": ""}  # fmt: skip
WIDE = """() => document.body.insertAdjacentHTML("beforeend",
  `<div class="lab-cards" tabindex="0"><div style="flex: 0 0 3000px; height: 50px"><button>inside</button></div></div>`)
"""


@pytest.mark.parametrize("focused", [".lab-cards", ".lab-cards button"])
def test_arrows_that_scroll_a_box_move_no_step_and_the_other_arrows_still_move(
    page: Page, mount: Mount, focused: str
) -> None:
    mount("keys.js", KEYS)
    page.evaluate(WIDE)
    cards = page.locator(".lab-cards")
    page.locator(focused).focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.lab-cards').scrollLeft > 0")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("window.reports.length > 0")
    ((_, report),) = reports(page)
    assert (report["step"], report["group"]) == (4, 3)
    cards.evaluate("cards => cards.scrollLeft = 0")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("window.reports.length > 1")
    assert reports(page)[1][1]["step"] == 5
