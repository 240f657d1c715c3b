"""Moving by keyboard in a real browser: no press is lost or counted twice, the ends are ends, and typing is typing."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from dashboard.views.completion_table import by_reward
from dashboard.views.step_groups import listed
from engine.runs.lease import Lease
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.store import StoreWriter
from tests.browser.conftest import TIMEOUT_MS, Dashboard
from tests.fake_records import FakeRun
from tests.fakes import VERSIONS, fake_config, write_fake_run, write_step

pytestmark = pytest.mark.slow
expect.set_options(timeout=TIMEOUT_MS)
STEPS = 20


def open_groups(page: Page, dashboard: Dashboard, run_id: str, query: str) -> None:
    page.goto(f"{dashboard.url}groups?run={run_id}&{query}")
    expect(page.locator(".lab-keys")).to_contain_text("step")
    expect(page.locator('.lab-group[aria-pressed="true"]')).to_be_visible()


def expect_url(page: Page, **values: int | str | None) -> None:
    """These keys of the URL, None for one that is not there."""
    wanted = {key: None if value is None else [str(value)] for key, value in values.items()}
    page.wait_for_url(lambda url: wanted.items() <= ({k: None for k in wanted} | parse_qs(urlsplit(url).query)).items())


def press(page: Page, *names: str) -> None:
    """One after the other, as fast as the browser takes them."""
    for name in names:
        page.keyboard.press(name)


@pytest.fixture
def run(dashboard: Dashboard) -> RunReader:
    paths = write_fake_run(dashboard.runs, "done", steps=STEPS, prompts=10)
    return RunReader(paths.db)


def order(reader: RunReader, step: int) -> list[int]:
    """The groups of a step as they are listed, from 1."""
    return (listed(reader.groups(step), "every group")["group_index"] + 1).tolist()


def test_five_quick_presses_move_five_groups_and_at_the_ends_nothing_moves(
    page: Page, dashboard: Dashboard, run: RunReader
) -> None:
    groups = order(run, 8)
    open_groups(page, dashboard, "done", f"step=8&group={groups[0]}")
    press(page, *["ArrowDown"] * 5)
    expect_url(page, step=8, group=groups[5])
    marked = page.locator('.lab-group[aria-pressed="true"]')
    expect(marked).to_have_attribute("title", re.compile(f"^Group {groups[5]}:"))
    press(page, "k", "k", "ArrowUp", "j")
    expect_url(page, step=8, group=groups[3])
    press(page, *["j"] * 30)
    expect_url(page, step=8, group=groups[-1])
    press(page, "ArrowDown", "ArrowUp")  # the first does nothing at the end, so the second moves one up
    expect_url(page, step=8, group=groups[-2])
    assert page.console_errors == []  # type: ignore[attr-defined]


def test_steps_completions_and_mixed_presses_arrive_where_they_point(
    page: Page, dashboard: Dashboard, run: RunReader
) -> None:
    open_groups(page, dashboard, "done", "step=8")
    press(page, *["ArrowRight"] * 4)
    expect_url(page, step=12, group=None)
    press(page, "ArrowRight", "j", "j", "]", "]", "]")  # a step whose groups the page has not drawn yet
    first = next(i for i, kind in enumerate(run.groups(13)["kind"]) if kind == "mixed") + 1
    groups = order(run, 13)
    group = groups[groups.index(first) + 2]
    completions = (by_reward(run.completions(13, group - 1))["completion_index"] + 1).tolist()
    expect_url(page, step=13, group=group, completion=completions[3])
    expect(page.get_by_role("combobox", name="Tokens of completion")).to_have_value(re.compile(f"^#{completions[3]} "))
    press(page, "[")
    expect_url(page, step=13, group=group, completion=completions[2])
    expect(page.get_by_role("combobox", name="Tokens of completion")).to_have_value(re.compile(f"^#{completions[2]} "))
    press(page, "f")
    expect_url(page, step=None, group=None, completion=None)
    press(page, *["ArrowRight"] * 3, "ArrowLeft")
    expect_url(page, step=STEPS - 1)


def test_keys_in_a_field_are_typed_and_with_a_modifier_the_browsers(
    page: Page, dashboard: Dashboard, run: RunReader
) -> None:
    open_groups(page, dashboard, "done", "step=8&group=2")
    field = page.get_by_label("Step", exact=True).last
    field.focus()
    press(page, "ArrowUp", "j")
    assert field.input_value() == "9"
    field.blur()  # which goes to step 9
    expect(page.get_by_role("group", name="Groups of step 9")).to_be_visible()  # the URL knows it before the keys do
    press(page, "Control+ArrowDown", "Alt+j", "Shift+ArrowDown")
    press(page, "ArrowLeft")
    expect_url(page, step=8, group=None)


def test_letters_move_after_a_click_on_a_choice_whose_arrows_are_its_own(
    page: Page, dashboard: Dashboard, run: RunReader
) -> None:
    groups = order(run, 8)
    open_groups(page, dashboard, "done", f"step=8&group={groups[0]}")
    page.get_by_text("Compare two").click()
    expect(page.get_by_role("button", name=re.compile("^Hold #"))).to_be_visible()
    press(page, "j", "j")
    expect_url(page, step=8, group=groups[2], panel="diff")
    press(page, "l", "l", "h")
    expect_url(page, step=9, group=None, panel="diff")


def test_the_list_of_keys_opens_with_a_question_mark_and_closes(
    page: Page, dashboard: Dashboard, run: RunReader
) -> None:
    open_groups(page, dashboard, "done", "step=8&group=2")
    press(page, "?")
    box = page.get_by_role("dialog", name="Keys")
    expect(box).to_contain_text("previous, next group of the list")
    press(page, "j")  # nothing moves behind it
    press(page, "Escape")
    expect(box).to_be_hidden()
    press(page, "ArrowLeft")
    expect_url(page, step=7)


def test_on_the_run_page_keys_move_through_steps_and_back_from_groups_the_step_stays(
    page: Page, dashboard: Dashboard, run: RunReader
) -> None:
    page.goto(f"{dashboard.url}run?run=done&step=8")
    expect(page.locator(".lab-keys")).to_contain_text("step")
    press(page, *["ArrowLeft"] * 5)
    expect_url(page, step=3)
    open_groups(page, dashboard, "done", "step=8")
    press(page, "ArrowRight", "ArrowRight")
    expect_url(page, step=10)
    page.get_by_role("link", name="Back to the run").click()
    page.wait_for_url(re.compile(r"/run\?.*step=10"))


@contextmanager
def growing(paths: RunPaths, pause_s: float) -> Iterator[RunReader]:
    """A run that gets a step each `pause_s`, as from an engine, until the block ends."""
    config, ended = fake_config(name="live", steps=5000, prompts=10), threading.Event()

    def work() -> None:
        with Lease(paths.lock):
            store = StoreWriter(paths.db)
            store.begin_attempt(store.last_step(), VERSIONS)
            while not ended.wait(pause_s):
                write_step(store, FakeRun(config), store.last_step() + 1)
            store.end_attempt("stopped")
            store.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield RunReader(paths.db)
    finally:
        ended.set()
        thread.join()


def test_while_the_run_is_live_five_quick_presses_move_five_groups_of_the_step_that_was_shown(
    page: Page, dashboard: Dashboard
) -> None:
    paths = write_fake_run(
        dashboard.runs, "live", steps=3, config=fake_config(name="l", steps=5000, prompts=10), outcome=None
    )
    with growing(paths, 0.2) as reader:
        open_groups(page, dashboard, "live", "")
        for _ in range(3):
            press(page, *["ArrowDown"] * 5)
            page.wait_for_url(re.compile(r"step=\d+.*group=|group=.*step=\d+"))
            found = {key: int(values[0]) for key, values in parse_qs(urlsplit(page.url).query).items() if key != "run"}
            kinds = reader.groups(found["step"])["kind"].tolist()
            first = next(index for index, kind in enumerate(kinds) if kind == "mixed") + 1
            groups = order(reader, found["step"])
            place = min(groups.index(first) + 5, len(groups) - 1)
            expect_url(page, step=found["step"], group=groups[place])
            press(page, "f")
            expect_url(page, step=None, group=None)
