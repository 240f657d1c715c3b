"""How quickly the pages answer on a run of 10,000 steps: `python benchmarks/large_views.py RUNS_FOLDER RUN [OTHER]`.

RUNS_FOLDER holds RUN, made by benchmarks/large_run.py, and for the Compare page OTHER. Opens each view in Chromium by its
address (TRIES times, the first not counted: caches of browser and server are warm after it), and uses it. The clock runs
in the page, from the navigation or the click to the frame in which what was asked for is there. Goals: 1.5 s to open,
0.5 s to answer. Needs playwright and Debian's chromium.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.conftest import ARGUMENTS, CHROMIUM, start_dashboard

TRIES = 5
OPEN_S, ANSWER_S = 1.5, 0.5

# What of the page's text is there, as a function to wait for; \u00a0 is a space here.
SAYS = "words => words.every(word => document.body.innerText.replaceAll('\\u00a0', ' ').includes(word))"


@dataclass(frozen=True)
class View:
    """An address, the words that it shows when it is there, and things to do with it: (name, action, words after)."""

    name: str
    address: str
    words: tuple[str, ...]
    actions: tuple[tuple[str, Callable[[Page], None], str], ...] = ()


def key(name: str) -> Callable[[Page], None]:
    return lambda page: page.keyboard.press(name)


def button(name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("button", name=name, exact=True).first.click()


def views(run: str, other: str | None) -> list[View]:
    at = f"groups?run={run}&step=5000&group=2"
    return [
        View("Run", f"run?run={run}", ("Reward over steps", "step 10,000")),
        View("Run, an older step", f"run?run={run}&step=5000", ("Groups of step 5,000",), (
            ("next step by key", key("ArrowRight"), "Groups of step 5,001"),)),
        View("Groups of a step", at, ("Group 2 of", "Colour tokens by"), (
            ("next step by key", key("ArrowRight"), "of 10,000"),)),
    ]  # fmt: skip


def seconds_to_open(page: Page, url: str, words: tuple[str, ...]) -> float:
    page.goto("about:blank")
    started = time.monotonic()
    page.goto(url, wait_until="commit")
    page.wait_for_function(SAYS, arg=list(words), polling="raf", timeout=60_000)
    return time.monotonic() - started
