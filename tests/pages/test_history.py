"""Prompts over time on the Groups page: the panel of one prompt, and the view of all of them."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.store import StoreWriter
from tests.fake_records import FakeRun
from tests.fakes import fake_config, write_fake_run
from tests.pages.reading import boxes, component, html_text, in_url, open_page, raw_html, words

STEPS = 120


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of these tests, written once."""
    return write_fake_run(tmp_path_factory.mktemp("written"), "done", steps=STEPS, prompts=12, group_size=4).root


@pytest.fixture
def reader(root, written: Path) -> RunReader:
    shutil.copytree(written, root / "done")
    return RunReader(RunPaths(root / "done").db)


def place(reader: RunReader, times: int) -> tuple[int, int, str]:
    """Step, group and prompt id of the newest group of a prompt that was asked in at least so many steps, or in one."""
    rows = reader.prompt_table(1, None, 10_000).rows
    fits = rows["times"] >= times if times > 1 else rows["times"] == 1
    row = rows[fits & rows["pass_rate"].notna()].iloc[0]
    return int(row["last_step"]), int(row["group_index"]) + 1, row["prompt_id"]


def opened(panel: str = "history", **query: object) -> AppTest:
    values = {key: str(value) for key, value in query.items()}
    app = open_page("groups", run="done", panel=panel, **values)
    assert not app.exception
    return app


def choose(app: AppTest, label: str, value: object) -> AppTest:
    next(group for group in app.get("button_group") if group.label == label).set_value(value).run()
    assert not app.exception
    return app


def test_the_course_of_a_prompt_is_drawn_and_told(reader):
    step, group, prompt = place(reader, 4)
    course = reader.prompt_course(prompt)
    app = opened(step=step, group=group)
    charts = {item["key"]: item for item in component(app, "history_charts")["items"]}
    assert f"Asked {len(course)} times, in steps {course['step'].iloc[0]} to {course['step'].iloc[-1]}" in words(app)
    assert f'"x":{course["step"].tolist()}'.replace(" ", "") in charts["prompt-mean_length"]["figure"]


def test_first_and_newest_are_compared_at_first_and_about_fifty_steps_ago_is_one_click(reader):
    step, group, prompt = place(reader, 4)
    course = reader.prompt_course(prompt)
    app = opened(step=step, group=group)
    assert f"step {course['step'].iloc[0]}, #" in html_text(app) and f"step {step}, #" in html_text(app)
    choose(app, "Then and now", "ago")
    earlier = course["step"][course["step"] < step]
    nearest = int(earlier.iloc[(earlier - (step - 50)).abs().argmin()])
    assert f"Step {nearest}, {step - nearest} step" in words(app)
    assert f"step {nearest}, #" in html_text(app)


def test_any_two_occasions_and_the_worst_completions_can_be_compared(reader):
    step, group, prompt = place(reader, 4)
    course = reader.prompt_course(prompt)
    app = choose(choose(opened(step=step, group=group), "Then and now", "choose"), "Completion", "worst")
    then = next(box for box in app.selectbox if box.label == "Then")
    assert len(then.options) == len(course)
    other = next(place for place, std in enumerate(course["std"]) if std > 0 and course["step"][place] != step)
    row = course.iloc[other]
    then.set_value((int(row["step"]), int(row["group_index"]))).run()
    worst = reader.completions(int(row["step"]), int(row["group_index"]))["total"].min()
    assert f"step {int(row['step'])}, #" in html_text(app)
    assert f"({worst:.3f})" in html_text(app)


def test_a_prompt_that_was_asked_once_says_so_and_shows_held_out_answers(reader):
    step, group, _ = place(reader, 1)
    app = opened(step=step, group=group)
    assert f"This run has asked this prompt once so far, in step {step}." in words(app)
    chosen = next(box for box in app.selectbox if box.label == "Held-out prompt")
    assert chosen.options[0] == f"1 · {reader.evaluation_details(0)[1][0]['prompt']}"
    assert "before training, #" in html_text(app)
    figure = component(app, "history_held")["items"][0]["figure"]
    assert '"x":[0,25,50,75,100,120]' in figure


def test_what_was_then_for_one_prompt_is_not_for_another(reader):
    rows = reader.prompt_table(1, None, 500).rows
    rows = rows[(rows["times"] > 3) & rows["pass_rate"].notna()]
    one, two = rows.iloc[0], rows.iloc[1]
    app = choose(opened(step=one["last_step"], group=one["group_index"] + 1), "Then and now", "choose")
    then = next(box for box in app.selectbox if box.label == "Then")
    later = reader.prompt_course(one["prompt_id"]).iloc[2]
    then.set_value((int(later["step"]), int(later["group_index"]))).run()
    app.query_params["step"], app.query_params["group"] = str(two["last_step"]), str(two["group_index"] + 1)
    app.run()
    boxes = {box.label: box for box in app.selectbox}
    first = reader.prompt_course(two["prompt_id"]).iloc[0]
    assert boxes["Then"].value == (int(first["step"]), int(first["group_index"]))
    assert boxes["Now"].value == (int(two["last_step"]), int(two["group_index"]))


def test_each_evaluation_is_read_once_and_not_at_each_tick(reader, monkeypatch):
    read, asked = RunReader.evaluation_details, []
    monkeypatch.setattr(RunReader, "evaluation_details", lambda self, at: asked.append(at) or read(self, at))
    step, group, _ = place(reader, 1)
    app = opened(step=step, group=group)
    app.run()
    assert sorted(asked) == [0, 25, 50, 75, 100, 120]


def test_held_out_prompts_that_begin_alike_are_told_apart(reader):
    with sqlite3.connect(reader.path) as db:
        for at, text in db.execute("SELECT step, samples FROM evaluations").fetchall():
            samples = [{**sample, "prompt": "x" * 200 + f" {n}"} for n, sample in enumerate(json.loads(text))]
            db.execute("UPDATE evaluations SET samples = ? WHERE step = ?", (json.dumps(samples), at))
    step, group, _ = place(reader, 1)
    box = next(box for box in opened(step=step, group=group).selectbox if box.label == "Held-out prompt")
    assert len(set(box.options)) == len(box.options) > 1
    assert box.options[2] == "3 · …2"


def test_the_same_prompt_in_other_runs_is_a_row_that_opens_it_there(root, reader):
    shutil.copytree(root / "done", root / "again")
    step, group, prompt = place(reader, 2)
    app = opened(step=step, group=group)
    app.session_state["history_runs"] = True
    app.run()
    table = app.dataframe[0].value
    assert table["folder"].tolist() == ["again"]
    app.session_state[f"history_runs_done_{step}_{group - 1}"] = {"selection": {"rows": [0], "columns": []}}
    app.run()
    newest = RunReader(RunPaths(root / "again").db).prompt_course(prompt).iloc[-1]
    assert in_url(app, "run") == "again"
    assert (in_url(app, "step"), in_url(app, "group")) == (str(newest["step"]), str(newest["group_index"] + 1))


def test_hostile_prompts_and_answers_stay_text(root):
    write_fake_run(root, "wild", steps=30, hostile_text=True, seed=4)
    wild = RunReader(RunPaths(root / "wild").db)
    rows = wild.prompt_table(1, None, 500).rows
    row = rows[rows["times"] > 1].iloc[0]
    for panel in ("history", "diff"):
        app = open_page(
            "groups", run="wild", step=str(row["last_step"]), group=str(row["group_index"] + 1), panel=panel
        )
        assert not app.exception
        assert not any(sign in raw_html(app) for sign in ("<script", "<img", "<a href", "\x00", "\u202e"))
    table = open_page("groups", run="wild", view="prompts").dataframe[0].value
    assert not any(sign in " ".join(table["prompt"]) for sign in ("\x00", "\u202e", "\x1b"))


def prompts(app: AppTest):
    return app.dataframe[0].value


def test_all_prompts_of_the_run_are_counted_and_those_always_right_found(reader):
    app = opened(view="prompts")
    table = reader.prompt_table(1, None, 500)
    assert f"{sum(table.counts.values())} prompts in steps 1 to 120: {table.counts['always']} always right" in words(
        app
    )
    choose(app, "Show prompts", "always")
    assert len(prompts(app)) == table.counts["always"]
    assert set(prompts(app)["right"]) == {100.0}


def test_only_the_newest_steps_can_be_looked_at(reader):
    app = choose(opened(view="prompts"), "Steps", 100)
    assert "in steps 21 to 120" in words(app)
    assert prompts(app)["asked"].sum() < 12 * 100 + 1


def test_a_row_opens_the_newest_group_of_its_prompt_with_its_history(reader):
    app = opened(view="prompts")
    row = reader.prompt_table(1, None, 500).rows.iloc[3]
    app.session_state["prompts_run_all"] = {"selection": {"rows": [3], "columns": []}}
    app.run()
    assert [in_url(app, key) for key in ("view", "panel", "step", "group")] == [
        None, "history", str(row["last_step"]), str(row["group_index"] + 1),
    ]  # fmt: skip
    assert boxes(app)[0] == row["prompt"]


def grow(reader: RunReader, steps: int) -> None:
    """The run goes on by so many steps."""
    fake = FakeRun(fake_config(name="done", steps=STEPS + steps, prompts=12, group_size=4), seed=7)
    store = StoreWriter(reader.path)
    store.begin_attempt(STEPS, {})
    for step in range(STEPS + 1, STEPS + steps + 1):
        store.commit_step(fake.step(step))
    store.close()


@pytest.mark.parametrize("span", [None, 100])
def test_a_row_of_a_growing_run_opens_the_prompt_that_stood_there(reader, span):
    app = opened(view="prompts")
    app = choose(app, "Steps", span) if span else app
    first = STEPS - span + 1 if span else 1
    row = reader.prompt_table(first, None, 500).rows.iloc[3]
    grow(reader, 20)
    first_now = first + 20 if span else 1
    assert reader.prompt_table(first_now, None, 500).rows.iloc[3]["prompt_id"] != row["prompt_id"]
    app.session_state[f"prompts_{span or 'run'}_all"] = {"selection": {"rows": [3], "columns": []}}
    app.run()
    assert boxes(app)[0] == row["prompt"]
    assert in_url(app, "step") == str(row["last_step"])


def test_prompts_of_a_fork_are_counted_from_its_first_step(root, reader):
    with sqlite3.connect(RunPaths(root / "done").db) as db:
        for table in ("groups", "steps"):
            db.execute(f"DELETE FROM {table} WHERE step <= 110")
    app = opened(view="prompts")
    assert "in steps 111 to 120" in words(app)
    assert "Steps" not in [group.label for group in app.get("button_group")]


def test_before_the_first_step_there_are_no_prompts(root):
    write_fake_run(root, "done", steps=0, outcome="stopped")
    assert "The first prompts appear here." in opened(view="prompts").info[0].value
