"""One holder at a time, freed by death, and undisturbed by those who look."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.errors import RunBusyError
from engine.runs import lease
from engine.runs.lease import Lease, holder, is_held
from engine.runs.process import this_process

HOLD = """
import sys
from pathlib import Path
from engine.runs.lease import Lease
with Lease(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lease_is_held_inside_the_block_only(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    assert not is_held(path) and holder(path) is None
    with Lease(path):
        assert is_held(path)
        assert holder(path) == this_process()
    assert not is_held(path)
    assert holder(path) == this_process()  # says who it was; not that it still is


def test_of_twenty_who_want_it_at_once_exactly_one_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "PATIENCE_S", 0.1)
    start, all_answered = threading.Barrier(20), threading.Barrier(20)

    def attempt(_: int) -> str:
        start.wait()
        try:
            with Lease(tmp_path / "engine.lock"):
                all_answered.wait()
                return "held"
        except RunBusyError:
            all_answered.wait()
            return "busy"

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(attempt, range(20))) == ["busy"] * 19 + ["held"]


def test_a_second_holder_is_told_that_the_run_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "PATIENCE_S", 0.0)
    with Lease(tmp_path / "engine.lock"), pytest.raises(RunBusyError, match="Another engine process works on"):
        Lease(tmp_path / "engine.lock").__enter__()
    assert RunBusyError.exit_code == 75


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"held\n"
        assert is_held(path)
        known = holder(path)
        assert known is not None and known.pid == child.pid and known.is_alive()
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert not is_held(path)
        assert not known.is_alive()


def test_a_reader_that_is_just_looking_does_not_make_the_lease_fail(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    path.touch()
    probe = os.open(path, os.O_RDONLY)
    fcntl.flock(probe, fcntl.LOCK_SH)
    threading.Timer(0.1, os.close, [probe]).start()
    with Lease(path):
        assert is_held(path)


def test_two_who_look_at_once_do_not_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    path.touch()
    probe = os.open(path, os.O_RDONLY)
    fcntl.flock(probe, fcntl.LOCK_SH)
    assert not is_held(path)
    os.close(probe)


def test_a_child_process_does_not_inherit_the_lease(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    command = [sys.executable, "-S", "-c", "print('up', flush=True); input()"]
    with Lease(path):
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False)
    with child:
        assert child.stdout is not None and child.stdout.readline() == b"up\n"
        assert not is_held(path)
        child.communicate(b"\n")


def test_the_file_keeps_its_inode_and_holds_no_rest_of_a_longer_text(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    path.write_text("x" * 5000)
    inode = path.stat().st_ino
    with Lease(path):
        assert path.stat().st_ino == inode
        assert holder(path) == this_process()
