"""Starting makes one run however often it is asked for; ending touches only what is provably the run's."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.config_io import spelled_out
from engine.errors import LabError, RunNotFoundError
from engine.runs import launch
from engine.runs.control import stop_requested
from engine.runs.launch import Launched, kill_run, reap, resume_run, start_run, stop_run
from engine.runs.lease import Lease, is_held
from engine.runs.paths import RunPaths, list_runs, open_run, read_config
from engine.runs.process import read_launch, write_launch
from engine.runs.status import run_status
from tests.fakes import fake_config, write_fake_run
from tests.waiting import wait_until

Stub = Callable[[str], None]
CONFIG = fake_config(name="My run", steps=5)


def wait_for(paths: RunPaths, state: str) -> None:
    wait_until(lambda: run_status(paths).state == state, f"{paths.run_id} {state}, is {run_status(paths)}")


def ended(paths: RunPaths) -> bool:
    launched = read_launch(paths)
    return launched is not None and not launched.process.is_alive()


def test_a_started_run_trains_stops_on_request_and_is_resumed(tmp_path: Path, stub_engine: Stub) -> None:
    stub_engine("train")
    launched = start_run(tmp_path, CONFIG)
    paths = open_run(tmp_path, launched.run_id)
    assert launched.created and launched.run_id.startswith("my-run-")
    assert read_config(paths) == spelled_out(CONFIG)
    wait_for(paths, "running")
    stop_run(paths)
    wait_for(paths, "stopped")
    assert resume_run(tmp_path, launched.run_id) == Launched(launched.run_id, created=True)
    assert not stop_requested(paths)
    wait_for(paths, "running")
    assert resume_run(tmp_path, launched.run_id) == Launched(launched.run_id, created=False)


@pytest.mark.parametrize("behaviour", ["train", "hang"])
def test_starts_at_the_same_time_make_one_run(tmp_path: Path, stub_engine: Stub, behaviour: str) -> None:
    stub_engine(behaviour)
    with ThreadPoolExecutor(8) as pool:
        launched = list(pool.map(lambda _: start_run(tmp_path, CONFIG), range(8)))
    assert len({each.run_id for each in launched}) == 1
    assert sorted(each.created for each in launched) == [False] * 7 + [True]
    assert len(list_runs(tmp_path)) == 1


def test_another_configuration_or_an_ended_run_makes_a_new_one(tmp_path: Path, stub_engine: Stub) -> None:
    stub_engine("finish")
    first = start_run(tmp_path, CONFIG)
    wait_for(open_run(tmp_path, first.run_id), "finished")
    stub_engine("train")
    assert start_run(tmp_path, CONFIG).created
    assert start_run(tmp_path, CONFIG.model_copy(update={"seed": 1})).created
    assert not start_run(tmp_path, CONFIG).created
    assert len(list_runs(tmp_path)) == 3


def test_a_damaged_store_of_the_same_configuration_does_not_block_a_start(tmp_path: Path, stub_engine: Stub) -> None:
    write_fake_run(tmp_path, "old", steps=0, config=CONFIG).db.write_bytes(b"x" * 5000)
    stub_engine("finish")
    assert start_run(tmp_path, CONFIG).created


def test_an_engine_gets_its_own_session_and_only_the_listed_environment(
    tmp_path: Path, stub_engine: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"SECRET_TOKEN": "s", "HF_HOME": "/hf", "GRPO_LAB_RUNS": "/r", "OMP_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", "/mine")
    stub_engine("show")
    paths = open_run(tmp_path, start_run(tmp_path, CONFIG).run_id)
    wait_until(lambda: ended(paths), "the engine's end")
    shown = json.loads(paths.log.read_text())
    assert shown["sid"] == shown["pid"]
    assert shown["cwd"] == os.getcwd()
    assert "SECRET_TOKEN" not in shown["env"]
    assert {shown["env"][name] for name in ("HF_HOME", "GRPO_LAB_RUNS", "OMP_NUM_THREADS")} == {"/hf", "/r", "1"}
    assert shown["env"]["PYTHONPATH"].endswith(os.pathsep + "/mine")
    assert shown["env"]["PATH"] == os.environ["PATH"]


def test_a_resumed_engine_works_in_the_folder_of_the_first_start(
    tmp_path: Path, stub_engine: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    stub_engine("crash")
    monkeypatch.chdir(home)
    paths = open_run(tmp_path, start_run(tmp_path, CONFIG).run_id)
    wait_until(lambda: ended(paths), "the engine's end")
    monkeypatch.chdir(tmp_path)
    paths.log.unlink()
    stub_engine("show")
    resume_run(tmp_path, paths.run_id)
    wait_until(lambda: ended(paths), "the engine's end")
    assert json.loads(paths.log.read_text())["cwd"] == str(home)


def test_an_engine_that_cannot_begin_is_failed_with_its_words_and_leaves_no_zombie(
    tmp_path: Path, stub_engine: Stub
) -> None:
    stub_engine("crash")
    paths = open_run(tmp_path, start_run(tmp_path, CONFIG).run_id)
    wait_for(paths, "failed")
    assert run_status(paths).detail == "one\ntwo\nModelError: no such model"
    launched = read_launch(paths)
    assert launched is not None and Path(f"/proc/{launched.process.pid}").exists()  # ended, not yet collected
    reap()
    assert not Path(f"/proc/{launched.process.pid}").exists()


def test_a_program_that_does_not_exist_is_an_error_and_the_run_can_be_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "engine_command", lambda _: ["/no/such/python"])
    with pytest.raises(LabError, match=r"could not be started.*No such file"):
        start_run(tmp_path, CONFIG)
    [paths] = list_runs(tmp_path)
    assert run_status(paths).state == "new"


def test_a_runs_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(LabError, match=r"runs: File exists\. The folder must be writable"):
        start_run(tmp_path / "runs", CONFIG)


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for attempt in (lambda: start_run(tmp_path, CONFIG), lambda: stop_run(RunPaths(tmp_path))):
        with pytest.raises(LabError, match="No space left on device"):
            attempt()


def test_a_run_that_does_not_exist_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError):
        resume_run(tmp_path, "../elsewhere")


def test_kill_lets_the_engine_end_by_itself_first(tmp_path: Path, stub_engine: Stub) -> None:
    stub_engine("train")
    paths = open_run(tmp_path, start_run(tmp_path, CONFIG).run_id)
    wait_for(paths, "running")
    assert kill_run(paths)
    assert run_status(paths).state == "stopped"
    assert not kill_run(paths)


def test_kill_ends_an_engine_that_does_not_listen_and_its_helpers(tmp_path: Path, stub_engine: Stub) -> None:
    stub_engine("stubborn-with-helper")
    paths = open_run(tmp_path, start_run(tmp_path, CONFIG).run_id)
    wait_for(paths, "running")
    wait_until(lambda: "helper" in paths.log.read_text(), "the helper's number")
    helper = int(paths.log.read_text().split()[1])
    assert kill_run(paths, grace_s=0.1)
    wait_until(lambda: not is_held(paths.lock), "the lease to be free")
    assert run_status(paths).state == "interrupted"
    wait_until(lambda: not running(helper), "the helper's end")


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_kill_ends_an_engine_that_has_not_taken_the_lease(tmp_path: Path, stub_engine: Stub) -> None:
    stub_engine("hang")
    paths = open_run(tmp_path, start_run(tmp_path, CONFIG).run_id)
    assert run_status(paths).state == "starting"
    assert kill_run(paths)
    assert run_status(paths).state == "failed"


def test_no_signal_goes_to_a_stranger_with_the_engines_number(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=0, outcome="interrupted")
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        write_launch(paths, stranger.pid, at=0.0, argv=[], cwd="/")
        for file in (paths.launch, paths.lock):
            file.write_text(paths.launch.read_text().replace('"start_ticks": ', '"start_ticks": 1'))
        assert not kill_run(paths, grace_s=0.0)
        lock = paths.lock.read_text()
        with Lease(paths.lock):
            paths.lock.write_text(lock)  # held, but by a process that the file does not name
            assert not kill_run(paths, grace_s=0.0)
        assert stranger.poll() is None
        stranger.communicate(b"\n")
    assert stranger.returncode == 0


def test_no_signal_goes_to_a_stranger_whom_the_files_name_in_full(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=0, outcome="interrupted")
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        write_launch(paths, stranger.pid, at=time.time(), argv=[str(paths.root)], cwd="/")
        assert not kill_run(paths, grace_s=0.0)
        with Lease(paths.lock):
            paths.lock.write_text(paths.launch.read_text())
            assert not kill_run(paths, grace_s=0.0)
        assert stranger.poll() is None
        stranger.communicate(b"\n")
    assert stranger.returncode == 0


def test_an_engine_started_by_hand_is_killed_without_its_neighbours(tmp_path: Path) -> None:
    """Its process group is that of the shell that started it: here that of this test."""
    paths = write_fake_run(tmp_path, "a", steps=0, outcome="stopped")
    stub = Path(__file__).parents[2] / "stub_engine.py"
    with subprocess.Popen([sys.executable, str(stub), str(paths.root), "stubborn"], env=launch._environment()) as child:
        wait_for(paths, "running")
        assert kill_run(paths, grace_s=0.0)
        assert child.wait() == -9
    assert run_status(paths).state == "interrupted"
