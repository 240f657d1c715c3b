"""The list of runs: true numbers at little cost, and a delete that can be taken back."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import ConfigError, LabError, RunBusyError, RunNotFoundError, StoreError
from engine.runs import manage
from engine.runs.lease import Lease
from engine.runs.manage import delete_run, list_trash, rename_run, restore_run, run_summary
from engine.runs.paths import RunPaths, list_runs, open_run, read_config
from engine.runs.process import write_launch
from engine.runs.reader import RunReader
from engine.runs.store import StoreWriter
from tests.fakes import write_fake_run

NOW = 1_800_000_000.0


def test_a_summary_has_the_numbers_of_the_store(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=120, prompts=2, group_size=4, ended_at=NOW)
    summary = run_summary(paths)
    steps = RunReader(paths.db).steps()
    evaluations = RunReader(paths.db).evaluations()["pass_at_1"].tolist()
    assert (summary.name, summary.model, summary.data) == ("a", "embedded", "arithmetic")
    assert summary.rewards == ("exact_match", "digit_match")
    assert (summary.status.state, summary.status.step, summary.status.max_steps) == ("finished", 120, 120)
    assert (summary.eval_before, summary.eval_last) == (evaluations[0], evaluations[-1])
    assert summary.kl == pytest.approx(steps["kl"].tail(10).mean())
    assert summary.dead_share == pytest.approx(steps["frac_reward_zero_std"].tail(10).mean())
    assert len(summary.reward_curve) == 60
    assert summary.reward_curve[0] == pytest.approx(steps["reward"].head(2).mean())
    assert summary.started_at == NOW - 48
    assert summary.duration_s == pytest.approx(48)


def test_a_run_that_has_not_begun_has_a_summary_without_numbers(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=0)
    paths.db.unlink()
    summary = run_summary(paths)
    assert (summary.status.state, summary.name, summary.reward_curve) == ("new", "a", [])
    assert (summary.eval_before, summary.eval_last, summary.kl, summary.dead_share) == (None, None, None, None)
    assert (summary.started_at, summary.duration_s) == (None, 0)


def test_the_duration_adds_attempts_and_counts_a_killed_one_to_its_last_heartbeat(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=10, outcome="stopped", ended_at=NOW)  # 4 s
    times = iter([NOW + 100, NOW + 107, NOW + 500])
    store = StoreWriter(paths.db, clock=lambda: next(times))
    store.begin_attempt(10, {})
    store.beat(10, "rollout")
    store.close()
    assert run_summary(paths).duration_s == pytest.approx(4 + 7)
    with Lease(paths.lock):
        assert run_summary(paths, now=NOW + 160).duration_s == pytest.approx(4 + 60)


def test_a_summary_is_read_again_only_when_something_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_fake_run(tmp_path, "a", steps=10, outcome="stopped")
    reads = []
    real = manage._read_summary
    monkeypatch.setattr(manage, "_read_summary", lambda *given: reads.append(1) or real(*given))  # type: ignore[func-returns-value]
    assert [run_summary(paths).name for _ in range(5)] == ["a"] * 5
    assert len(reads) <= 2  # the first read makes SQLite's own files appear
    del reads[:]
    rename_run(paths, "b")
    assert (run_summary(paths).name, len(reads)) == ("b", 1)
    store = StoreWriter(paths.db)
    store.begin_attempt(10, {})
    store.close()
    assert (run_summary(paths).status.state, len(reads)) == ("interrupted", 2)


def test_a_live_run_is_read_every_time(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=10, outcome=None, ended_at=NOW)
    assert run_summary(paths).status.state == "interrupted"
    with Lease(paths.lock):
        assert run_summary(paths, now=NOW + 1).status.state == "running"
        assert run_summary(paths, now=NOW + 500).status.state == "stalled"
    assert run_summary(paths).status.state == "interrupted"


def test_a_configuration_of_another_release_does_not_hide_the_run(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=3)
    paths.config.write_text(
        '{"name": "old", "model": "embedded", "rewards": [{"name": "gone", "weight": 0}, {"name": "b", "weight": 1}]}'
    )
    summary = run_summary(paths)
    assert (summary.name, summary.model, summary.rewards, summary.status.step) == ("old", "", ("b", "gone"), 3)


def test_a_damaged_store_is_reported(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=0)
    paths.db.write_bytes(b"x" * 5000)
    with pytest.raises(StoreError):
        run_summary(paths)


def test_two_hundred_runs_are_listed_in_time(tmp_path: Path) -> None:
    """Goal: 300 ms the first time, a tenth of it after that; asserted with room for a slow processor."""
    source = write_fake_run(tmp_path, "run-000", steps=30, prompts=2)
    for number in range(1, 200):
        shutil.copytree(source.root, tmp_path / f"run-{number:03}")
    cold = seconds(lambda: [run_summary(paths) for paths in list_runs(tmp_path)])
    [run_summary(paths) for paths in list_runs(tmp_path)]
    warm = seconds(lambda: [run_summary(paths) for paths in list_runs(tmp_path)])
    assert len(list_runs(tmp_path)) == 200
    assert cold < 1.2
    assert warm < 0.2


def seconds(call: Callable[[], object]) -> float:
    """Processor time: a busy machine does not count against it."""
    start = time.process_time()
    call()
    return time.process_time() - start


def test_a_renamed_run_keeps_its_folder_its_settings_and_its_place_in_the_list(tmp_path: Path) -> None:
    write_fake_run(tmp_path, "older", steps=1, ended_at=NOW)
    newer = write_fake_run(tmp_path, "newer", steps=1, ended_at=NOW + 60)
    older = open_run(tmp_path, "older")
    before = read_config(older)
    rename_run(older, "  Better name ")
    assert read_config(older) == before.model_copy(update={"name": "Better name"})
    assert [paths.run_id for paths in list_runs(tmp_path)] == [newer.run_id, "older"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_a_name_out_of_bounds_is_refused(tmp_path: Path, name: str) -> None:
    paths = write_fake_run(tmp_path, "a", steps=1)
    with pytest.raises(ConfigError, match="name"):
        rename_run(paths, name)
    assert read_config(paths).name == "a"


def test_a_deleted_run_can_be_brought_back_whole(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=5)
    trashed = delete_run(tmp_path, paths)
    assert list_runs(tmp_path) == [] and not paths.root.exists()
    assert list_trash(tmp_path) == [trashed]
    assert restore_run(tmp_path, trashed) == paths
    assert list_trash(tmp_path) == []
    assert run_summary(paths).status.step == 5


def test_a_run_that_is_being_trained_or_started_is_not_deleted(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=5, outcome="interrupted")
    with Lease(paths.lock), pytest.raises(RunBusyError, match="a is being trained"):
        delete_run(tmp_path, paths)
    write_launch(paths, os.getpid(), at=time.time() + 60, argv=[], cwd="/")
    with pytest.raises(RunBusyError):
        delete_run(tmp_path, paths)
    assert paths.db.exists()


def test_a_damaged_run_can_be_deleted(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=0)
    paths.db.write_bytes(b"x" * 5000)
    delete_run(tmp_path, paths)
    assert not paths.root.exists()


def test_a_restored_run_does_not_replace_another(tmp_path: Path) -> None:
    trashed = delete_run(tmp_path, write_fake_run(tmp_path, "a", steps=1))
    write_fake_run(tmp_path, "a", steps=2)
    with pytest.raises(LabError, match="There is a run a already"):
        restore_run(tmp_path, trashed)
    assert run_summary(RunPaths(tmp_path / "a")).status.step == 2


@pytest.mark.parametrize("name", ["", "..", "a", "../a-20260101-000000", "b-20260101-000000", "a-20269901-000000"])
def test_only_what_is_in_the_trash_is_restored(tmp_path: Path, name: str) -> None:
    write_fake_run(tmp_path, "a-20260101-000000", steps=1)
    delete_run(tmp_path, write_fake_run(tmp_path, "c", steps=1))
    with pytest.raises(RunNotFoundError):
        restore_run(tmp_path, name)


def test_an_empty_trash_is_an_empty_list(tmp_path: Path) -> None:
    assert list_trash(tmp_path) == []
