"""Hostile text on every page and view, in a real browser: nothing runs, nothing is fetched, the layout holds."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from engine.runs.checkpoints import checkpoint_name
from engine.runs.lineage import Origin, write_origin
from engine.runs.notes import change_notes
from engine.runs.paths import rewards_root
from engine.runs.saved_filters import save_filter
from engine.runs.search_query import SearchQuery
from engine.runs.store import StoreWriter
from engine.trl.import_run import import_run
from tests.browser.conftest import TIMEOUT_MS, Dashboard
from tests.fake_records import HOSTILE
from tests.fakes import write_fake_run
from tests.unit.runs.records import completion, group, step

pytestmark = pytest.mark.slow
expect.set_options(timeout=TIMEOUT_MS)
STEPS = 26
LONG = "x" * 1_000_000  # without a space
RECORDED = Path(__file__).parents[1] / "trl_runs" / "two_rewards"
IMAGE = "![p](http://example.invalid/p.png)"
NAME = "<img src=x onerror=window.owned=1> [a](javascript:1) $\\alpha$ **b** :red[r]"
# Names in which each notation comes first, so that no cut hides it, and ends well within the shortest of the cuts.
NAMES = (IMAGE, "[a](http://example.invalid)", "**b** :red[r] $\\alpha$", "<b>b</b><script>window.owned=1</script>")
WILD = quote("<script>document.title='owned'</script>[x](http://example.invalid) $\\frac{1}{0}$")
BROKEN, RAISING = "**b** :red[r] $\\alpha$", "[a](javascript:1)"  # reward files: one does not load, one fails at most
LAST = f"groups?run=a&step={STEPS}&group=1"

PAGES = (
    "", "run", "run?run=a", f"run?run=a&step={WILD}", f"run?run={WILD}", "run?run=imported",
    LAST, "groups?run=a&step=3&group=2", f"groups?run=a&step=3&group={WILD}&completion={WILD}&token={WILD}",
    "groups?run=imported&step=1&group=1",
    *(f"{LAST}&panel={panel}" for panel in ("tokens", "diff", "history", "what_if", WILD)),
    *(f"groups?run=a&step=3&group=2&panel={panel}" for panel in ("tokens", "diff", "history", "what_if")),
    "groups?run=a&step=3&group=2&completion=1&token=1&measure=entropy", f"{LAST}&measure={WILD}",
    "groups?run=a&view=search&q=script", f"groups?run=a&view=search&q={WILD}&filters={WILD}",
    "groups?run=a&view=search&q=xxxx", f"groups?run=a&view={WILD}", "groups?run=a&view=prompts",
    "groups?run=a&view=tokens&step=3", f"groups?run=a&view=tokens&step={STEPS}",
    *(f"compare?runs=a,b,imported&view={view}" for view in ("curves", "settings", "kl", "answers", "evaluations")),
    f"compare?runs=a,b,{WILD}&metric={WILD}&x={WILD}&smoothing={WILD}&prompt={WILD}",
    f"compare?runs=a,b&view=answers&step={STEPS}",
    "new_run?clone=a", f"new_run?clone=a&set={WILD}", f"new_run?clone={WILD}", "new_run?fork=a&step=2",
    f"new_run?fork={WILD}&step=2",
    "rewards", f"rewards?file={quote(NAME)}", f"rewards?file={quote(BROKEN)}", f"rewards?file={WILD}",
    *(f"rewards?view=check&file={quote(name)}" for name in (NAME, RAISING)), f"rewards?view={WILD}&file={WILD}",
    f"rewards?view=check&reward={WILD}", f"rewards?view=rescore&run={WILD}&file={WILD}",
    f"rewards?view=rescore&run=a&file={quote(RAISING)}",
)  # fmt: skip


@dataclass
class Watched:
    """A page, and what it did meanwhile."""

    page: Page
    asked: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def wrong(self, where: str) -> list[str]:
        """What a text has done to the page since the last call: it made elements, ran, fetched, or broke the layout."""
        home = re.compile(r"^(ws|http)://127\.0\.0\.1:\d+/|^data:|^blob:")
        page = self.page
        errors: list[str] = page.console_errors  # type: ignore[attr-defined]
        found = [f"error: {text}" for text in errors] + [f"dialog: {text}" for text in self.dialogs]
        found += [f"fetched: {url}" for url in self.asked if not home.match(url) or "pixel" in url]
        found += [f"element: {html}" for html in made_by_text(page)]
        if page.title() == "owned" or page.evaluate("window.owned") is not None:
            found.append("a script ran")
        if page.get_by_test_id("stException").count():
            found.append("an error with its traceback")
        if (excess := too_wide(page)) > 0:
            found.append(f"{excess} pixels too wide")
        for seen in (errors, self.dialogs, self.asked):
            seen.clear()
        return [f"{where}: {what}" for what in found]


@pytest.fixture
def watched(page: Page) -> Watched:
    found = Watched(page)
    page.on("request", lambda request: found.asked.append(request.url))
    page.on("dialog", lambda dialog: (found.dialogs.append(dialog.message), dialog.dismiss()))
    return found


@pytest.fixture(autouse=True)
def runs(dashboard: Dashboard, tmp_path: Path) -> None:
    """Two runs, a fork, whose names, notes, texts, data and vocabulary are hostile, and an import.

    The last step of the two has texts of 1 MB.
    """
    for run_id in "ab":
        paths = write_fake_run(dashboard.runs, run_id, steps=STEPS - 1, hostile_text=True)
        raw = json.loads(paths.config.read_text())
        data = {"source": str(data_file(tmp_path)), "prompt_column": IMAGE, "answer_column": NAMES[2], "held_out": 4}
        raw = {**raw, "name": NAME[:80], "data": {**raw["data"], **data}}
        paths.config.write_text(json.dumps(raw))
        change_notes(paths, tags=[name[:30] for name in NAMES], note="\n".join(HOSTILE)[:10_000], pinned=True)
        with_long = [completion(LONG, advantage=0.0), completion("\u202e" + HOSTILE[1] + LONG[:5000], advantage=0.0)]
        store = StoreWriter(paths.db)
        store.commit_step(step(STEPS, groups=[replace(group(completions=with_long), prompt=LONG, reference=LONG)]))
        store.close()
        (paths.checkpoints / checkpoint_name(2)).mkdir(parents=True)
    write_origin(paths.origin, Origin("fork", "a", 2, NAME, ("loss.beta",)))
    for name in NAMES:
        save_filter(dashboard.runs, name, SearchQuery("x"))
    recorded(dashboard.runs, tmp_path / NAME.replace("/", ""))
    write_rewards(rewards_root(dashboard.runs))


def write_rewards(folder: Path) -> None:
    """Reward files whose names, docstrings, defaults and errors are hostile."""
    folder.mkdir(parents=True)
    text = repr("\n".join(HOSTILE))
    head = f"def reward(completion, answer: {NAMES[0]!r} = {NAMES[3]!r}):\n    {text}\n"
    (folder / f"{NAME}.py").write_text(f"import socket  # so that it is warned of\n{head}    return 1.0\n")
    (folder / f"{BROKEN}.py").write_text(f"raise ValueError({text})\n")
    some = f"    if len(completion) % 3:\n        raise ValueError({text} + completion)\n"
    (folder / f"{RAISING}.py").write_text(f"{head}{some}    return float(len(completion))\n")


def data_file(folder: Path) -> Path:
    path = folder / "<b>b[a](http:x).jsonl"
    usable = [text for text in HOSTILE if "\x00" not in text and "\ud800" not in text]  # the others are refused
    rows = ({**dict.fromkeys(NAMES, text), NAME: LONG[:5000]} for text in usable)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def recorded(root: Path, folder: Path) -> None:
    """A run imported from a folder of TRL whose columns, texts and rewards have hostile names."""
    shutil.copytree(RECORDED, folder)
    for path in sorted(folder.glob("completions/*.parquet")):
        rows = pd.read_parquet(path).rename(columns={"digits": NAME})
        rows["completion"] = [HOSTILE[place % len(HOSTILE)].encode(errors="replace").decode() for place in rows.index]
        for name in NAMES:
            rows[name] = rows["completion"]
        rows.to_parquet(path)
    (state,) = folder.glob("*/trainer_state.json")
    state.write_text(state.read_text().replace("rewards/digits/", f"rewards/{json.dumps(NAME)[1:-1]}/"))
    report = import_run(root, folder, name=NAME[:80])
    (root / report.run_id).rename(root / "imported")


def opened(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_role("link", name="Compare", exact=True)).to_be_visible()
    drawn(page)


def drawn(page: Page) -> None:
    """Wait until the script has run: elements that are about to be replaced are marked as stale."""
    page.wait_for_load_state("networkidle")
    expect(page.locator("[data-testid=stApp][data-test-script-state=running]")).to_have_count(0)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)


@pytest.mark.parametrize("width", [1440, 1024])
def test_nothing_runs_nothing_is_fetched_and_the_layout_holds(
    watched: Watched, dashboard: Dashboard, width: int
) -> None:
    watched.page.set_viewport_size({"width": width, "height": 900})
    wrong: list[str] = []
    for address in PAGES:
        opened(watched.page, dashboard.url + address)
        wrong += watched.wrong(address)
        for part in chain(asked(watched.page, address), unfolded(watched.page)):
            drawn(watched.page)
            wrong += watched.wrong(f"{address}, {part}")
    assert not wrong, "\n".join(wrong)


def asked(page: Page, address: str) -> Iterator[str]:
    """Press what has a child process call a reward: its check on the hostile rows of a run, and a re-score of one."""
    if address.startswith("rewards?view=check&file"):
        page.get_by_role("combobox", name="Data and prompts of").click()
        page.get_by_role("option", name="a", exact=True).click()
        page.get_by_role("button", name="Check", exact=True).click()
        expect(page.get_by_text(re.compile(r"completions? in \d+ calls?"))).to_be_visible()
    elif address.startswith("rewards?view=rescore&run=a"):
        page.get_by_role("button", name="Re-score", exact=True).click()
        expect(page.get_by_role("button", name="Re-score again")).to_be_visible()
    else:
        return
    drawn(page)
    yield "asked"


def unfolded(page: Page) -> Iterator[str]:
    """Open what is folded, one after the other: expanders stay open, popovers close again."""
    expanders = page.locator("[data-testid=stExpander] details")
    place = 0
    while place < expanders.count():  # one that opens may hold others
        expander = expanders.nth(place)
        if expander.get_attribute("open") is None:
            expander.locator("> summary").click()
            yield f"expander {place}"
        place += 1
    popovers = page.locator("[data-testid=stPopover] button:visible")
    for place in range(popovers.count()):
        popovers.nth(place).click()
        yield f"popover {place}"
        page.keyboard.press("Escape")


def test_pages_with_texts_of_a_million_characters_answer_to_clicks(watched: Watched, dashboard: Dashboard) -> None:
    page = watched.page
    opened(page, dashboard.url + LAST)
    for panel, name in (("diff", "Compare two"), ("history", "This prompt over time"), ("what_if", "What if")):
        page.get_by_role("radio", name=name).click()
        page.wait_for_url(re.compile(f"panel={panel}"))
        drawn(page)
        assert watched.wrong(panel) == []
    opened(page, f"{dashboard.url}groups?run=a&view=search&q=xxxx")
    page.get_by_role("button", name=re.compile("^Open completion 1 ")).first.click()
    expect(page.get_by_role("heading", name="Group 1 of 1")).to_be_visible()
    drawn(page)
    assert watched.wrong("what was found") == []


def test_the_list_of_runs_shows_names_as_they_are_in_a_tree_too(watched: Watched, dashboard: Dashboard) -> None:
    page = watched.page
    opened(page, dashboard.url)
    page.get_by_text("As a tree").click()
    drawn(page)
    assert watched.wrong("the tree") == []
    page.get_by_test_id("stDataFrame").locator("canvas").first.click(position={"x": 15, "y": 55}, force=True)
    expect(page.get_by_test_id("stMain").get_by_role("button", name=re.compile("Clone"))).to_be_enabled()
    drawn(page)
    assert watched.wrong("a chosen run") == []


def made_by_text(page: Page) -> list[str]:
    """Elements of the page that only the text of a model, a dataset or a person can have made."""
    return page.evaluate(
        """() => [...document.querySelectorAll('[data-testid=stApp] *')].filter((node) =>
            node.matches('.katex, script, iframe, object, embed, form, [onerror], [onload], [onclick]')
            || (node.matches('img') && !/^(data:|blob:|http:..127[.]0[.]0[.]1:)/.test(node.src))
            || (node.matches('a[href]') && !/^(http:..127[.]0[.]0[.]1:|https:..arxiv[.]org.)/.test(node.href))
            || (node.matches('b, strong, em, i, span, a') && /^(b|bold|r|red|link|a|x|press me)$/.test(node.innerHTML))
            || [...node.attributes].some((one) => /^on/.test(one.name))
        ).map((node) => node.outerHTML.slice(0, 300))"""
    )


def too_wide(page: Page) -> int:
    """Pixels by which the page would have to be scrolled sideways."""
    return page.evaluate(
        "() => Math.max(document.documentElement.scrollWidth - innerWidth,"
        " ...[...document.querySelectorAll('[data-testid=stMain]')].map(main => main.scrollWidth - main.clientWidth))"
    )
