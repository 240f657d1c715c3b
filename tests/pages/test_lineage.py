"""Relations of runs, tags, notes and pins on the pages Run and Runs, and what edited files do to them."""

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest

from engine.config_io import dump_config
from engine.runs.durable import write_atomic
from engine.runs.lineage import Origin, write_origin
from engine.runs.manage import delete_run, list_trash
from engine.runs.notes import Notes, change_notes, read_notes
from engine.runs.paths import RunPaths, list_runs
from engine.runs.status import run_status
from engine.runs.store import StoreWriter
from tests.fake_records import HOSTILE, FakeRun
from tests.fakes import fake_config, write_fake_run
from tests.pages.reading import component, in_url, open_page, words

TABLE = "runs.table"


def run(root: Path, run_id: str, origin: Origin | None = None) -> RunPaths:
    paths = write_fake_run(root, run_id, steps=2, prompts=1, group_size=2)
    if origin is not None:
        write_origin(paths.origin, origin)
    return paths


def good(app: AppTest) -> AppTest:
    assert not app.exception
    return app


def links(app: AppTest) -> list[str]:
    """The buttons in the line of relations."""
    return [button.label for button in app.button if (button.key or "").startswith("lineage.")]


def runs_page(**keys: object) -> AppTest:
    app = good(open_page("runs"))
    for key, value in keys.items():
        app.session_state[key.replace("_", ".")] = value
    return good(app.run()) if keys else app


def table(app: AppTest):
    return app.dataframe[0].value


def select(app: AppTest, row: int) -> AppTest:
    app.session_state[TABLE] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    return good(app.run())


def test_a_fork_links_to_its_parent_at_the_step_and_the_parent_to_its_children(root: Path) -> None:
    run(root, "mother")
    run(root, "child", Origin("fork", "mother", 2, "mother"))
    run(root, "twin", Origin("clone", "mother", 0, "mother"))
    app = good(open_page("run", run="child"))
    assert links(app) == ["fork of mother at step 2"]
    app = good(app.button(key="lineage.parent").click().run())
    assert (in_url(app, "run"), in_url(app, "step")) == ("mother", "2")
    assert links(app) == ["clone: twin", "fork at step 2: child"]
    app = good(app.button(key="lineage.child").click().run())
    assert (in_url(app, "run"), in_url(app, "step")) == ("child", None)


def test_a_parent_that_is_in_the_trash_or_gone_is_named_as_it_was(root: Path) -> None:
    mother = run(root, "mother")
    run(root, "child", Origin("fork", "mother", 2, "the mother"))
    run(root, "orphan", Origin("fork", "gone", 2, "somebody"))
    delete_run(root, mother)
    assert "fork of the mother at step 2 (in the trash)" in words(open_page("run", run="child")).replace("\\", "")
    assert "fork of somebody at step 2 (deleted)" in words(open_page("run", run="orphan")).replace("\\", "")
    app = runs_page()
    assert dict(zip(table(app)["name"], table(app)["parent"], strict=True)) == {
        "orphan": "somebody, step 2 (deleted)",
        "child": "the mother, step 2 (in the trash)",
    }


def test_a_run_without_relations_has_no_line_and_the_list_no_tree(root: Path) -> None:
    run(root, "alone")
    assert links(open_page("run", run="alone")) == []
    app = runs_page()
    assert "parent" not in table(app) and "tags" not in table(app)
    assert not [toggle for toggle in app.toggle if toggle.key == "runs.tree"]


def test_as_a_tree_each_run_stands_below_its_parent(root: Path) -> None:
    run(root, "mother")
    run(root, "other")
    run(root, "child", Origin("fork", "mother", 2))
    run(root, "grandchild", Origin("fork", "child", 2))
    app = runs_page()
    assert list(table(app)["name"]) == ["grandchild", "child", "other", "mother"]
    good(app.toggle(key="runs.tree").set_value(True).run())
    assert list(table(app)["name"]) == ["other", "mother", "└ child", "\u2003└ grandchild"]


def test_the_selection_stays_with_its_run_when_the_tree_is_shown(root: Path) -> None:
    run(root, "mother")
    run(root, "other")
    run(root, "child", Origin("fork", "mother", 2))
    app = select(runs_page(), 2)
    good(app.toggle(key="runs.tree").set_value(True).run())
    assert app.session_state[TABLE]["selection"]["rows"] == [1]
    assert "mother" in [text.value for text in app.text]


def test_parents_of_each_other_and_a_very_deep_chain_are_listed_once_each(root: Path) -> None:
    run(root, "a", Origin("fork", "b", 1))
    run(root, "b", Origin("fork", "a", 1))
    for number in range(12):
        run(root, f"c{number}", Origin("fork", f"c{number - 1}", 1))
    names = list(table(runs_page(runs_tree=True))["name"])
    assert len(names) == 14 and names[0] == "c0" and names[11].endswith("└ (11) c11")


def test_pinned_runs_stand_first_with_a_sign(root: Path) -> None:
    change_notes(run(root, "old"), pinned=True)
    run(root, "new")
    assert list(table(runs_page())["name"]) == ["★ old", "new"]


def test_pin_and_unpin_from_the_menu(root: Path) -> None:
    paths = run(root, "one")
    app = select(runs_page(), 0)
    good(app.menu_button(key="runs.more").click("pin").run())
    assert read_notes(paths).pinned
    app = select(runs_page(), 0)
    assert "Unpin" in app.menu_button(key="runs.more").options
    good(app.menu_button(key="runs.more").click("pin").run())
    assert not read_notes(paths).pinned


def test_tags_are_a_column_and_narrow_the_list(root: Path) -> None:
    change_notes(run(root, "first"), tags=("good", "beta"))
    change_notes(run(root, "second"), tags=("good",), note="compare with the paper")
    run(root, "third")
    app = runs_page()
    assert [list(tags) for tags in table(app)["tags"]] == [[], ["good"], ["good", "beta"]]
    assert app.multiselect(key="runs.tags").options == ["beta", "good"]
    good(app.multiselect(key="runs.tags").set_value(["good"]).run())
    assert list(table(app)["name"]) == ["second", "first"]
    good(app.multiselect(key="runs.tags").set_value(["good", "beta"]).run())
    assert list(table(app)["name"]) == ["first"]
    good(app.multiselect(key="runs.tags").set_value([]).run())
    good(app.text_input(key="runs.search").set_value("paper").run())
    assert list(table(app)["name"]) == ["second"]


def test_tags_and_note_are_edited_in_a_dialog_and_shown_with_the_selection(root: Path) -> None:
    paths = run(root, "one")
    change_notes(paths, tags=("old",))
    app = select(runs_page(), 0)
    good(app.menu_button(key="runs.more").click("notes").run())
    good(app.multiselect(key="runs.notes.tags").set_value(["old", "new"]).run())
    good(app.text_area(key="runs.notes.note").set_value("what it showed").run())
    good(app.button(key="runs.notes.save").click().run())
    assert read_notes(paths) == Notes(("old", "new"), "what it showed")
    app = select(runs_page(), 0)
    assert "one: #old #new · what it showed" in [text.value for text in app.text]


def test_a_tag_that_is_too_long_is_told_and_the_dialog_stays(root: Path) -> None:
    paths = run(root, "one")
    app = select(runs_page(), 0)
    good(app.menu_button(key="runs.more").click("notes").run())
    good(app.multiselect(key="runs.notes.tags").set_value(["x" * 31]).run())
    good(app.button(key="runs.notes.save").click().run())
    assert "has 31 characters" in words(app) and read_notes(paths) == Notes()


def test_hostile_names_tags_and_notes_are_shown_as_they_are(root: Path) -> None:
    for number, text in enumerate(HOSTILE):
        paths = run(root, f"h{number}", Origin("fork", "gone", 1, text[:200]))
        change_notes(paths, tags=(text[:30],), note=text[:1000])
    app = runs_page()
    assert len(table(app)) == len(HOSTILE)
    app = select(app, len(HOSTILE) - 1)  # the first one
    assert any(text.value.startswith("h0: ") and "<script>" in text.value for text in app.text)
    assert not any("<script>" in element.value for element in app.markdown)
    for number in range(len(HOSTILE)):
        app = good(open_page("run", run=f"h{number}"))
        assert not any("<script>" in caption.value for caption in app.caption)  # escaped: \<script\>


def test_files_that_are_no_json_cost_nothing_but_themselves(root: Path) -> None:
    for run_id, text in (("a", "{"), ("b", "[" * 100_000), ("c", json.dumps({"kind": "fork", "parent": "../x"}))):
        paths = run(root, run_id)
        paths.origin.write_text(text)
        paths.meta.write_text(text)
    app = runs_page()
    assert len(table(app)) == 3 and "parent" not in table(app)
    app = select(app, 1)
    good(app.menu_button(key="runs.more").click("notes").run())
    assert "What was noted here cannot be read" in words(app)
    assert links(good(open_page("run", run="a"))) == []


def test_a_run_comes_back_from_a_trash_of_two_hundred_with_all_that_belongs_to_it(root: Path) -> None:
    for number in range(200):
        (root / ".trash" / f"r{number:03}-20260101-0000{number % 60:02}").mkdir(parents=True)
    paths = run(root, "mine", Origin("clone", "r000"))
    change_notes(paths, tags=("keep",))
    run(root, "other")
    delete_run(root, paths)
    app = runs_page()
    assert len(app.selectbox(key="runs.trash").options) == 201
    good(app.selectbox(key="runs.trash").select_index(0).run())  # the newest
    good(app.button(key="runs.restore").click().run())
    assert {paths.run_id for paths in list_runs(root)} == {"mine", "other"} and len(list_trash(root)) == 200
    assert list(table(runs_page())["parent"]) == ["", "r000, clone (in the trash)"]


def test_the_steps_of_a_fork_begin_after_its_parents_checkpoint(root: Path) -> None:
    config = fake_config(name="late", steps=60, prompts=1, group_size=2)
    paths = RunPaths(root / "late")
    paths.root.mkdir()
    write_origin(paths.origin, Origin("fork", "gone", 50))
    write_atomic(paths.config, dump_config(config).encode())
    store, fake = StoreWriter(paths.db), FakeRun(config)
    store.begin_attempt(50, {})
    assert run_status(paths).step == 50  # nothing is stored yet
    for step in (51, 52, 53):
        store.commit_step(fake.step(step))
    store.close()
    for page in ("run", "groups"):
        app = good(open_page(page, run="late", step="7"))
        shown = component(app, "step_scrubber")
        assert (shown["oldest"], shown["step"], shown["newest"]) == (51, 51, 53)
