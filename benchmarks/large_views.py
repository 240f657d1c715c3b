"""How quickly the pages answer on a run of 10,000 steps: `python benchmarks/large_views.py [RUNS_FOLDER]`.

Writes the runs "big" and, for Compare, "other" where the folder has none (some four minutes; default: a temporary one),
as benchmarks/large_run.py does. Opens each view in Chromium by its address, TRIES after BEFORE others, and uses it. The
browser has a profile on disk, as a person's has: there Chromium keeps the compiled plotly.js from the third page on, in
a private window never. The clock runs from the navigation or the press to the frame in which the page shows what was
asked for. Goals: 1.5 s to open, 0.5 s to answer.
Needs playwright and Debian's chromium.
"""

import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from large_run import write_large_run

from engine.runs.paths import RunPaths
from tests.browser.conftest import ARGUMENTS, CHROMIUM, start_dashboard

BEFORE, TRIES = 3, 5  # the first ones are told apart: a new browser has compiled nothing yet
OPEN_S, ANSWER_S = 1.5, 0.5
RUN, OTHER, STEPS = "big", "other", 10_000

# Whether the page shows all of these words and not the one that has to go, and has drawn the charts that are in sight:
# at least one where the view has some at its top, since the words may come before them.
SHOWS = """([words, gone, hasCharts]) => {
  const text = (document.body?.innerText ?? "").replace(/\\s+/g, " ");
  const isDrawn = ({ plot, box }) =>
    box.height < 5 || box.bottom < 0 || box.top > innerHeight || plot.querySelector(".main-svg");
  const plots = [...document.querySelectorAll(".lab-plot")].map(
    (plot) => ({ plot, box: plot.getBoundingClientRect() }));
  return words.every((word) => text.includes(word)) && !(gone && text.includes(gone))
    && (!hasCharts || document.querySelector(".lab-plot .main-svg")) && plots.every(isDrawn);
}"""


@dataclass(frozen=True)
class Use:
    """Something to do with a view. `press`: a key; else what to `click`, as role and name.

    After it the page has the words that it `shows`, and no longer the one that is `gone`.
    """

    name: str
    shows: tuple[str, ...]
    press: str = ""
    click: tuple[str, str] = ("", "")
    gone: str = ""


@dataclass(frozen=True)
class View:
    name: str
    address: str
    shows: tuple[str, ...]
    uses: tuple[Use, ...] = ()
    has_charts: bool = False  # in the first window


def views(run: str, other: str) -> list[View]:
    of_step = f"groups?run={run}&step=5000&group=2"
    groups = f"groups?run={run}&step=5000"
    both = f"compare?runs={run},{other}"
    return [
        View("Runs", "", ("Select a run below",)),
        View("Run", f"run?run={run}", ("Groups of step 10,000", "Reward over steps"), (
            Use("next step by key", ("Groups of step 9,999",), press="ArrowLeft"),
            Use("and the next", ("Groups of step 9,998",), press="ArrowLeft")), has_charts=True),
        View("Groups of a step", of_step, ("Group 2 of 8", "Colour tokens by"), (
            Use("next group by key", (" of 8: ",), press="ArrowDown", gone="Group 2 of 8"),
            Use("panel: compare two", ("side by side",), click=("radio", "Compare two")),
            Use("panel: over time", ("Then and now",), click=("radio", "This prompt over time")),
            Use("panel: what if", ("The whole run",), click=("radio", "What if")),
            Use("what if: half a weight", ("not the same advantages",), click=("button", "½")))),
        View("Search, a phrase", f"groups?run={run}&view=search&q=zebra", ("completions in", "zebra"), (
            Use("a filter, too", ("Filters: 2 set",), click=("button", "Cut off but pushed up")),)),
        View("Prompts", f"groups?run={run}&view=prompts", ("prompts in steps",), (
            Use("always right", ("always right",), click=("radio", "always right")),)),
        View("Tokens of the step", f"{groups}&view=tokens", ("By piece of the vocabulary",), (
            Use("other measure", ("Entropy by place",), click=("radio", "Entropy")),)),
        View("Compare, curves", both, ("KL to reference", "Held-out pass@1"), has_charts=True),
        View("Compare, reward over KL", f"{both}&view=kl", ("A run starts at KL 0",), has_charts=True),
        View("Compare, settings", f"{both}&view=settings", ("settings",)),
        View("Compare, answers", f"{both}&view=answers", ("Open this group",)),
        View("Compare, evaluations", f"{both}&view=evaluations", ("Differences in",)),
    ]  # fmt: skip


def until(page: Page, words: tuple[str, ...], started: float, gone: str = "", has_charts: bool = False) -> float:
    page.wait_for_function(SHOWS, arg=[list(words), gone, has_charts], polling="raf", timeout=60_000)
    return time.monotonic() - started


def opened(page: Page, url: str, view: View) -> float:
    page.goto("about:blank")
    started = time.monotonic()
    page.goto(url + view.address, wait_until="commit")
    return until(page, view.shows, started, has_charts=view.has_charts)


def answered(page: Page, use: Use) -> float:
    role, name = use.click
    button = page.get_by_role(role, name=name).first if role else page.locator(".lab-keys")  # type: ignore[arg-type]
    button.wait_for()  # what listens to keys, or is clicked, may come after what the view was waited for
    started = time.monotonic()
    if use.press:
        page.keyboard.press(use.press)
    else:
        button.click()
    return until(page, use.shows, started, use.gone)


def line(name: str, seconds: list[float], goal: float, before: list[float] | None = None) -> str:
    told = f"  before: {', '.join(f'{first:.2f}' for first in before)}" if before else ""
    worst = max(seconds)
    return f"{name:32} median {statistics.median(seconds):5.2f}  worst {worst:5.2f}  goal {goal}{told}"


def main(folder: Path) -> int:
    os.environ["GRPO_LAB_RUNS"] = str(folder)
    for run_id in (RUN, OTHER):
        if not RunPaths(folder / run_id).db.exists():
            write_large_run(folder, run_id, STEPS)
    dashboard = start_dashboard(folder)
    try:
        with sync_playwright() as playwright, TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            browser = playwright.chromium.launch_persistent_context(
                profile, executable_path=CHROMIUM, args=ARGUMENTS, viewport={"width": 1440, "height": 900}
            )
            page = browser.new_page()
            for view in views(RUN, OTHER):
                measure(page, dashboard.url, view)
            browser.close()
    finally:
        dashboard.kill()
    return 0


def measure(page: Page, url: str, view: View) -> None:
    before = [opened(page, url, view) for _ in range(BEFORE)]
    print(line(view.name, [opened(page, url, view) for _ in range(TRIES)], OPEN_S, before), flush=True)
    for use in view.uses:
        print(line(f"  {use.name}", [answered(page, use)], ANSWER_S), flush=True)


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else temporary)))
