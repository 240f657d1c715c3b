"""The whole main job in a real browser: start the demo, watch it, open a group, stop, clone with a change, resume."""

import json
import os
import re
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from engine.config_io import config_diff
from engine.runs.paths import RunPaths, list_runs, read_config
from engine.runs.reader import RunReader
from engine.runs.status import run_status
from tests.browser.conftest import TIMEOUT_MS, Dashboard
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
expect.set_options(timeout=TIMEOUT_MS)


def shown_step(page: Page) -> int:
    """The step that the Run page's header names."""
    text = page.locator(".lab-fact").first.inner_text()
    match = re.match(r"step ([\d,]+)", text)
    assert match is not None, text
    return int(match[1].replace(",", ""))


def expect_step_beyond(page: Page, step: int) -> None:
    page.wait_for_function(
        "step => { const fact = document.querySelector('.lab-fact');"
        " return fact && parseInt(fact.innerText.replace(/\\D*([\\d,]+).*/s, '$1').replace(/,/g, '')) > step }",
        arg=step,
    )


def start_demo(page: Page, dashboard: Dashboard) -> RunPaths:
    """From the empty Runs page to a Run page that shows a step."""
    page.goto(dashboard.url)
    page.get_by_role("button", name="Start the demo").click()
    page.wait_for_url(re.compile(r"/run\?run="))
    expect_step_beyond(page, 0)
    (paths,) = list_runs(dashboard.runs)
    return paths


def expect_status(page: Page, word: str) -> None:
    expect(page.locator(".lab-chip").first).to_contain_text(word)


def chart_points(page: Page, title: str) -> int:
    """The largest number of points in a trace of the chart with this title."""
    return int(
        page.locator("figure.lab-chart", has_text=title)
        .locator(".js-plotly-plot")
        .evaluate("plot => Math.max(...plot.data.map(trace => (trace.x && trace.x.length) || 0))")
    )


def test_the_main_job_from_an_empty_list_to_a_resumed_run(page: Page, dashboard: Dashboard) -> None:
    paths = start_demo(page, dashboard)
    expect_status(page, "running")

    # Charts change while it runs.
    expect(page.locator("figure.lab-chart", has_text="Reward over steps").locator(".js-plotly-plot")).to_be_visible()
    before, points = shown_step(page), chart_points(page, "Reward over steps")
    expect_step_beyond(page, before + 3)
    page.wait_for_function(
        "points => { const plot = [...document.querySelectorAll('figure.lab-chart')]"
        ".find(card => card.innerText.includes('Reward over steps')).querySelector('.js-plotly-plot');"
        " return Math.max(...plot.data.map(trace => (trace.x && trace.x.length) || 0)) > points }",
        arg=points,
    )

    # Stop saves a checkpoint; the page says so.
    page.get_by_role("button", name="Stop", exact=True).click()
    expect_status(page, "stopped")
    stopped_at = RunReader(paths.db).last_step()
    assert run_status(paths).state == "stopped"
    assert (paths.checkpoints / f"step-{stopped_at:06d}").is_dir()

    # Open a group: its prompt, every completion, the arithmetic.
    # Read and clicked in one go: the page may just be drawing the groups of the last step.
    prompt = page.locator("button.lab-group").first.evaluate(
        "row => { const text = row.querySelector('.lab-group-prompt').innerText; row.click(); return text }"
    )
    page.wait_for_url(re.compile(r"/groups\?.*group="))
    expect(page.get_by_text(re.compile(r"advantage = \(reward"))).to_be_visible()
    expect(page.get_by_text(prompt).first).to_be_visible()

    # Clone with a changed learning rate.
    page.goto(f"{dashboard.url}run?run={paths.run_id}")
    page.get_by_role("button", name="Clone").click()
    page.wait_for_url(re.compile(r"/new_run"))
    page.get_by_text("Budget", exact=False).first.click()
    field = page.get_by_role("textbox", name="Learning rate")
    field.fill("2e-4")
    field.press("Enter")
    expect(page.get_by_text(re.compile("Differs from"))).to_be_visible()
    page.get_by_role("button", name="Start run").click()
    page.wait_for_url(re.compile(r"/run\?run="))
    expect_step_beyond(page, 0)
    clone = next(found for found in list_runs(dashboard.runs) if found.run_id != paths.run_id)
    changed = {field: new for field, _, new in config_diff(read_config(paths), read_config(clone)) if field != "name"}
    assert changed == {"optim.learning_rate": 2e-4}
    page.get_by_role("button", name="Stop", exact=True).click()
    expect_status(page, "stopped")

    # Resume the first run from where it stopped.
    page.goto(f"{dashboard.url}run?run={paths.run_id}")
    expect_status(page, "stopped")
    page.get_by_role("button", name="Resume").click()
    expect_step_beyond(page, stopped_at)
    assert RunReader(paths.db).attempts()[-1].from_step == stopped_at
    page.get_by_role("button", name="Stop", exact=True).click()
    expect_status(page, "stopped")
    steps = RunReader(paths.db).steps(columns=())["step"].tolist()
    assert steps == list(range(1, len(steps) + 1))
    assert page.console_errors == []  # type: ignore[attr-defined]


def test_a_zoom_survives_the_steps_that_arrive_after_it(page: Page, dashboard: Dashboard) -> None:
    start_demo(page, dashboard)
    plot = page.locator("figure.lab-chart", has_text="Reward over steps").locator(".js-plotly-plot")
    expect(plot).to_be_visible()
    plot.evaluate("plot => window.Plotly.relayout(plot, {'xaxis.range': [1, 2.5], 'yaxis.range': [0, 0.9]})")
    plot.evaluate("plot => { plot.dataset.mark = 'the same element' }")
    expect_step_beyond(page, shown_step(page) + 3)
    assert plot.evaluate("plot => plot._fullLayout.xaxis.range.map(Number)") == [1, 2.5]
    assert plot.evaluate("plot => plot.dataset.mark") == "the same element"


def test_groups_go_on_following_the_newest_step(page: Page, dashboard: Dashboard) -> None:
    paths = start_demo(page, dashboard)
    page.goto(f"{dashboard.url}groups?run={paths.run_id}")
    number = page.locator(".lab-step-number")
    expect(number).to_be_visible()
    page.wait_for_function(
        "first => Number(document.querySelector('.lab-step-number').value) > first + 25", arg=int(number.input_value())
    )
    assert "step=" not in page.url
    expect(number).to_have_count(1)
    page.goto(f"{dashboard.url}run?run={paths.run_id}")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect_status(page, "stopped")


def test_closing_the_browser_and_killing_the_server_leave_the_engine_at_work(
    page: Page, launch_dashboard: Callable[[], Dashboard]
) -> None:
    first = launch_dashboard()
    paths = start_demo(page, first)
    page.goto("about:blank")
    closed_at = RunReader(paths.db).last_step()
    wait_until(lambda: RunReader(paths.db).last_step() > closed_at, "a step after the browser closed")
    first.kill()
    killed_at = RunReader(paths.db).last_step()
    wait_until(lambda: RunReader(paths.db).last_step() > killed_at, "a step after the server died")

    second = launch_dashboard()
    page.goto(f"{second.url}run?run={paths.run_id}")
    expect_step_beyond(page, killed_at)
    expect_status(page, "running")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect_status(page, "stopped")


def test_a_killed_engine_reads_as_interrupted_and_resumes_without_losing_a_step(
    page: Page, dashboard: Dashboard
) -> None:
    paths = start_demo(page, dashboard)
    expect_step_beyond(page, 2)
    attempt = RunReader(paths.db).attempts()[-1]
    os.killpg(attempt.pid, signal.SIGKILL)
    expect_status(page, "interrupted")
    stored = RunReader(paths.db).steps(columns=("digest",)).set_index("step")["digest"]
    page.get_by_role("button", name="Resume").click()
    expect_step_beyond(page, int(stored.index.max()))
    page.get_by_role("button", name="Stop", exact=True).click()
    expect_status(page, "stopped")
    after = RunReader(paths.db).steps(columns=("digest",)).set_index("step")["digest"]
    assert after.loc[stored.index].tolist() == stored.tolist()


def test_two_tabs_that_start_the_demo_make_one_run(page: Page, dashboard: Dashboard) -> None:
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(dashboard.url)
        expect(tab.get_by_role("button", name="Start the demo")).to_be_visible()
    for tab in (page, other):
        tab.get_by_role("button", name="Start the demo").click()
    for tab in (page, other):
        tab.wait_for_url(re.compile(r"/run\?run="), timeout=TIMEOUT_MS)
    assert page.url == other.url
    assert len(list_runs(dashboard.runs)) == 1


def test_two_clicks_on_start_make_one_run(page: Page, dashboard: Dashboard) -> None:
    page.goto(f"{dashboard.url}new_run")
    page.get_by_role("button", name="Start run").evaluate("button => { button.click(); button.click() }")
    page.wait_for_url(re.compile(r"/run\?run="))
    expect_step_beyond(page, 0)
    assert len(list_runs(dashboard.runs)) == 1


HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "![beacon](http://127.0.0.1:9/beacon.png) [link](javascript:document.title='owned') $\\alpha$ :red[text]"
)


def test_hostile_text_from_model_and_data_is_shown_and_never_interpreted(page: Page, dashboard: Dashboard) -> None:
    from tests.fakes import write_fake_run

    paths = write_fake_run(dashboard.runs, "hostile", steps=3, hostile_text=True)
    raw = json.loads(paths.config.read_text())
    paths.config.write_text(json.dumps({**raw, "name": HOSTILE[:80]}))
    asked: list[str] = []
    shown: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for address in ("", "run?run=hostile", "groups?run=hostile&step=3&group=1", "new_run?clone=hostile"):
        page.goto(dashboard.url + address)
        page.wait_for_load_state("networkidle")
        expect(page.get_by_role("link", name="Groups")).to_be_visible()
        assert page.title() != "owned"
        shown.append(page.locator("body").inner_text())
    assert "<script>" in shown[2]  # the groups page shows what was written, to the letter
    home = re.compile(r"^(ws|http)://127\.0\.0\.1:\d+/|^data:|^blob:")
    assert [url for url in asked if not home.match(url) or "beacon" in url] == []


def test_a_run_that_does_not_exist_gets_one_sentence(page: Page, dashboard: Dashboard) -> None:
    page.goto(f"{dashboard.url}run?run=no-such-run")
    expect(page.get_by_text(re.compile("no-such-run"))).to_be_visible()


def test_settings_that_cannot_work_are_refused_beside_their_field_and_nothing_starts(
    page: Page, dashboard: Dashboard
) -> None:
    page.goto(f"{dashboard.url}new_run")
    page.get_by_text("GRPO", exact=True).last.click()
    field = page.get_by_role("spinbutton", name="Group size G")
    field.fill("1")
    field.press("Enter")
    page.get_by_role("button", name="Start run").click()
    expect(page.get_by_text(re.compile("at least 2|2 or more|smallest"))).to_be_visible()
    assert list_runs(dashboard.runs) == []
