"""The Runs page in its states: empty, full, live, broken; and what its buttons do. No engine is started."""

import re
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views import run_table
from engine.errors import RunBusyError
from engine.runs.launch import Launched
from engine.runs.lease import Lease
from engine.runs.manage import list_trash
from engine.runs.paths import RunPaths, list_runs, read_config
from engine.runs.status import run_status
from tests.fakes import fake_config, write_fake_run
from tests.pages.reading import APP

TABLE = "runs.table"


def opened() -> AppTest:
    page = AppTest.from_file(APP, default_timeout=20).run()
    assert not page.exception
    return page


def table(page: AppTest):
    return page.dataframe[0].value


def select(page: AppTest, row: int) -> AppTest:
    page.session_state[TABLE] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    return page.run()


def click(page: AppTest, key: str) -> AppTest:
    page = page.button(key=key).click().run()
    assert not page.exception
    return page


def more(page: AppTest, choice: str) -> AppTest:
    page = page.menu_button(key="runs.more").click(choice).run()
    assert not page.exception
    return page


def texts(page: AppTest) -> str:
    return " ".join(element.value for element in (*page.text, *page.markdown, *page.caption, *page.error))


def test_without_runs_one_sentence_two_buttons_and_the_import(root):
    page = opened()
    assert page.title[0].value == "GRPO Lab"
    assert [button.key for button in page.button] == ["runs.demo", "runs.new", "import_run.go"]
    assert len(page.dataframe) == 0


def test_a_new_run_begins_with_the_form(root):
    page = click(opened(), "runs.new")
    assert "What will happen" in [element.value for element in page.subheader]


def test_the_demo_starts_and_opens(root, monkeypatch):
    started = []

    def start(where, config):
        started.append((where, config.name))
        return Launched(write_fake_run(where, "demo-1", steps=3).run_id, created=True)

    monkeypatch.setattr("engine.runs.launch.start_run", start)
    page = click(opened(), "runs.demo")
    assert started == [(root, "learn to add")]
    assert page.query_params["run"] == "demo-1"


def test_a_start_that_fails_says_why(root, monkeypatch):
    def refuse(where, config):
        raise RunBusyError("Another start takes longer.", hint="Try again.")

    monkeypatch.setattr("engine.runs.launch.start_run", refuse)
    page = click(opened(), "runs.demo")
    assert page.error[0].value == r"Another start takes longer\. Try again\."


def test_a_run_stands_in_the_table_with_its_numbers(root):
    write_fake_run(root, "first", steps=25)
    page = opened()
    assert page.title[0].value == "Runs"
    row = table(page).iloc[0]
    assert (row["status"], row["name"], row["steps"]) == ("✔ finished", "first", "25 / 25")
    assert row["model"] == "embedded · arithmetic"
    assert " → " in row["held_out"]
    assert len(row["reward"]) == 25


def test_newer_runs_stand_above_older_ones(root):
    for name in ("one", "two", "three"):
        write_fake_run(root, name, steps=1)
    assert list(table(opened())["name"]) == ["three", "two", "one"]


def test_what_went_wrong_is_a_column_only_when_something_did(root):
    write_fake_run(root, "good", steps=2)
    assert "note" not in table(opened())
    write_fake_run(root, "bad", steps=2, outcome="failed")
    assert table(opened())["note"].tolist()[0].startswith("The loss was not finite")


def test_a_damaged_run_is_listed_with_the_reason_and_hides_no_other(root):
    write_fake_run(root, "good", steps=2)
    broken = write_fake_run(root, "broken", steps=2)
    broken.db.write_bytes(b"not a database at all, but long enough to be read as one" * 100)
    frame = table(opened())
    assert dict(zip(frame["name"], frame["status"], strict=True)) == {"broken": "✖ unreadable", "good": "✔ finished"}


def test_hostile_names_are_plain_text(root):
    write_fake_run(root, "hostile", steps=2, hostile_text=True)
    page = select(opened(), 0)
    assert table(page)["name"][0].startswith("<script>")
    assert any(element.value.startswith("<script>") for element in page.text)
    assert not any("<script>" in element.value for element in page.markdown)


def test_search_and_status_narrow_the_table(root):
    write_fake_run(root, "apple pie".replace(" ", "-"), steps=2)
    write_fake_run(root, "apple-tart", steps=2, outcome="failed")
    write_fake_run(root, "plum-pie", steps=2)
    page = opened()
    page.text_input(key="runs.search").set_value("APPLE").run()
    assert sorted(table(page)["name"]) == ["apple-pie", "apple-tart"]
    page.button_group(key="runs.status").set_value(["failed"]).run()
    assert list(table(page)["name"]) == ["apple-tart"]
    page.text_input(key="runs.search").set_value("digit_match plum").run()
    assert len(page.dataframe) == 0
    assert "No run matches the search, the statuses and the tags." in texts(page)


def test_without_a_selection_the_actions_are_disabled(root):
    write_fake_run(root, "first", steps=2)
    page = opened()
    actions = [button for button in page.button if button.key not in ("runs.demo", "runs.new", "import_run.go")]
    assert len(actions) == 5 and all(button.disabled for button in actions)
    assert page.menu_button(key="runs.more").disabled


@pytest.mark.parametrize(("outcome", "resumable"), [("finished", False), ("stopped", True), ("interrupted", True)])
def test_only_what_is_not_done_can_be_resumed(root, outcome, resumable):
    write_fake_run(root, "run", steps=2, outcome=outcome)
    page = select(opened(), 0)
    assert page.button(key="runs.resume").disabled is not resumable
    assert page.button(key="runs.stop").disabled


def test_a_live_run_can_be_stopped_and_not_deleted(root):
    paths = write_fake_run(root, "live", steps=2, outcome=None)
    with Lease(paths.lock):
        page = select(opened(), 0)
        assert table(page)["status"][0] == "● running"
        assert page.menu_button(key="runs.more").options == ["Rename", "Tags and note", "Pin"]
        page = click(page, "runs.stop")
        assert (paths.control / "stop").exists()
        assert table(page)["status"][0] == "◑ stopping"


def test_resume_starts_an_engine_on_the_selected_run(root, monkeypatch):
    write_fake_run(root, "run", steps=2, outcome="stopped")
    resumed = []
    monkeypatch.setattr("dashboard.views.run_actions.resume_run", lambda where, run_id: resumed.append(run_id))
    click(select(opened(), 0), "runs.resume")
    assert resumed == ["run"]


def test_open_and_clone_lead_to_the_pages_of_the_run(root):
    write_fake_run(root, "run", steps=2)
    assert click(select(opened(), 0), "runs.open").query_params["run"] == "run"
    assert click(select(opened(), 0), "runs.clone").query_params["clone"] == "run"


def test_the_button_of_a_row_opens_the_run_that_it_was_shown_for(root):
    write_fake_run(root, "run", steps=2)
    page = opened()
    with pytest.MonkeyPatch.context() as patch:  # AppTest cannot click inside a table
        gone = []
        patch.setattr(run_table, "go", lambda *place, **keys: gone.append((place, keys)))
        session = {
            run_table.OPEN_CLICK: SimpleNamespace(row=0),
            run_table.SHOWN_IDS: page.session_state["runs.shown_ids"],
        }
        patch.setattr(run_table.st, "session_state", session)
        run_table.open_clicked()
    assert gone == [(("app_pages/run.py",), {"run": "run"})]


def test_the_selection_stays_with_its_run_when_a_new_one_appears(root):
    write_fake_run(root, "old", steps=2)
    write_fake_run(root, "mine", steps=2)
    page = select(opened(), 0)
    assert "mine" in texts(page)
    write_fake_run(root, "newest", steps=2)
    page = page.run()
    assert list(table(page)["name"]) == ["newest", "mine", "old"]
    assert page.session_state[TABLE]["selection"]["rows"] == [1]
    assert "mine" in [element.value for element in page.text]


def test_delete_asks_moves_to_the_trash_and_can_be_undone(root):
    write_fake_run(root, "keep", steps=2)
    write_fake_run(root, "gone", steps=2)
    page = more(select(opened(), 0), "delete")
    assert "It goes there with its checkpoints" in texts(page)
    assert len(list_runs(root)) == 2
    page = click(page, "runs.delete.sure")
    assert [paths.run_id for paths in list_runs(root)] == ["keep"]
    assert len(list_trash(root)) == 1
    page = click(page.run(), "runs.undo")
    assert {paths.run_id for paths in list_runs(root)} == {"keep", "gone"}
    assert list_trash(root) == []


def test_a_run_comes_back_from_the_trash_by_choice(root):
    write_fake_run(root, "keep", steps=2)
    write_fake_run(root, "gone", steps=2)
    page = click(more(select(opened(), 0), "delete"), "runs.delete.sure")
    page = opened()
    page.selectbox(key="runs.trash").select_index(0).run()
    click(page, "runs.restore")
    assert {paths.run_id for paths in list_runs(root)} == {"keep", "gone"}


def test_rename_changes_the_name_and_keeps_the_folder(root):
    write_fake_run(root, "run", steps=2)
    page = more(select(opened(), 0), "rename")
    page.text_input(key="runs.new_name").set_value("better")
    page = click(page, "runs.rename.sure")
    assert read_config(RunPaths(root / "run")).name == "better"
    assert table(page.run())["name"][0] == "better"


def test_an_empty_name_is_refused_in_words(root):
    write_fake_run(root, "run", steps=2)
    page = more(select(opened(), 0), "rename")
    page.text_input(key="runs.new_name").set_value("")
    page = click(page, "runs.rename.sure").run()
    assert "name" in page.error[0].value and "empty" in page.error[0].value
    assert read_config(RunPaths(root / "run")).name == "run"


def test_the_longest_name_a_run_may_have_is_shown_whole(root):
    name = "x" * 80
    write_fake_run(root, "run", steps=2, config=fake_config(name=name, steps=2))
    assert table(opened())["name"][0] == name


def test_a_run_that_stopped_early_shows_no_missing_steps(root):
    config = fake_config(name="early", steps=100)
    paths = write_fake_run(root, "early", steps=50, config=config)
    row = table(opened()).iloc[0]
    assert row["steps"] == "50, early"
    assert re.fullmatch(r"\d+ → \d+ %", row["held_out"])
    assert run_status(paths).goal == 50
