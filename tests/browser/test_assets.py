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


def test_the_explanation_of_a_number_is_reached_by_keyboard(page: Page, mount: Mount) -> None:
    kpi = {"kpi": True, "key": "k", "title": "KL", "value": "0.1", "change": "", "tone": "", "note": "", "points": [],
           "alt": "Course of KL"}  # fmt: skip
    mount("live_plot.js", {"layout": "kpis", "items": [kpi | {"help": "How far."}, kpi | {"key": "n", "help": ""}]})
    page.locator("body").press("Tab")
    card = page.locator(".lab-kpi").first
    expect(card).to_be_focused()
    expect(card).to_have_accessible_description("How far.")
    expect(card).to_have_accessible_name("KL: 0.1")
    expect(page.locator(".lab-kpi-help").first).to_be_in_viewport(ratio=1)  # seen, too
    page.locator("body").press("Tab")
    expect(page.locator(".lab-kpi").nth(1)).not_to_be_focused()  # it has nothing to say


def test_a_token_of_the_list_of_extremes_is_picked_as_one_in_the_text_is(page: Page, mount: Mount) -> None:
    data = {"name": "c", "total": 2, "signed": False, "pieces": ["a", "b"], "special": [], "levels": [0, 9],
            "columns": [], "alternatives": [[], []], "listTitle": "Most extreme", "selected": None, "note": "",
            "list": [{"place": 2, "text": "b", "value": "9"}]}  # fmt: skip
    mount("token_strip.js", data)
    page.locator(".lab-strip-row").click()
    assert reports(page) == [["picked", {"token": 2}]]
