"""Searching as a person does: in three clicks or keys from the Run page, to the completion itself."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, expect

from engine.runs.hits import hits
from engine.runs.reader import RunReader
from engine.runs.search import find
from engine.runs.search_query import SearchQuery
from engine.runs.store import StoreWriter
from tests.browser.conftest import TIMEOUT_MS, Dashboard
from tests.fakes import write_fake_run
from tests.unit.runs.records import completion, group, step

expect.set_options(timeout=TIMEOUT_MS)
HEADING = re.compile(r"Group \d+ of \d+")


def search(page: Page) -> None:
    """From the Run page, once it has drawn itself, in two clicks."""
    expect(page.locator(".lab-chip").first).to_be_visible()
    page.get_by_role("link", name=re.compile("Groups")).first.click()
    page.get_by_role("radio", name=re.compile("Search")).click()


def test_all_cut_off_completions_with_positive_advantage_are_one_press_away(
    browser: Browser, launch_dashboard: Callable[[], Dashboard]
) -> None:
    dashboard = launch_dashboard()
    paths = write_fake_run(dashboard.runs, "plain", steps=3)
    totals = np.array([1.0, 0.0, 1.0])
    advantages = (totals - totals.mean()) / (totals.std(ddof=1) + 1e-4)  # about 0.577, −1.154, 0.577
    texts, ends = ("an answer that never en", "4", "5"), ("length", "eos", "length")
    rows = zip(texts, ends, totals.tolist(), advantages.tolist(), strict=True)
    with_cut = group(completions=[
        completion(text, finish_reason=end, rewards={"exact_match": total, "digit_match": 0.0}, total=total,
                   advantage=advantage)
        for text, end, total, advantage in rows
    ])  # fmt: skip
    store = StoreWriter(paths.db)
    store.commit_step(step(4, groups=[with_cut]))
    store.close()
    page = browser.new_page()
    page.goto(f"{dashboard.url}run?run=plain")
    search(page)
    page.get_by_role("button", name="Cut off but pushed up").click()
    expect(page.get_by_text("2 completions in 1 step")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Open completion"))).to_have_count(2)
    page.get_by_role("button", name="Open completion 1 of group 1 in step 4").click()
    expect(page.get_by_role("heading", name=HEADING)).to_be_visible()
    expect(page.get_by_text("an answer that never en").first).to_be_visible()


def test_every_completion_with_a_phrase_is_found_and_opened_and_hostile_text_stays_text(
    browser: Browser, launch_dashboard: Callable[[], Dashboard], tmp_path: Path
) -> None:
    dashboard = launch_dashboard()
    paths = write_fake_run(dashboard.runs, "wild", steps=12, group_size=4, hostile_text=True)
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{dashboard.url}run?run=wild")
    search(page)
    box = page.get_by_role("textbox", name="Search every completion of this run")
    box.fill("<SCRIPT>")
    box.press("Enter")
    reader = RunReader(paths.db)
    found = find(reader, SearchQuery("<script>"), seconds=60)
    expect(page.get_by_text(f"{len(found.keys)} completions in {found.steps} steps")).to_be_visible()
    expect(page.locator("mark").first).to_have_text("<script>")
    (hit,) = hits(reader, found.keys[:1])
    assert page.title() != "owned"
    assert not [url for url in asked if "example.invalid" in url]
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
        page.get_by_role("button", name="JSONL").click()
    assert len(Path(download.value.path()).read_bytes().splitlines()) == len(found.keys)
    page.keyboard.press("Escape")
    page.get_by_role("button", name=re.compile("^Open completion")).first.press("Enter")
    expect(page.get_by_role("heading", name=f"Group {hit.group_index + 1} of 6")).to_be_visible()
    expect(page).to_have_url(
        re.compile(rf"step={hit.step}\b.*completion={hit.completion_index + 1}|completion=.*step=")
    )
