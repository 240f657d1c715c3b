"""The Run page in every state of a run, and what its buttons do. No engine is started."""

import json
import os
import re
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import live_plot
from dashboard.plot_parts import plot_text
from dashboard.views import group_rows
from engine.analysis.evaluation import Estimate
from engine.errors import RunBusyError
from engine.runs.best import Best, write_best
from engine.runs.control import request_stop, stop_requested
from engine.runs.durable import write_atomic
from engine.runs.launch import Launched
from engine.runs.lease import Lease
from engine.runs.paths import RunPaths
from engine.runs.process import write_launch
from engine.runs.reader import RunReader
from engine.runs.records import MONITOR_FAILS, Event
from engine.runs.store import StoreWriter
from tests.fake_records import FakeRun
from tests.fakes import FAILURE, fake_config, write_fake_run
from tests.pages.reading import (
    browser_reports,
    buttons,
    charts,
    component,
    html_text,
    in_url,
    kpis,
    one_look_earlier,
    open_page,
    raw_html,
    words,
    write_logging_run,
    write_run_with_loss,
)  # fmt: skip


def opened(run_id: str, **query: str) -> AppTest:
    app = open_page("run", run=run_id, **query)
    assert not app.exception
    return app


@contextmanager
def running(root, run_id: str = "live", steps: int = 5):
    """A run whose lease is held, as by a living engine."""
    paths = write_fake_run(root, run_id, steps=steps, outcome=None)
    with Lease(paths.lock):
        yield paths


def test_a_finished_run_shows_its_head_its_numbers_and_all_charts(root):
    write_fake_run(root, "done", steps=30)
    app = opened("done")
    assert "✔ finished done step 30 / 30" in html_text(app)
    assert "rewards exact_match × 1, digit_match × 0.3" in html_text(app)
    assert [kpi["title"] for kpi in kpis(app).values()] == [
        "Reward", "Held-out pass@1", "KL to reference", "Entropy", "Dead groups", "Length",
    ]  # fmt: skip
    assert list(charts(app)) == [
        "reward-fan", "reward-heatmap", "group-kinds", "advantages", "held-out", "held-out-rewards", "reward-spread",
        "phase-times",
        "curves",
    ]  # fmt: skip
    assert all(chart["figure"] for chart in charts(app).values())
    assert buttons(app) == ["Fork…", "Clone", "Groups", "Compare"]


def test_every_chart_says_what_to_look_for_and_what_it_is(root):
    write_fake_run(root, "done", steps=3)
    for chart in charts(opened("done")).values():
        assert chart["title"] and chart["note"] and chart["height"] > 100
        assert chart["alt"].startswith(chart["title"])


def test_the_held_out_number_stands_beside_the_one_before_training(root):
    paths = write_fake_run(root, "done", steps=30)
    store = StoreWriter(paths.db)
    fake = FakeRun(fake_config(name="x", steps=30))
    for step, share in ((0, 0.25), (30, 0.75)):
        record = fake.evaluation(step)
        store.add_evaluation(replace(record, metrics={**record.metrics, "pass_at_1": Estimate(share, share, share)}))
    store.close()
    kpi = kpis(opened("done"))["eval/pass_at_1"]
    assert (kpi["value"], kpi["change"], kpi["note"]) == ("75 %", "+50 points", "25 % before training")
    assert kpi["tone"] == "good"


def test_several_completions_per_prompt_show_pass_at_k_majority_and_the_best_checkpoint(root):
    config = fake_config(name="many", steps=50)
    evaluation = config.evaluation.model_copy(update={"num_generations": 4})
    paths = write_fake_run(root, "many", steps=50, config=config.model_copy(update={"evaluation": evaluation}))
    paths.checkpoints.mkdir()
    write_best(paths.checkpoints, Best(25, "pass_at_4", 0.875))
    app = opened("many")
    names = [trace["name"] for trace in json.loads(charts(app)["held-out"]["figure"])["data"]]
    assert {"pass@1", "pass@4", "majority@4", "best checkpoint"} <= set(names)
    tooltip = kpis(app)["eval/pass_at_1"]["help"]
    assert "Best checkpoint: step 25, pass@4 87.5 %." in tooltip
    assert re.search(r"Step 50: 95 % interval \d+ % to \d+ %, from 64 prompts with 4 completions each\.", tooltip)


def test_a_run_that_stopped_early_says_why_and_claims_no_missing_steps(root):
    config = fake_config(name="early", steps=100)
    paths = write_fake_run(root, "early", steps=50, config=config, outcome=None)
    reason = "Stopped early after step 50 of at most 100: 2 evaluations in a row without a gain in held-out pass@1."
    store = StoreWriter(paths.db)
    store.begin_attempt(50, {})
    store.end_attempt("finished", reason)
    store.close()
    app = opened("early")
    assert "✔ finished early step 50 / 50, stopped early" in html_text(app)
    assert "ETA" not in html_text(app)
    assert 'style="width:100.0%"' in raw_html(app)
    assert app.info[0].value.replace("\\", "") == reason
    assert buttons(app) == ["Fork…", "Clone", "Groups", "Compare"]


def test_a_running_run_says_how_long_it_takes_and_when_it_was_heard_of(root):
    with running(root):
        app = opened("live")
        head = html_text(app)
    assert "● running live step 5 / 10" in head
    assert "ETA 0:02" in head  # 5 steps of 0.4 s
    assert '<span style="width:50.0%">' in raw_html(app)
    assert "Events, newest first" not in words(app)  # the log is closed, and not read
    assert "seen" in head
    assert "tokens/s" in head
    assert buttons(app) == ["Stop", "Fork…", "Clone", "Groups", "Compare"]


def test_stop_asks_the_engine_to_stop(root):
    with running(root) as paths:
        app = opened("live")
        app.button[0].click().run()
        assert stop_requested(paths)
        assert "◑ stopping" in html_text(app)
        assert app.button[0].label == "Stopping…"
        assert app.button[0].disabled


def test_a_run_that_does_not_stop_can_be_ended(root, monkeypatch):
    ended = []
    monkeypatch.setattr("engine.runs.launch.kill_run", lambda paths: ended.append(paths.run_id) or True)
    with running(root) as paths:
        request_stop(paths)
        app = opened("live")
        next(b for b in app.button if b.label == "End the engine").click().run()
    assert ended == ["live"]


def test_when_the_state_of_the_run_changes_while_the_page_is_drawn_its_buttons_follow(root, monkeypatch):
    paths = write_fake_run(root, "done", steps=2)
    seen = one_look_earlier(monkeypatch, paths, "running")
    assert buttons(opened("done")) == ["Fork…", "Clone", "Groups", "Compare"]
    assert seen[:2] == ["running", "finished"]


def test_a_failed_run_gives_the_sentence_first_then_the_log_and_the_next_step(root):
    write_fake_run(root, "bad", steps=12, outcome="failed")
    app = opened("bad")
    assert app.error[0].value.replace("\\", "") == FAILURE
    assert "Clone the run to change its settings" in words(app)
    assert "ModelError" in app.code[0].value
    assert buttons(app) == ["Resume", "Fork…", "Clone", "Groups", "Compare"]


def test_a_monitor_that_failed_too_often_is_a_box_on_the_page_and_its_words_stay_text(root):
    paths = write_fake_run(root, "fine", steps=3)
    store = StoreWriter(paths.db)
    store.add_event(Event(MONITOR_FAILS, "The monitor '**mine**' failed for 40 of 40 completions.", "warning", 2))
    store.close()
    (box,) = opened("fine").warning
    assert box.value == r"The monitor '\*\*mine\*\*' failed for 40 of 40 completions\."


def test_what_a_reward_logs_is_a_chart_and_its_name_stays_text(root):
    write_logging_run(root, "logs", steps=3, name="<b>a, b</b> %{x}")
    chart = json.loads(charts(opened("logs"))["logged"]["figure"])
    (line,) = chart["data"]
    assert (line["x"], line["y"]) == ([1, 2, 3], [1.0, 2.0, 3.0])
    (heading,) = chart["layout"]["annotations"]
    assert heading["text"] == f"<b>{plot_text('<b>a, b</b> %{x}')}</b>" and "<b>a" not in heading["text"]


def test_held_out_answers_are_read_when_they_are_opened(root):
    write_fake_run(root, "done", steps=60)
    assert not opened("done").dataframe
    app = opened("done")
    app.session_state["run_held_out"] = True
    app.run()
    frame = app.dataframe[0].value
    assert list(frame.columns) == ["prompt", "reference answer", "now", "before training"]
    assert len(frame) == 8 and frame["prompt"].iloc[0] == "10+20="
    assert frame["now"].str.startswith(("✔ ", "✘ ")).all()


def test_an_interrupted_run_offers_to_resume(root, monkeypatch):
    write_fake_run(root, "cut", steps=6, outcome="interrupted")
    resumed = []
    monkeypatch.setattr(
        "engine.runs.launch.resume_run",
        lambda where, run_id: resumed.append((where, run_id)) or Launched(run_id, created=True),
    )
    app = opened("cut")
    assert "◆ interrupted" in html_text(app)
    assert "the steps stored here, up to step 6, stay" in words(app)
    app.button[0].click().run()
    assert resumed == [(root, "cut")]


def test_a_resume_that_fails_says_why(root, monkeypatch):
    write_fake_run(root, "cut", steps=6, outcome="stopped")

    def refuse(where, run_id):
        raise RunBusyError("Another engine works on it.", hint="Wait.")

    monkeypatch.setattr("engine.runs.launch.resume_run", refuse)
    app = opened("cut")
    app.button[0].click().run()
    assert app.error[0].value.replace("\\", "") == "Another engine works on it. Wait."


def test_a_starting_run_shows_what_is_loaded_and_for_how_long(root):
    paths = RunPaths(root / "fresh")
    paths.root.mkdir()
    write_atomic(paths.config, fake_config(name="fresh", steps=10).model_dump_json().encode())
    write_launch(paths, os.getpid(), at=time.time() - 5, argv=[], cwd=str(root))
    store = StoreWriter(paths.db)
    store.begin_attempt(0, {})
    store.beat(0, "loading", "model weights")
    store.close()
    with Lease(paths.lock):
        app = opened("fresh")
    assert "loading model weights" in words(app) + html_text(app)
    assert "The groups of the first step will appear here." in words(app)
    assert all(chart["figure"] is None and chart["sentence"] for chart in charts(app).values())


def test_a_run_that_was_never_started_can_be_started(root):
    paths = RunPaths(root / "fresh")
    paths.root.mkdir()
    write_atomic(paths.config, fake_config(name="fresh", steps=10).model_dump_json().encode())
    app = opened("fresh")
    assert "○ not started" in html_text(app)
    assert buttons(app) == ["Start", "Fork…", "Clone", "Groups", "Compare"]


@pytest.mark.parametrize("run_id", ["nothing-here", "../..", "a/b", "\x00", "<b>"])
def test_a_run_that_does_not_exist_gets_one_sentence_and_a_way_back(root, run_id):
    app = open_page("run", run=run_id)
    assert not app.exception
    assert app.error[0].value.startswith("There is no run")
    assert app.get("page_link")[0].proto.label == "All runs"


def test_without_a_choice_the_runs_are_offered(root):
    write_fake_run(root, "one", steps=2)
    write_fake_run(root, "two", steps=3)
    app = open_page("run")
    links = [button.label.replace("\\", "") for button in app.button if (button.key or "").startswith("offered.")]
    assert sorted(links) == ["✔ finished · one · step 2", "✔ finished · two · step 3"]
    app = app.button(key="offered.one").click().run()
    assert in_url(app, "run") == "one" and "finished one" in html_text(app)


def test_without_any_run_the_demo_and_the_form_are_offered(root):
    links = open_page("run").get("page_link")
    assert [link.proto.label for link in links] == ["Start the demo on the page Runs", "Set up a run of your own"]


def test_before_the_first_step_nothing_stands_there_that_is_not_known(root):
    with running(root, steps=0):
        app = opened("live")
        head = html_text(app)
    assert "step 0 / " in head
    assert "–" not in head and "tokens/s" not in head and "ETA" not in head
    assert charts(app)["advantages"]["title"] == "Advantages of a step"
    assert not any(element.proto.id.endswith("step_scrubber") for element in app.get("bidi_component"))


def test_the_last_run_is_kept_when_the_page_is_opened_from_the_menu(root):
    write_fake_run(root, "one", steps=2)
    app = opened("one")
    del app.query_params["run"]
    app.switch_page("app_pages/groups.py").run()
    assert not app.exception
    assert in_url(app, "run") == "one"


def test_clone_opens_the_form_with_this_run(root):
    write_fake_run(root, "one", steps=2)
    app = opened("one")
    next(b for b in app.button if b.label == "Clone").click().run()
    assert in_url(app, "clone") == "one"


def test_the_newest_step_is_shown_until_another_one_is_asked_for(root):
    write_fake_run(root, "done", steps=30)
    newest = component(opened("done"), "step_scrubber")
    assert (newest["step"], newest["newest"], newest["follow"]) == (30, 30, True)
    app = opened("done", step="7")
    assert component(app, "step_scrubber")["step"] == 7
    assert component(app, "step_scrubber")["follow"] is False
    assert charts(app)["advantages"]["title"] == "Advantages of step 7"


@pytest.fixture
def click_on_chart(monkeypatch):
    """Makes the browser report this point of a chart, once."""

    def click(chart: str, x: float, *data: float) -> None:
        report = {"chart": chart, "x": x, "data": list(data)}
        browser_reports(monkeypatch, live_plot, "_board", "clicked", report)

    return click


@pytest.mark.parametrize(
    ("chart", "x", "step"), [("reward-heatmap", 7.0, "7"), ("reward-heatmap", 0.4, None), ("curves", 7.0, None)]
)
def test_a_click_on_a_column_of_the_heat_map_shows_its_step(root, click_on_chart, chart, x, step):
    write_fake_run(root, "done", steps=9)
    click_on_chart(chart, x)
    assert in_url(opened("done"), "step") == step


def test_a_click_on_an_advantage_opens_its_group(root, click_on_chart):
    write_fake_run(root, "done", steps=9)
    click_on_chart("advantages", 1.0, 3.0, 2.0, 0.5, 4.0)
    app = opened("done", step="6")  # the page has gone on since the clicked chart, which showed step 4
    assert [in_url(app, name) for name in ("run", "step", "group")] == ["done", "4", "3"]
    assert app.subheader[0].value.startswith("Group 3 of 6")


def test_a_click_on_a_row_opens_its_group_at_the_step_it_was_shown_for(root, monkeypatch):
    write_fake_run(root, "done", steps=9)
    browser_reports(monkeypatch, group_rows, "_rows", "picked", {"step": 4, "group": 3})
    app = opened("done")  # step 9 is shown by now
    assert [in_url(app, name) for name in ("run", "step", "group")] == ["done", "4", "3"]
    assert app.subheader[0].value.startswith("Group 3 of 6")


@pytest.mark.parametrize("step", ["0", "-3", "x", "1e3", "9" * 40, "٣"])
def test_a_step_that_is_none_means_the_newest(root, step):
    write_fake_run(root, "done", steps=3)
    assert component(opened("done", step=step), "step_scrubber")["step"] == 3


def test_a_step_beyond_the_last_is_the_last(root):
    write_fake_run(root, "done", steps=3)
    assert component(opened("done", step="999"), "step_scrubber")["step"] == 3


def test_groups_with_signal_come_first_as_rows_of_dots(root):
    write_fake_run(root, "done", steps=1, prompts=6)
    rows = component(opened("done"), "run_groups")["rows"]
    kinds = [row["kind"] for row in rows]
    assert kinds == sorted(kinds, key=lambda kind: kind != "mixed")
    assert all(len(row["dots"]) == 8 for row in rows)
    assert all(row["word"] in row["title"] for row in rows)
    assert "Groups of step 1: a dot per completion, best reward first" in words(opened("done"))


@pytest.mark.parametrize("mode", ["group", "none"])
def test_full_colour_is_two_standard_deviations_or_the_largest_undivided_advantage(root, mode):
    paths = write_run_with_loss(root, "done", steps=2, scale_rewards=mode)
    completions = RunReader(paths.db).completions(2)
    reach = 2.0 if mode == "group" else completions["advantage"].abs().max()
    highest = completions.groupby("group_index")["advantage"].max() / reach
    for row in component(opened("done"), "run_groups")["rows"]:
        # in shades of a twentieth
        assert max(row["dots"]) == pytest.approx(min(highest[row["group"] - 1], 1.0), abs=0.025)


def test_a_run_whose_kl_is_not_stored_has_a_sentence_where_it_would_be(root):
    write_run_with_loss(root, "free", steps=4, beta=0.0)
    app = opened("free")
    assert kpis(app)["kl"]["value"] == "–"
    assert kpis(app)["kl"]["note"] == "not measured yet"
    assert "KL to reference: not measured so far." in charts(app)["curves"]["sentence"]


def test_hostile_text_stays_text(root):
    write_fake_run(root, "wild", steps=3, hostile_text=True)
    app = opened("wild")
    assert "<script>" not in raw_html(app)
    assert "<script>document.title='owned'</script>" in html_text(app)
    figures = " ".join(chart["figure"] for chart in charts(app).values())
    assert "<img" not in figures and "<script" not in figures


def test_a_damaged_store_is_a_sentence_not_a_traceback(root):
    paths = write_fake_run(root, "broken", steps=3)
    paths.db.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    app = open_page("run", run="broken")
    assert not app.exception
    assert "run.db: file is not a database" in app.error[0].value.replace("\\", "")


def test_settings_can_be_read_and_taken_along(root):
    write_fake_run(root, "done", steps=3)
    app = opened("done")
    shown = next(code.value for code in app.code if '"max_steps"' in code.value)
    assert json.loads(shown)["optim"]["max_steps"] == 3
    assert app.get("download_button")[0].proto.label == "Download config.json"


def test_the_element_order_is_the_same_on_every_tick(root):
    with running(root) as paths:
        before = [e.proto.id for e in opened("live").get("bidi_component")]
        store = StoreWriter(paths.db)
        store.begin_attempt(5, {})
        store.commit_step(FakeRun(fake_config(name="live", steps=10)).step(6))
        store.close()
        app = opened("live")
    assert [e.proto.id for e in app.get("bidi_component")] == before
    assert component(app, "step_scrubber")["newest"] == 6


def test_discarded_groups_come_last_and_are_not_among_the_advantages(root):
    write_fake_run(root, "dynamic", steps=7, config=fake_config(name="d", steps=7, dynamic_sampling=True))
    groups = RunReader(RunPaths(root / "dynamic").db).groups(7)
    kept = int(groups["discarded"].isna().sum())
    assert 0 < kept < len(groups)
    app = opened("dynamic")
    rows = component(app, "run_groups")["rows"]
    assert [row["word"] == "discarded" for row in rows] == [False] * kept + [True] * (len(groups) - kept)
    assert f"{len(groups) - kept} of {len(groups)} were discarded by dynamic sampling." in words(app)
    points = json.loads(charts(app)["advantages"]["figure"])["data"][0]
    assert {int(point[0]) for point in points["customdata"]} == set(range(1, kept + 1))
    assert "dynamic sampling discarded" in charts(app)["group-kinds"]["note"]


def test_of_many_groups_the_first_are_shown_and_the_rest_is_counted(root):
    write_fake_run(root, "wide", steps=1, prompts=14, group_size=2)
    write_fake_run(root, "narrow", steps=1, prompts=12, group_size=2)
    assert "The first 12 of 14: the page Groups has all." in words(open_page("run", run="wide"))
    assert "The first 12" not in words(open_page("run", run="narrow"))
