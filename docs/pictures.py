"""Takes the pictures of a run that the docs show: `python docs/pictures.py ADDRESS RUN PREFIX [STEP GROUP]`.

ADDRESS is that of a running dashboard, such as http://127.0.0.1:8501/. Writes PREFIX-run.png and PREFIX-group.png
beside this file, 1440 pixels wide. Needs playwright and Debian's chromium.
"""

import os
import re
import sys
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = os.environ.get("GRPO_LAB_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--disable-sync"]
HERE = Path(__file__).parent


def main(address: str, run: str, prefix: str, step: int = 0, group: int = 1) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 1900})
        page.goto(f"{address}run?run={run}")
        expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=60_000)
        expect(page.locator("button.lab-group").first).to_be_visible(timeout=60_000)
        settle(page)
        page.screenshot(path=HERE / f"{prefix}-run.png")
        page.set_viewport_size({"width": 1440, "height": 1240})  # eight completions and the tokens of one
        where = f"&step={step}&group={group}" if step else f"&group={group}"
        page.goto(f"{address}groups?run={run}{where}")
        expect(page.get_by_text(re.compile("Group .* of"))).to_be_visible(timeout=60_000)
        settle(page)
        page.screenshot(path=HERE / f"{prefix}-group.png", full_page=True)
        browser.close()


def settle(page: Page) -> None:
    """Until no chart has changed for a second: fonts and charts come after the page."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(2000)


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:6]))
