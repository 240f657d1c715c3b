"""What people come for, each from the Run page in at most three clicks or keys, counted by `Hands`.

Five of the ten tasks; five are beside what they are about: the token with most KL (test_tokens), what halving a weight
would have done (test_what_if), a fork with another beta (test_fork), all truncated completions with positive advantage,
and every completion that contains a phrase (test_search).
"""

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from dashboard.text import visible
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from tests.browser.conftest import TIMEOUT_MS, Dashboard
from tests.browser.places import nav
from tests.fakes import write_fake_run

pytestmark = pytest.mark.slow
expect.set_options(timeout=TIMEOUT_MS)
STEPS = 120


@dataclass
class Hands:
    """A user at a page, who may click and press three times."""

    page: Page
    used: int = 0

    def click(self, what: Locator) -> None:
        self.used += 1
        assert self.used <= 3, "more than three clicks or keys"
        what.click()


@pytest.fixture
def paths(dashboard: Dashboard) -> RunPaths:
    return write_fake_run(dashboard.runs, "done", steps=STEPS)


def at_the_run_page(page: Page, dashboard: Dashboard, query: str = "") -> Hands:
    page.goto(f"{dashboard.url}run?run=done{query}")
    expect(page.locator("button.lab-group").first).to_be_visible()
    return Hands(page)


def view(page: Page, name: str) -> Locator:
    return page.get_by_role("radio", name=re.compile(name))


def table(page: Page) -> Locator:
    return page.locator("table.lab-table").first


def test_find_the_best_and_the_worst_completion_of_the_newest_step(
    page: Page, dashboard: Dashboard, paths: RunPaths
) -> None:
    completions = RunReader(paths.db).completions(STEPS)
    totals = completions["total"]
    hands = at_the_run_page(page, dashboard)
    hands.click(nav(page, "Groups"))
    for word, at in (("Best", totals.idxmax()), ("Worst", totals.idxmin())):
        row = completions.loc[at]
        hands.click(page.get_by_role("button", name=re.compile(f"^.*{word} of the step: {row['total']:.3f}")))
        expect(page.get_by_text(f"Group {row['group_index'] + 1} of 6")).to_be_visible()
        expect(page.get_by_label("Tokens of completion", exact=True)).to_have_value(
            re.compile(f"^#{row['completion_index'] + 1} ")
        )


def test_say_why_a_completion_got_its_advantage(page: Page, dashboard: Dashboard, paths: RunPaths) -> None:
    hands = at_the_run_page(page, dashboard, "&step=30")
    reader = RunReader(paths.db)
    mixed = reader.groups(30).query("kind == 'mixed'").iloc[0]
    row = reader.completions(30, int(mixed["group_index"])).dropna(subset="total").iloc[0]
    hands.click(page.locator("button.lab-group").first)  # those with signal come first
    sum_in_words = (
        f"({row['total']:.3f} − {mixed['mean']:.3f}) / ({mixed['scale']:.3f} + 0.0001) = {row['advantage']:+.3f}"
    ).replace("-", "−")
    expect(table(page)).to_contain_text(sum_in_words)


def test_see_what_the_model_said_to_a_prompt_50_steps_ago(page: Page, dashboard: Dashboard, paths: RunPaths) -> None:
    reader = RunReader(paths.db)
    step, place, before = asked_fifty_steps_before(reader)
    hands = at_the_run_page(page, dashboard, f"&step={step}")
    group = reader.groups(step).iloc[place]
    hands.click(page.locator("button.lab-group").filter(has_text=group["prompt"]).first)
    hands.click(page.get_by_role("radio", name="This prompt over time"))
    hands.click(page.get_by_role("radio", name="about 50 steps ago"))
    expect(page.get_by_text(f"Step {before}, {step - before} steps before step {step}")).to_be_visible()
    index = int(reader.groups(before).query("prompt_id == @group.prompt_id")["group_index"].iloc[0])
    then = reader.completions(before, index)
    said = "|".join(re.escape(visible(text)) for text in then["text"])
    expect(page.locator(".lab-diff").first).to_have_text(re.compile(rf"^\s*({said})\s*$"))  # once it is redrawn


def asked_fifty_steps_before(reader: RunReader) -> tuple[int, int, int]:
    """(step, place of a group in it, the step nearest to 50 before in which its prompt was asked, by 40 to 60)."""
    for step in range(STEPS, 50, -1):
        for place, prompt in enumerate(reader.groups(step)["prompt_id"]):
            others = [at for at in reader.prompt_steps(prompt) if at != step]
            nearest = min(others, key=lambda at: abs(at - (step - 50)), default=step)
            if 40 <= step - nearest <= 60 and reader.groups(step)["prompt_id"].tolist().count(prompt) == 1:
                return step, place, nearest
    raise AssertionError("no prompt of this run came back after about 50 steps")


def test_find_which_prompts_are_always_solved(page: Page, dashboard: Dashboard, paths: RunPaths) -> None:
    reader = RunReader(paths.db)
    judged: dict[str, list[float]] = {}  # of each prompt: right, wrong, or NaN where no reward decided
    for step in range(1, STEPS + 1):
        for index, prompt in enumerate(reader.groups(step)["prompt_id"]):
            judged.setdefault(prompt, []).extend(reader.completions(step, index)["passed"])
    always = sum(all(passed == 1.0 for passed in found) for found in judged.values())
    assert 0 < always < len(judged)
    hands = at_the_run_page(page, dashboard)
    hands.click(nav(page, "Groups"))
    hands.click(view(page, "Prompts"))
    hands.click(page.get_by_role("radio", name=re.compile("always right")))
    expect(page.get_by_role("radio", name=f"always right ({always})")).to_be_checked()


def test_compare_two_runs_answers_to_one_prompt(page: Page, dashboard: Dashboard, paths: RunPaths) -> None:
    other = write_fake_run(dashboard.runs, "other", steps=STEPS // 2, outcome="stopped")  # learns half as quickly
    hands = at_the_run_page(page, dashboard)
    hands.click(page.get_by_role("button", name="Compare"))
    hands.click(page.get_by_role("radio", name=re.compile("Answers")))
    expect(page.get_by_role("link", name="Open this group")).to_have_count(2)
    prompt = page.locator(".lab-box").first.inner_text().strip()
    for run in (paths, other):
        reader = RunReader(run.db)
        groups = reader.groups(STEPS // 2)
        group = groups[groups["prompt"] == prompt].iloc[0]
        place = f"step {STEPS // 2}, group {group['group_index'] + 1} · mean reward {group['mean']:.3f}"
        expect(page.get_by_test_id("stMain")).to_contain_text(place)
        for text in set(reader.completions(STEPS // 2, int(group["group_index"]))["text"]):
            expect(page.get_by_test_id("stMain")).to_contain_text(text)
