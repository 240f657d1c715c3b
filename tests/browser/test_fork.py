"""Fork from step N with another beta, in a real browser with real engines: three actions from the Run page."""

import re

import pytest
from playwright.sync_api import Page, expect

from engine.config_io import config_diff, parse_config
from engine.presets import LEARN_TO_ADD
from engine.runs.launch import start_run
from engine.runs.lineage import read_origin
from engine.runs.paths import RunPaths, list_runs, read_config
from engine.runs.reader import RunReader
from engine.runs.status import run_status
from tests.browser.conftest import TIMEOUT_MS, Dashboard
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
expect.set_options(timeout=TIMEOUT_MS)


def finished(paths: RunPaths) -> RunPaths:
    wait_until(lambda: not run_status(paths).is_live, "the engine to end", timeout_s=120)
    assert run_status(paths).state == "finished", run_status(paths).detail
    return paths


def small_run(dashboard: Dashboard) -> RunPaths:
    """Four steps of the demo, with the checkpoint of each."""
    raw = LEARN_TO_ADD.model_dump(mode="json")
    raw["optim"]["max_steps"], raw["evaluation"]["num_prompts"] = 4, 8
    raw["optim"]["warmup_steps"] = 0
    raw["checkpoint"] |= {"every": 1, "keep": 4}
    return finished(RunPaths(dashboard.runs / start_run(dashboard.runs, parse_config(raw)).run_id))


def test_fork_from_step_n_with_another_beta(page: Page, dashboard: Dashboard) -> None:
    parent = small_run(dashboard)
    page.goto(f"{dashboard.url}run?run={parent.run_id}&step=2")
    page.get_by_role("button", name="Fork…").click()
    page.get_by_role("textbox", name="KL weight β").fill("0.5")
    page.get_by_role("button", name="Start fork").click()

    page.wait_for_url(lambda url: "run=" in url and parent.run_id not in url)
    expect(page.get_by_role("button", name="fork of learn to add at step 2")).to_be_visible()
    (child,) = [paths for paths in list_runs(dashboard.runs) if paths.run_id != parent.run_id]
    finished(child)
    changed = {field: new for field, _, new in config_diff(read_config(parent), read_config(child)) if field != "name"}
    origin = read_origin(child)
    assert changed == {"loss.beta": 0.5} and origin is not None and origin.step == 2
    digests = [list(RunReader(paths.db).steps(after=2)["digest"]) for paths in (parent, child)]
    assert digests[0][0] == digests[1][0]  # step 3 is sampled from the same weights
    assert RunReader(child.db).evaluations()["step"].tolist() == [2, 4]

    # The parent leads to its fork, and the list shows it below the parent.
    page.get_by_role("button", name="fork of learn to add at step 2").click()
    page.wait_for_url(re.compile(re.escape(parent.run_id)))
    expect(page.get_by_role("button", name="fork at step 2: learn to add 2")).to_be_visible()
