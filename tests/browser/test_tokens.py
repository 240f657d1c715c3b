"""The token views in a real browser: the token that carries most KL in three clicks, by keyboard, and as text only."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from engine.runs.reader import RunReader
from tests.browser.conftest import TIMEOUT_MS, Dashboard
from tests.fakes import write_fake_run

pytestmark = pytest.mark.slow
expect.set_options(timeout=TIMEOUT_MS)


def test_the_token_that_carries_most_kl_is_three_clicks_from_the_run_page(page: Page, dashboard: Dashboard) -> None:
    paths = write_fake_run(dashboard.runs, "done", steps=3)
    found = RunReader(paths.db).step_tokens(3)
    group, completion = max(found, key=lambda key: float(found[key].kl.max()))  # type: ignore[union-attr]
    place = int(np.argmax(found[group, completion].kl)) + 1
    page.goto(f"{dashboard.url}run?run=done")
    page.locator("button.lab-group").first.click()
    page.get_by_role("radio", name="Tokens of the step").click()
    first = page.locator("button.lab-token-row").first
    expect(first).to_contain_text(f"group {group + 1} · completion {completion + 1} · token {place}")
    first.click()
    page.wait_for_url(re.compile(rf"(?=.*completion={completion + 1})(?=.*token={place})"))
    chosen = page.locator(".lab-token[aria-selected=true]")
    expect(chosen).to_have_count(1)
    expect(chosen).to_be_in_viewport()
    assert chosen.get_attribute("data-place") == str(place - 1)
    expect(page.locator(".lab-strip-details")).to_contain_text(f"Token {place} of ")
    assert page.console_errors == []  # type: ignore[attr-defined]


def test_arrow_keys_go_from_token_to_token_and_the_numbers_follow(page: Page, dashboard: Dashboard) -> None:
    write_fake_run(dashboard.runs, "done", steps=3)
    page.goto(f"{dashboard.url}groups?run=done&step=3&group=1&completion=1&token=1")
    details = page.locator(".lab-strip-details")
    expect(details).to_contain_text("Token 1 of ")
    page.locator(".lab-strip-text").focus()
    page.keyboard.press("ArrowRight")
    expect(details).to_contain_text("Token 2 of ")
    expect(details).to_contain_text("Likeliest here when it was sampled:")
    page.keyboard.press("End")
    expect(details).to_contain_text("special token")
    page.keyboard.press("Home")
    expect(details).to_contain_text("Token 1 of ")
    page.keyboard.press("End")
    page.keyboard.press("Enter")  # like a click: into the URL
    page.wait_for_url(re.compile(r"token=(?!1$)"))
    assert "step=3" in page.url  # the keys moved tokens, not steps or groups


def test_the_numbers_and_alternatives_of_a_token_stand_in_its_tooltip(page: Page, dashboard: Dashboard) -> None:
    write_fake_run(dashboard.runs, "done", steps=3)
    page.goto(f"{dashboard.url}groups?run=done&step=3&group=1&completion=1")
    token = page.locator(".lab-token").first
    token.hover()
    expect(token).to_have_attribute("title", re.compile(r"token 1: .*Token KL .*Push .* % · .* %", re.S))


def test_hostile_tokens_are_text_in_both_views(page: Page, dashboard: Dashboard) -> None:
    write_fake_run(dashboard.runs, "wild", steps=3, hostile_text=True)
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    for address, wanted in (
        ("groups?run=wild&view=tokens&step=3", ".lab-token-row .lab-mono"),
        ("groups?run=wild&step=3&group=1&completion=1&token=1", ".lab-token"),
    ):
        page.goto(f"{dashboard.url}{address}")
        expect(page.locator(wanted).first).to_be_visible()
        for inside in ("img", "script", "a", "b"):
            assert page.locator(f".lab-token-list {inside}, .lab-strip {inside}").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert "owned" not in page.title()
    assert not [url for url in fetched if "example.invalid" in url]
    assert page.console_errors == []  # type: ignore[attr-defined]
