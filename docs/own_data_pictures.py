"""Walks from a JSONL file and an idea to a checked run, and takes the pictures of docs/own-data.md on the way.

`python docs/own_data_pictures.py RUNS_FOLDER`, with an empty folder: trains one run (about half a minute). Writes
docs/own-*.png and prints the numbers that the text quotes. Needs playwright and Debian's chromium.
"""

import json
import os
import re
import sys
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.preflight.result import read_result
from engine.runs.paths import list_runs
from engine.runs.reader import RunReader
from engine.runs.status import run_status
from tests.browser.conftest import ARGUMENTS, CHROMIUM, start_dashboard
from tests.browser.places import nav
from tests.waiting import wait_until

HERE = Path(__file__).parent
expect.set_options(timeout=60_000)
IDEA = '''def reward(completion: str, answer: str) -> float:
    """1 where the right sum stands in what was written."""
    return 1.0 if answer in completion else 0.0
'''
BETTER = '''def reward(completion: str, answer: str) -> float:
    """1 for the right sum and nothing else, a quarter for the right first digit."""
    said = completion.strip()
    if said == answer:
        return 1.0
    return 0.25 if said[:1] == answer[:1] else 0.0
'''


def write_sums(path: Path) -> Path:
    """400 sums, as somebody would have them in a file."""
    rows = [{"question": f"{a}+{b}=", "answer": str(a + b)} for a in range(11, 51) for b in range(40, 60, 2)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_and_check(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Python").fill(text)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("One completion at a time: ")).to_be_visible()


def picture(page: Page, name: str, height: int) -> None:
    page.set_viewport_size({"width": 1440, "height": height})
    page.mouse.move(0, 0)  # over a chart it would show the chart's tools
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(2500)  # fonts and charts come after the page
    page.screenshot(path=HERE / f"own-{name}.png")


def walk(page: Page, url: str, root: Path) -> None:
    page.goto(f"{url}new_run")
    page.get_by_text("Data", exact=True).click()
    page.get_by_role("radio", name="Upload").click()
    page.locator("input[type=file]").first.set_input_files(write_sums(root / "sums.jsonl"))
    expect(page.get_by_text("400 rows, 2 columns")).to_be_visible()
    picture(page, "file", 1500)
    nav(page, "Rewards").click()
    write_and_check(page, IDEA)
    picture(page, "write", 900)
    check(page)
    picture(page, "holes", 1500)
    page.get_by_role("button", name="Edit it").click()
    write_and_check(page, BETTER)
    check(page)
    expect(page.get_by_text(re.compile("^Sound: "))).to_be_visible()
    picture(page, "sound", 1500)
    page.get_by_role("button", name="Use in a new run").click()
    page.wait_for_url(re.compile("/new_run"))
    page.get_by_role("button", name="Pre-flight", exact=True).click()
    expect(page.get_by_text("A look ahead, and not a run")).to_be_visible()
    expect(page.locator(".js-plotly-plot .trace").first).to_be_visible()
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 400)")
    picture(page, "preflight", 1700)
    page.get_by_role("button", name="Start run").click()
    page.wait_for_url(re.compile(r"/run\?run="))
    (paths,) = list_runs(root)
    wait_until(lambda: not run_status(paths).is_live, "the end of the run", timeout_s=600)
    page.reload()
    expect(page.get_by_text("Held-out reward")).to_be_visible()
    picture(page, "run", 1500)


def check(page: Page) -> None:
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_role("heading", name="Ways to earn it without solving the task")).to_be_visible()


def main(root: Path) -> int:
    root.mkdir(parents=True, exist_ok=True)
    os.environ["GRPO_LAB_RUNS"] = str(root)
    dashboard = start_dashboard(root)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            page = browser.new_page()
            page.set_default_timeout(60_000)
            walk(page, dashboard.url, root)
            browser.close()
    finally:
        dashboard.kill()
    (paths,) = list_runs(root)
    reader = RunReader(paths.db)
    found, steps = reader.evaluations(), reader.steps(columns=("frac_reward_zero_std", "step_time"))
    dead = steps["frac_reward_zero_std"]
    print(f"{steps['step_time'].sum():.0f} s of steps; dead groups: {dead[:20].mean():.0%} of the first 20 steps,")
    print(f"{dead[-10:].mean():.0%} of the last 10")
    print([f"{step}: {value:.1%}" for step, value in zip(found["step"], found["pass_at_1"], strict=True)])
    for file in (root / ".preflight").glob("*/preflight.json"):
        print(
            {
                size: f"{i.value:.0%}, {i.low:.0%} to {i.high:.0%}"
                for size, i in read_result(file).forecast.shares.items()
            }
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
