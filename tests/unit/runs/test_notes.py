"""Tags, note and pin of a run: bounded, kept by rename, trash and restore, and broken files cost nothing else."""

import json
import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from engine.errors import LabError
from engine.runs import notes
from engine.runs.lineage import Origin, read_origin, write_origin
from engine.runs.manage import delete_run, list_trash, rename_run, restore_run, run_summary
from engine.runs.notes import Notes, change_notes, read_notes
from engine.runs.paths import RunPaths
from tests.fakes import write_fake_run


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return write_fake_run(tmp_path, "run", steps=1, prompts=1, group_size=2)


def test_a_run_without_notes_has_none(paths: RunPaths) -> None:
    assert read_notes(paths) == Notes()


def test_each_part_is_changed_alone(paths: RunPaths) -> None:
    change_notes(paths, tags=("beta", "keep"))
    change_notes(paths, note="Two lines,\nand <b>markup</b>.")
    change_notes(paths, pinned=True)
    assert read_notes(paths) == Notes(("beta", "keep"), "Two lines,\nand <b>markup</b>.", pinned=True)


def test_tags_are_tidied_and_kept_once(paths: RunPaths) -> None:
    assert change_notes(paths, tags=("  two   words ", "two words", "", "B")).tags == ("two words", "B")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tags": tuple(map(str, range(21)))}, "21 tags are too many"),
        ({"tags": ("x" * 31,)}, "has 31 characters"),
        ({"note": "x" * 10_001}, "10,001 characters, at most 10,000"),
    ],
)
def test_what_is_too_long_is_refused_and_what_was_there_stays(paths: RunPaths, changes: dict, words: str) -> None:
    change_notes(paths, tags=("old",))
    with pytest.raises(LabError, match=words):
        change_notes(paths, **changes)
    assert read_notes(paths).tags == ("old",)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "[" * 100_000, "\x00", '"x"'])
def test_a_file_that_is_none_reads_as_broken_and_can_be_replaced(paths: RunPaths, text: str) -> None:
    paths.meta.write_text(text)
    assert read_notes(paths) == Notes(broken=True)
    assert run_summary(paths).notes.broken
    assert change_notes(paths, pinned=True) == read_notes(paths) == Notes(pinned=True)


def test_values_of_other_kinds_count_as_nothing(paths: RunPaths) -> None:
    paths.meta.write_text(json.dumps({"tags": ["ok", 7, None, "y" * 99, "  "], "note": ["x"], "pinned": "yes"}))
    assert read_notes(paths) == Notes(("ok", "y" * 30))
    paths.meta.write_text(json.dumps({"tags": [str(n) for n in range(1000)], "note": "n" * 50_000}))
    assert (len(read_notes(paths).tags), len(read_notes(paths).note)) == (20, 10_000)


def test_a_pipe_or_an_endless_file_hangs_nobody(paths: RunPaths) -> None:
    os.mkfifo(paths.meta)
    os.mkfifo(paths.origin)
    assert read_notes(paths).broken and read_origin(paths) is None
    paths.meta.unlink()
    paths.meta.symlink_to("/dev/zero")
    assert read_notes(paths).broken


def test_notes_and_origin_go_to_the_trash_and_come_back_with_the_run(tmp_path: Path, paths: RunPaths) -> None:
    change_notes(paths, tags=("keep",), note="why", pinned=True)
    write_origin(paths.origin, Origin("fork", "parent", 3))
    rename_run(paths, "another name")
    delete_run(tmp_path, paths)
    restored = restore_run(tmp_path, list_trash(tmp_path)[0])
    assert read_notes(restored) == Notes(("keep",), "why", pinned=True)
    assert read_origin(restored) == Origin("fork", "parent", 3)


def test_a_change_of_notes_or_origin_shows_in_the_summary_at_once(paths: RunPaths) -> None:
    assert run_summary(paths).notes == Notes() and run_summary(paths).origin is None
    change_notes(paths, tags=("new",))
    write_origin(paths.origin, Origin("clone", "parent"))
    summary = run_summary(paths)
    assert (summary.notes.tags, summary.origin) == (("new",), Origin("clone", "parent"))


def test_two_changes_at_once_both_stay(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(1) as other:
        pinning: list[Future[Notes]] = []

        def reading(paths: RunPaths) -> Notes:
            """While the first change reads, the second begins; it ends now unless it has to wait for the first."""
            found = read_notes(paths)
            if not pinning:
                pinning.append(other.submit(change_notes, paths, pinned=True))
                wait(pinning, timeout=0.2)
            return found

        monkeypatch.setattr(notes, "read_notes", reading)
        change_notes(paths, note="mine")
    assert pinning[0].exception() is None
    assert read_notes(paths) == Notes(note="mine", pinned=True)
