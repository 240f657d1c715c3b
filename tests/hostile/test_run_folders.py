"""Run folders that were tampered with: each is told in a sentence, and none hides the others or hangs a page."""

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views.notes_dialog import NOTE, TAGS
from dashboard.views.run_actions import NEW_NAME
from engine.errors import LabError
from engine.runs.best import read_best
from engine.runs.launch import is_live, start_run
from engine.runs.lease import holder, is_held
from engine.runs.manage import delete_run, list_trash, run_summary
from engine.runs.paths import RunPaths, list_runs, read_config
from engine.runs.process import read_launch
from engine.runs.reader import RunReader
from engine.runs.scores import read_scores
from engine.runs.shared_prompts import shared_prompts
from engine.runs.status import log_tail, run_status
from tests.fakes import fake_config, write_fake_run
from tests.pages.reading import open_page, words

DEEP = "[" * 100_000


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunPaths:
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path))
    return write_fake_run(tmp_path, "tampered", steps=2, group_size=4, prompts=2)


def sentence(act: Callable[[], object]) -> str:
    """What the user is told; never anything but a LabError."""
    with pytest.raises(LabError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(paths: RunPaths, old: str, new: str) -> None:
    text = paths.config.read_text()
    assert old in text
    paths.config.write_text(text.replace(old, new))


def sql(paths: RunPaths, statement: str) -> None:
    with sqlite3.connect(paths.db) as db:
        db.execute("PRAGMA ignore_check_constraints=ON")  # other programs may
        db.execute(statement)
    db.close()


@pytest.mark.parametrize("value", ["1e999", "-3", '"12"', "true", "2.5", "null", "[]", "9" * 4000])
def test_a_number_of_steps_that_is_none_counts_as_unknown(paths: RunPaths, value: str) -> None:
    edit(paths, '"max_steps": 2', f'"max_steps": {value}')
    assert run_status(paths).max_steps == 0
    assert run_summary(paths).status.state == "finished"
    assert sentence(lambda: read_config(paths)).startswith("optim.max_steps: ")


@pytest.mark.parametrize("value", ["5", '"abc"', '{"a": 1}', "[1, null]", "null"])
def test_rewards_that_are_no_list_are_none(paths: RunPaths, value: str) -> None:
    raw = json.loads(paths.config.read_text())
    paths.config.write_text(json.dumps({**raw, "rewards": json.loads(value)}))
    assert run_summary(paths).rewards == ()


@pytest.mark.parametrize("name", ["config", "log", "launch", "lock"])
def test_a_pipe_in_the_place_of_a_file_hangs_nobody(paths: RunPaths, name: str) -> None:
    path: Path = getattr(paths, name)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    assert run_status(paths).state == "finished"
    assert run_summary(paths).status.step == 2
    assert log_tail(paths, 5) == [] or name != "log"
    assert not is_live(paths)


def test_an_endless_configuration_is_refused_unread(paths: RunPaths) -> None:
    paths.config.unlink()
    paths.config.symlink_to("/dev/zero")
    assert "It is not a file" in sentence(lambda: read_config(paths))
    assert run_summary(paths).name == "tampered"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(20 * 2**30)  # a hole: it takes no room on the disk


RECORDS: dict[str, Callable[[RunPaths], object]] = {
    "checkpoints/best.json": lambda paths: read_best(paths.checkpoints),
    "launch.json": read_launch,
    "engine.lock": lambda paths: holder(paths.lock),
}


@pytest.mark.parametrize("put", [pipe, endless, huge])
@pytest.mark.parametrize("name", RECORDS)
def test_a_record_without_end_is_none_and_is_not_read(
    paths: RunPaths, name: str, put: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = paths.root / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    put(path)
    monkeypatch.setattr(Path, "read_bytes", lambda _path: pytest.fail("it was read"))
    assert RECORDS[name](paths) is None


@pytest.mark.parametrize("number", ["1e999", "1" + "0" * 400, "null", '"x"'])
@pytest.mark.parametrize(
    "record", ['{"step": %s, "metric": "x", "value": 1}', '{"step": 2, "metric": "x", "value": %s}']
)
def test_a_best_checkpoint_that_no_engine_recorded_is_none(paths: RunPaths, record: str, number: str) -> None:
    paths.checkpoints.mkdir(exist_ok=True)
    (paths.checkpoints / "best.json").write_text(record % number)
    assert read_best(paths.checkpoints) is None
    assert not open_page("run", run="tampered").exception


def test_a_lock_file_that_cannot_be_opened_is_named(paths: RunPaths) -> None:
    paths.lock.symlink_to(paths.lock)
    assert str(paths.lock) in sentence(lambda: is_held(paths.lock))
    assert str(paths.lock) in sentence(lambda: run_status(paths))


def test_records_nested_without_end_count_as_unreadable(paths: RunPaths) -> None:
    for path in (paths.lock, paths.launch):
        path.write_text(DEEP)
    assert run_status(paths).state == "finished"


def test_a_run_that_cannot_be_read_keeps_no_other_from_starting(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.config.unlink()
    paths.config.mkdir()
    monkeypatch.setattr("engine.runs.launch.spawn", lambda *_args, **_kw: None)
    launched = start_run(paths.root.parent, fake_config(name="other", steps=3))
    assert launched.created and len(list_runs(paths.root.parent)) == 2


def test_a_runs_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    assert "runs cannot be read: Not a directory" in sentence(lambda: list_runs(tmp_path / "runs"))


WRONG_VALUES = {
    "a moment in words": "UPDATE attempts SET started_at = 'noon'",
    "a moment beyond the calendar": "UPDATE attempts SET started_at = 1e300",
    "a moment before 1970": "UPDATE attempts SET ended_at = -1e12",
    "a heartbeat beyond all steps": "UPDATE heartbeat SET step = 9e999",
    "steps before the first": "UPDATE steps SET step = -step",
    "steps beyond the last": "UPDATE steps SET step = step + 4000000000000000000",
    "a message of bytes": "UPDATE attempts SET outcome = 'failed', message = x'ff00'",
    "a pass rate in words": 'UPDATE evaluations SET metrics = json(\'{"pass_at_1": {"value": "all"}}\')',
}


@pytest.mark.parametrize("statement", WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_a_value_of_another_kind_reads_as_damage_of_this_run(paths: RunPaths, statement: str) -> None:
    sql(paths, statement)
    assert sentence(lambda: run_summary(paths)).startswith(f"{paths.db}: ")


WRONG_FRAMES: dict[str, tuple[str, Callable[[RunReader], object]]] = {
    "rewards": ("UPDATE steps SET rewards = '[1]'", RunReader.steps),
    "summary": ("UPDATE steps SET rewards = '{\"a\": 1}'", RunReader.steps),
    "summary list": ("UPDATE steps SET rewards = '{\"a\": [1]}'", RunReader.steps),
    "mean": ('UPDATE steps SET rewards = \'{"a": {"mean": "x"}}\'', RunReader.steps),
    "long mean": (f'UPDATE steps SET rewards = \'{{"a": {{"mean": 1{"0" * 400}}}}}\'', RunReader.steps),
    "kind": ("UPDATE groups SET kind = 'odd'", lambda reader: reader.groups(1)),
    "group": ("UPDATE completions SET group_index = 99 - group_index", lambda reader: reader.completions(1)),
    "reason": ("UPDATE completions SET finish_reason = 'odd'", lambda reader: reader.completions(1)),
    "scores": ("UPDATE texts SET steps = '{\"a\": 5}'", lambda reader: reader.completions(1)),
    "score": ('UPDATE texts SET steps = \'{"a": [[0, "x"]]}\'', lambda reader: reader.completions(1)),
    "one": ("UPDATE texts SET steps = '{\"a\": [[3]]}'", lambda reader: reader.completions(1)),
    "place": ("UPDATE texts SET steps = '{\"a\": [[999999, 1]]}'", lambda reader: reader.completions(1)),
    "scored": ("UPDATE texts SET steps = '{\"a\": [[999999, 1]]}'", lambda reader: read_scores(reader, [1])),
    "errors": ("UPDATE texts SET errors = '{\"a\": 5}'", lambda reader: reader.completions(1)),
    "sample": ("UPDATE evaluations SET samples = '[{}]'", lambda reader: reader.evaluation_details(0)),
    "sample of 5": ("UPDATE evaluations SET samples = '[5]'", lambda reader: reader.evaluation_details(0)),
    "per prompt": ("UPDATE evaluations SET prompts = '{\"rewards\": 5}'", lambda reader: reader.evaluation_details(0)),
    "prompt": ("UPDATE groups SET prompt = x'ff'", lambda reader: reader.groups(1)),
    "text": ("UPDATE texts SET text = x'ff'", lambda reader: reader.completions(1)),
    "length": ("UPDATE completions SET length = 'long'", lambda reader: reader.completions(1)),
    "samples": ("UPDATE evaluations SET samples = '{}'", lambda reader: reader.evaluation_details(0)),
    "prompts": ("UPDATE evaluations SET prompts = '[]'", lambda reader: reader.evaluation_details(0)),
    "metrics": ("UPDATE evaluations SET metrics = '[1]'", RunReader.evaluations),
    "long metric": (
        f'UPDATE evaluations SET metrics = \'{{"pass_at_1": {{"value": 1{"0" * 400}}}}}\'',
        RunReader.evaluations,
    ),
    "arrays": ("UPDATE tokens SET logprobs = x'00000000'", lambda reader: reader.tokens(1, 0, 0)),
    "alternatives": (
        "UPDATE tokens SET alternative_ids = x'0000000000000000', alternative_logprobs = x'0000'",
        lambda reader: reader.step_tokens(1),
    ),
    "uneven": (
        "UPDATE tokens SET alternative_ids = zeroblob(2 * length(ids)), "
        "alternative_logprobs = zeroblob(length(ids) / 2)",
        lambda reader: reader.tokens(1, 0, 0),
    ),
    "piece": ("UPDATE vocabulary SET piece = x'ff'", lambda reader: reader.tokens(1, 0, 0)),
}


@pytest.mark.parametrize(("statement", "read"), WRONG_FRAMES.values(), ids=WRONG_FRAMES)
def test_a_column_of_another_kind_is_damage_too(
    paths: RunPaths, statement: str, read: Callable[[RunReader], object]
) -> None:
    sql(paths, statement)
    assert "The database is damaged" in sentence(lambda: read(RunReader(paths.db)))


def test_damage_that_only_the_charts_meet_is_a_sentence_not_a_traceback(paths: RunPaths) -> None:
    sql(paths, "UPDATE steps SET reward = 'much'")
    assert run_status(paths).state == "finished"
    page = open_page("run", run="tampered")
    assert not page.exception and "The database is damaged" in words(page)


@pytest.mark.parametrize("page", ["run", "groups"])
def test_groups_whose_completions_are_gone_say_so(paths: RunPaths, page: str) -> None:
    sql(paths, "DELETE FROM completions WHERE group_index = 0")
    app = open_page(page, run="tampered", step="2", group="1")
    assert not app.exception
    assert page == "run" or "The completions of this group are not stored." in words(app)


def test_completions_whose_reward_functions_are_gone_have_no_rewards(paths: RunPaths) -> None:
    sql(paths, "DELETE FROM reward_functions")
    assert RunReader(paths.db).completions(1)["rewards"].tolist() == [{}] * 8
    assert not open_page("groups", run="tampered", step="2", group="1", completion="1").exception
    paths.db.unlink()  # what its advantages came from cannot be computed again


@pytest.mark.parametrize("statement", WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_a_damaged_run_does_not_hide_the_others(paths: RunPaths, statement: str) -> None:
    write_fake_run(paths.root.parent, "sound", steps=2, group_size=4, prompts=2)
    sql(paths, statement)
    page = open_page("runs")
    assert not page.exception and len(page.dataframe[0].value) == 2


@pytest.mark.parametrize("put", [pipe, endless, Path.mkdir])
@pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm"])
def test_a_neighbour_of_the_database_that_is_no_file_is_named(
    paths: RunPaths, suffix: str, put: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = paths.db.with_name(paths.db.name + suffix)
    path.unlink(missing_ok=True)
    put(path)
    with monkeypatch.context() as patched:  # SQLite would wait at the pipe
        patched.setattr(sqlite3, "connect", lambda *_args, **_kw: pytest.fail("it was opened"))
        assert sentence(lambda: run_status(paths)).startswith(f"{path}: It is not a file.")
    path.rmdir() if path.is_dir() else path.unlink()


def test_a_file_in_the_place_of_the_trash_is_an_empty_trash_and_keeps_runs(paths: RunPaths) -> None:
    root = paths.root.parent
    (root / ".trash").write_text("")
    assert list_trash(root) == []
    assert not open_page("runs").exception
    assert str(root / ".trash") in sentence(lambda: delete_run(root, paths))
    assert paths.config.is_file()


def test_runs_without_a_step_share_no_prompts(paths: RunPaths) -> None:
    sql(paths, "DELETE FROM steps")
    assert shared_prompts([RunReader(paths.db)] * 2, 0) == []


def dialog(kind: str, name: str) -> AppTest:
    page = open_page("runs")
    page.session_state["runs.dialog"] = (kind, "tampered", name)
    return page.run()


def test_half_a_character_in_a_note_a_tag_or_a_name_can_be_edited_away(paths: RunPaths) -> None:
    paths.meta.write_text(json.dumps({"note": "a \ud800 b", "tags": ["c\ud800"]}))
    notes = dialog("notes", "tampered")
    assert not notes.exception and notes.text_area(NOTE).value == "a ? b" and notes.multiselect(TAGS).value == ["c?"]
    rename = dialog("rename", "A\ud800B")
    assert not rename.exception and rename.text_input(NEW_NAME).value == "A?B"


def test_half_a_character_in_a_setting_does_not_take_down_the_form(paths: RunPaths) -> None:
    assert not open_page("new_run", clone="tampered", set='{"data.prompt_column": "\\ud800"}').exception


def test_half_a_character_in_a_setting_is_refused_by_name(paths: RunPaths) -> None:
    raw = json.loads(paths.config.read_text())
    raw["data"]["prompt_column"] = "\ud800"
    paths.config.write_text(json.dumps(raw))
    assert sentence(lambda: read_config(paths)).startswith("data.prompt_column: ")
