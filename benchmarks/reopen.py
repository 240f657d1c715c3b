"""How soon a reopened page tells the truth after a `kill -9` of the engine: `python benchmarks/reopen.py`.

Starts the demo, kills its engine, opens the run's page in a new tab, and stops the clock when the page says
"interrupted". Goal: 2 s. Needs playwright and Debian's chromium.
"""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.presets import preset
from engine.runs.launch import start_run
from engine.runs.paths import open_run
from engine.runs.reader import RunReader
from tests.browser.conftest import ARGUMENTS, CHROMIUM, start_dashboard
from tests.waiting import wait_until


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        runs = Path(folder)
        dashboard = start_dashboard(runs)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        browser.new_page().goto(dashboard.url)
        paths = open_run(runs, start_run(runs, preset("learn-to-add").config).run_id)
        reader = RunReader(paths.db)
        wait_until(lambda: reader.last_step() > 3, "three steps")
        os.killpg(reader.attempts()[-1].pid, signal.SIGKILL)
        page = browser.new_page()
        started = time.monotonic()
        page.goto(f"{dashboard.url}run?run={paths.run_id}")
        expect(page.locator(".lab-chip").first).to_contain_text("interrupted", timeout=60_000)
        seconds = time.monotonic() - started
        dashboard.kill()
    print(f"the reopened page says interrupted after {seconds:.2f} s (goal: 2 s)")
    return 0 if seconds <= 2 else 1


if __name__ == "__main__":
    sys.exit(main())
