"""Hostile text on every page and view, in a real browser: nothing runs, nothing is fetched, the layout holds."""

import json
import re
from dataclasses import replace
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from engine.runs.notes import change_notes
from engine.runs.paths import RunPaths
from engine.runs.saved_filters import save_filter
from engine.runs.search_query import SearchQuery
from engine.runs.store import StoreWriter
from tests.browser.conftest import TIMEOUT_MS, Dashboard
from tests.fake_records import HOSTILE
from tests.fakes import write_fake_run
from tests.unit.runs.records import completion, group, step

pytestmark = pytest.mark.slow
expect.set_options(timeout=TIMEOUT_MS)
STEPS = 26
LONG = "x" * 1_000_000  # without a space
NAME = "<img src=x onerror=\"document.title='owned'\"> [a](javascript:1) $\\alpha$ **b**"
WILD = quote("<script>document.title='owned'</script>[x](http://example.invalid) $\\frac{1}{0}$")

PAGES = (
    "", "run?run=a", f"run?run=a&step={WILD}", f"groups?run=a&step={STEPS}&group=1", "groups?run=a&step=3&group=2",
    *(f"groups?run=a&step={STEPS}&group=1&panel={panel}" for panel in ("tokens", "diff", "history", "what_if")),
    "groups?run=a&view=search&q=script", f"groups?run=a&view=search&q={WILD}&filters={WILD}",
    "groups?run=a&view=search&q=xxxx", "groups?run=a&view=prompts", "groups?run=a&view=tokens&step=3",
    *(f"compare?runs=a,b&view={view}" for view in ("curves", "settings", "kl", "answers", "evaluations")),
    f"compare?runs=a,b,{WILD}&metric={WILD}&x={WILD}&smoothing={WILD}&prompt={WILD}",
    "new_run?clone=a", f"new_run?clone=a&set={WILD}", f"new_run?fork={WILD}&step=2",
)  # fmt: skip


@pytest.fixture
def runs(dashboard: Dashboard) -> list[RunPaths]:
    """Two runs with hostile names, notes, prompts, completions and vocabulary; the last step has texts of 1 MB."""
    made = []
    for run_id in "ab":
        paths = write_fake_run(dashboard.runs, run_id, steps=STEPS - 1, hostile_text=True)
        raw = json.loads(paths.config.read_text())
        paths.config.write_text(json.dumps({**raw, "name": NAME[:80]}))
        change_notes(paths, tags=(NAME[:30],), note=HOSTILE[0] * 20, pinned=True)
        with_long = [completion(LONG, advantage=0.0), completion("\u202e" + HOSTILE[1] + LONG[:5000], advantage=0.0)]
        store = StoreWriter(paths.db)
        store.commit_step(step(STEPS, groups=[replace(group(completions=with_long), prompt=LONG, reference=LONG)]))
        store.close()
        made.append(paths)
    save_filter(dashboard.runs, HOSTILE[0][:40], SearchQuery("x"))
    return made


def test_nothing_runs_nothing_is_fetched_and_the_layout_holds(
    page: Page, dashboard: Dashboard, runs: list[RunPaths]
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for width in (1440, 1024):
        page.set_viewport_size({"width": width, "height": 900})
        for address in PAGES:
            page.goto(dashboard.url + address)
            expect(page.get_by_role("link", name="Compare", exact=True)).to_be_visible()
            page.wait_for_load_state("networkidle")
            expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
            assert page.title() != "owned", address
            assert page.get_by_test_id("stException").count() == 0, address
            assert hostile_elements(page) == [], address
            assert too_wide(page) <= 0, f"{address} is {too_wide(page)} pixels too wide at {width}"
    home = re.compile(r"^(ws|http)://127\.0\.0\.1:\d+/|^data:|^blob:")
    assert [url for url in asked if not home.match(url) or "pixel" in url] == []


def hostile_elements(page: Page) -> list[str]:
    """Elements that only text of a model or a person can have made."""
    return page.evaluate(
        "() => [...document.querySelectorAll('img, a, script, b')].map(node => node.outerHTML).filter(html =>"
        " html.includes('example.invalid') || html.includes('javascript:') || html.includes('owned'))"
    )


def too_wide(page: Page) -> int:
    """Pixels by which the page would have to be scrolled sideways."""
    return page.evaluate(
        "() => Math.max(document.documentElement.scrollWidth - innerWidth,"
        " ...[...document.querySelectorAll('[data-testid=stMain]')].map(main => main.scrollWidth - main.clientWidth))"
    )
