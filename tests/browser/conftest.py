"""A dashboard process of its own, with an empty runs folder, and a real Chromium in front of it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from engine.runs.launch import kill_run
from engine.runs.paths import list_runs
from engine.runs.status import run_status

CHROMIUM = os.environ.get("GRPO_LAB_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
TIMEOUT_MS = 60_000  # how long an expectation may take on a busy machine; none of them is about speed


@dataclass
class Dashboard:
    """A running server. `url` ends with a slash."""

    process: "subprocess.Popen[str]"
    url: str
    runs: Path

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def start_dashboard(runs: Path) -> Dashboard:
    process = subprocess.Popen(
        [sys.executable, "-m", "dashboard", "--port", "0", "--no-browser"], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "GRPO_LAB_RUNS": str(runs)},
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if match := re.search(r"http://[^/]+/", line):
            return Dashboard(process, match[0], runs)
    raise AssertionError("the dashboard ended without printing its address")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


@pytest.fixture
def launch_dashboard(tmp_path: Path) -> Iterator[Callable[[], Dashboard]]:
    """Starts dashboards on one runs folder, and ends them and every engine after the test."""
    started: list[Dashboard] = []

    def start() -> Dashboard:
        started.append(start_dashboard(tmp_path / "runs"))
        return started[-1]

    yield start
    for paths in list_runs(tmp_path / "runs"):
        if run_status(paths).is_live:
            kill_run(paths, grace_s=0.0)
    for dashboard in started:
        dashboard.kill()


@pytest.fixture
def dashboard(launch_dashboard: Callable[[], Dashboard]) -> Dashboard:
    return launch_dashboard()


def note_error(page: Page, message: ConsoleMessage) -> None:
    """Keep what the console calls an error, but for Streamlit's search for its server below a deep link's path."""
    if message.type == "error" and "/_stcore/" not in message.location.get("url", ""):
        page.console_errors.append(message.text)  # type: ignore[attr-defined]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.console_errors = []  # type: ignore[attr-defined]
    page.on("console", lambda message: note_error(page, message))
    page.on("pageerror", lambda error: page.console_errors.append(str(error)))  # type: ignore[attr-defined]
    yield page
    context.close()
