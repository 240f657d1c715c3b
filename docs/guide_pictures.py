"""Makes the runs and takes the pictures of docs/guide.md: `python docs/guide_pictures.py RUNS_FOLDER`.

RUNS_FOLDER gets the three runs of the guide unless it holds them (some minutes of training). Writes docs/guide-*.png,
1440 pixels wide, and prints the numbers that the guide quotes. Needs playwright and Debian's chromium.
"""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.config import RunConfig
from engine.config_io import parse_config
from engine.presets import REWARD_HACKING
from engine.runs.fork import fork_run
from engine.runs.launch import start_run
from engine.runs.paths import RunPaths, list_runs, read_config
from engine.runs.reader import RunReader
from engine.runs.search import find
from engine.runs.search_query import SearchQuery
from engine.runs.status import run_status
from tests.browser.conftest import ARGUMENTS, CHROMIUM, start_dashboard
from tests.waiting import wait_until

HERE = Path(__file__).parent
FORK_AT, BETA = 25, 0.3
STEP, GROUP = 5, 7  # a right sum that was pushed down
NAMES = ("reward hacking", "sums count", "held near the reference")


def changed(name: str, change: Callable[[dict], None], base: RunConfig = REWARD_HACKING) -> RunConfig:
    raw = {**json.loads(json.dumps(base.model_dump(mode="json"))), "name": name}
    raw["checkpoint"] |= {"every": 25, "keep": 10}
    change(raw)
    return parse_config(raw)


def make_runs(root: Path) -> dict[str, RunPaths]:
    """The experiment; the run in which right sums count; and a fork of the first with a KL penalty."""
    first = trained(root, NAMES[0], lambda: start_run(root, changed(NAMES[0], lambda raw: None)).run_id)
    sums = changed(NAMES[1], lambda raw: raw["rewards"][1].update(weight=1.0))
    second = trained(root, NAMES[1], lambda: start_run(root, sums).run_id)
    held = changed(NAMES[2], lambda raw: raw["loss"].update(beta=BETA))
    third = trained(root, NAMES[2], lambda: fork_run(root, first.run_id, FORK_AT, held).run_id)
    return dict(zip(NAMES, (first, second, third), strict=True))


def trained(root: Path, name: str, start: Callable[[], str]) -> RunPaths:
    """The run of this name in the folder, else one that is started and waited for."""
    for paths in list_runs(root):
        if read_config(paths).name == name:
            return paths
    paths = RunPaths(root / start())
    wait_until(lambda: not run_status(paths).is_live, f"the end of {name}", timeout_s=900)
    return paths


def picture(
    page: Page, name: str, url: str, ready: str, height: int, act: Callable[[Page], None] | None = None
) -> None:
    """docs/guide-NAME.png of an address, once these words are there."""
    page.set_viewport_size({"width": 1440, "height": height})
    page.goto(url)
    expect(page.get_by_text(re.compile(ready)).first).to_be_visible(timeout=60_000)
    settle(page)
    if act is not None:
        act(page)
        settle(page)
    page.screenshot(path=HERE / f"guide-{name}.png")


def settle(page: Page) -> None:
    """Until fonts and charts are there, which come after the page."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(2500)


def main(root: Path) -> int:
    os.environ["GRPO_LAB_RUNS"] = str(root)
    runs = make_runs(root)
    dashboard = start_dashboard(root)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            take_pictures(browser.new_page(), dashboard.url, *(paths.run_id for paths in runs.values()))
            browser.close()
    finally:
        dashboard.kill()
    for line in quoted_numbers(runs):
        print(line)
    return 0


def take_pictures(page: Page, url: str, hacked: str, sums: str, held: str) -> None:
    all_runs = f"{hacked},{sums},{held}"
    at = f"{url}groups?run={hacked}&step={STEP}&group={GROUP}"
    picture(page, "new-run", f"{url}new_run", "what will happen|Start run", 900, choose_preset)
    picture(page, "run", f"{url}run?run={hacked}", "Held-out reward", 1500)
    picture(page, "group", at, "advantage = ", 1240)
    picture(page, "search", f"{url}groups?run={hacked}&view=search", "Wrong but pushed up", 900, wrong_but_rewarded)
    picture(page, "tokens", f"{url}groups?run={hacked}&view=tokens&step=40", "Tokens of", 1300)
    picture(page, "prompts", f"{url}groups?run={hacked}&view=prompts", "prompts in steps", 700)
    picture(page, "what-if", f"{at}&panel=what_if", "The whole run", 2420, let_sums_count)
    picture(page, "fork", f"{url}run?run={hacked}&step={FORK_AT}", "Held-out reward", 900, ask_to_fork)
    picture(page, "compare", f"{url}compare?runs={all_runs}", "KL to reference", 1240)
    picture(page, "reward-over-kl", f"{url}compare?runs={all_runs}&view=kl", "KL", 900)
    picture(page, "evaluations", f"{url}compare?runs={all_runs}&view=evaluations", "paired", 1000)
    picture(page, "runs", url, "Select a run", 560, as_a_tree)


def choose_preset(page: Page) -> None:
    page.get_by_role("button", name="Reward hacking").first.click()


def wrong_but_rewarded(page: Page) -> None:
    page.get_by_role("button", name="Wrong but pushed up").click()


def let_sums_count(page: Page) -> None:
    """Train on the monitor, too: the button beside its weight."""
    page.get_by_role("button", name="1", exact=True).click()


def ask_to_fork(page: Page) -> None:
    page.get_by_role("button", name="Fork…").click()
    page.get_by_role("textbox", name="KL weight β").fill(str(BETA))
    page.get_by_role("dialog").get_by_text("Fork this run").click()  # out of the field, which takes the value


def as_a_tree(page: Page) -> None:
    page.get_by_text("As a tree").first.click()


def quoted_numbers(runs: dict[str, RunPaths]) -> list[str]:
    """What the text of the guide quotes, so that it can be compared."""
    lines = []
    for name, paths in runs.items():
        found = RunReader(paths.db).evaluations()
        course = ", ".join(
            f"{step}: {value:.1%}" for step, value in zip(found["step"], found["pass_at_1"], strict=True)
        )
        lines.append(f"{name}: held-out pass@1 {course}")
    reader = RunReader(runs[NAMES[0]].db)
    for word, query in (
        ("wrong but pushed up", SearchQuery(passed=False, advantage="positive")),
        ("right and pushed down", SearchQuery(passed=True, advantage="negative")),
    ):
        result = find(reader, query, seconds=60)
        lines.append(f"{word}: {len(result.keys)} completions in {result.steps} steps")
    return lines


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
