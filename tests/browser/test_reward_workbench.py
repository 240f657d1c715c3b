"""From a JSONL file and an idea for a reward to a checked, launched run, and then another idea: as a new user would."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from engine.runs.paths import list_runs, read_config
from engine.runs.reader import RunReader
from tests.browser.conftest import TIMEOUT_MS, Dashboard
from tests.browser.places import nav
from tests.browser.test_first_light import expect_status, expect_step_beyond

pytestmark = pytest.mark.slow
expect.set_options(timeout=TIMEOUT_MS)
IDEA = '''def reward(completion: str, answer: str) -> float:
    """1 for the right sum, and a little for one that begins with the right digit."""
    said = completion.strip()
    if said == answer:
        return 1.0
    return 0.25 if said[:1] == answer[:1] else 0.0
'''
STRICT = IDEA.replace("0.25 if said[:1] == answer[:1] else 0.0", "0.0")


def sums(folder: Path) -> Path:
    path = folder / "sums.jsonl"
    rows = [{"question": f"{a}+{b}=", "answer": str(a + b)} for a in range(11, 41) for b in range(40, 70)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write(page: Page, text: str) -> None:
    """Type the reward and save it under the name that is there."""
    page.get_by_role("textbox", name="Python").fill(text)
    page.get_by_role("button", name="Save", exact=True).click()


def test_from_a_jsonl_file_and_an_idea_to_a_checked_launched_and_rescored_run(
    page: Page, dashboard: Dashboard, tmp_path: Path
) -> None:
    # The data: the first preset's embedded model, asked the sums of a file.
    page.goto(f"{dashboard.url}new_run")
    page.get_by_text("Data", exact=True).click()
    page.get_by_role("radio", name="Upload").click()
    page.locator("input[type=file]").first.set_input_files(sums(tmp_path))
    expect(page.get_by_text("900 rows, 2 columns")).to_be_visible()

    # The idea, written down and saved: what was recognised in it is said.
    nav(page, "Rewards").click()
    write(page, IDEA)
    expect(page.get_by_text("One completion at a time: ")).to_be_visible()

    # Checked on those rows, at once.
    page.get_by_role("button", name="Check it").click()
    verdict = page.get_by_test_id("stAlert").first
    expect(verdict).to_contain_text(re.compile("Sound:|Usable, with|hole"))
    expect(page.get_by_role("heading", name="Ways to earn it without solving the task")).to_be_visible()

    # Into the form, a look ahead, and started.
    page.get_by_role("button", name="Use in a new run").click()
    page.wait_for_url(re.compile("/new_run"))
    page.get_by_role("button", name="Pre-flight", exact=True).click()
    expect(page.get_by_text("A look ahead, and not a run")).to_be_visible()
    page.get_by_role("button", name="Start run").click()
    page.wait_for_url(re.compile(r"/run\?run="))
    expect_step_beyond(page, 0)
    (paths,) = list_runs(dashboard.runs)
    assert [spec.name for spec in read_config(paths).rewards][-1] == "my_reward"
    values = [row["my_reward"] for row in RunReader(paths.db).completions(1)["rewards"]]
    assert set(values) <= {0.0, 0.25, 1.0}
    page.get_by_role("button", name="Stop", exact=True).click()
    expect_status(page, "stopped")

    # Another idea, on what the model has said already.
    nav(page, "Rewards").click()
    write(page, STRICT)
    page.get_by_role("radio", name="Re-score").click()
    expect(page.get_by_text("the run stays as it is")).to_be_visible()  # the page is drawn to its end
    page.get_by_role("combobox", name="In place of").click()
    page.get_by_role("option", name="my_reward", exact=True).click()
    page.get_by_role("button", name="Re-score", exact=True).click()
    expect(page.get_by_text(re.compile(r"completions get another total reward.* change their sign"))).to_be_visible()
    expect(page.get_by_role("table", name="Right and wrong, before and after")).to_be_visible()
    expect(page.get_by_role("table", name="Completions whose total falls most")).to_contain_text("0.250 → 0.000")

    # The first of those that fall is one click away in its group; from there it is one click back.
    page.get_by_role("link", name=re.compile("^1: step")).first.click()
    page.wait_for_url(re.compile(r"/groups\?.*completion="))
    expect(page.get_by_text(re.compile(r"Group \d+ of")).first).to_be_visible()
    page.get_by_role("link", name="Re-score with another reward").click()

    # A run that is trained on the stricter one is the same run but for that.
    page.get_by_role("button", name="Start a run with this reward").click()
    expect(page.get_by_text("Differs from")).to_be_visible()
    assert page.console_errors == []  # type: ignore[attr-defined]
