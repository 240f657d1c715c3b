"""How long until the first step's groups are on the screen: `python benchmarks/first_groups.py`.

Runs `grpo-lab demo` as a user would, opens its page in Chromium at once, and stops the clock when the page shows the
groups of a step. Goal: 15 s. Needs playwright and Debian's chromium.
"""

import os
import re
import subprocess
import sys
import tempfile
import time

from playwright.sync_api import expect, sync_playwright

CHROMIUM = os.environ.get("GRPO_LAB_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
]


def main() -> int:
    with tempfile.TemporaryDirectory() as runs, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        started = time.monotonic()
        demo = subprocess.Popen(
            [sys.executable, "-m", "engine.cli", "--no-browser", "demo"],
            env={**os.environ, "GRPO_LAB_RUNS": runs}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            page.goto(_address(demo), timeout=60_000)
            print(f"page served after {time.monotonic() - started:.1f} s")
            expect(page.locator("button.lab-group").first).to_be_visible(timeout=60_000)
            seconds = time.monotonic() - started
        finally:
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "engine.cli",
                    "stop",
                    next(name for name in os.listdir(runs) if name.startswith("learn")),
                ],
                env={**os.environ, "GRPO_LAB_RUNS": runs},
                check=False,
            )
            demo.terminate()
            demo.wait()
    print(f"first groups after {seconds:.1f} s (goal: 15 s)")
    return 0 if seconds <= 15 else 1


def _address(process: "subprocess.Popen[str]") -> str:
    """The first address that the dashboard prints."""
    assert process.stdout is not None
    for line in process.stdout:
        if match := re.search(r"http://\S+", line):
            return match[0]
    raise SystemExit("the dashboard ended without printing its address")


if __name__ == "__main__":
    sys.exit(main())
