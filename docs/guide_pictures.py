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

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from engine.config import RunConfig
from engine.config_io import parse_config
from engine.presets import REWARD_HACKING
from engine.runs.fork import fork_run
from engine.runs.launch import start_run
from engine.runs.paths import RunPaths, list_runs, read_config
from engine.runs.reader import RunReader
from engine.runs.status import run_status
from tests.browser.conftest import ARGUMENTS, CHROMIUM, start_dashboard
from tests.waiting import wait_until

FORK_AT, BETA = 25, 0.3
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


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
