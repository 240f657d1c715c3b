"""Every state is derived from what is on disk and in the lock, at the moment of asking."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.runs import status
from engine.runs.control import request_stop
from engine.runs.lease import Lease
from engine.runs.paths import RunPaths
from engine.runs.process import write_launch
from engine.runs.status import RunStatus, run_status
from engine.runs.store import StoreWriter
from tests.fake_records import FakeRun
from tests.fakes import fake_config, write_fake_run

NOW = 1_800_000_000.0


@pytest.fixture
def going(tmp_path: Path) -> Iterator[RunPaths]:
    """A run of 10 steps with 0.4 s each, whose engine is this process; its last heartbeat is at NOW."""
    paths = write_fake_run(tmp_path, "going", steps=10, outcome=None, ended_at=NOW)
    with Lease(paths.lock):
        yield paths


@pytest.fixture
def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as child:
        pass
    return child.pid


def test_a_configuration_alone_is_new(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=0)
    paths.db.unlink()
    assert (run_status(paths).state, run_status(paths).can_resume) == ("new", True)


def test_a_started_process_without_a_lease_is_starting(tmp_path: Path) -> None:
    write_launch(RunPaths(tmp_path), os.getpid(), at=time.time(), argv=[], cwd="/")
    assert run_status(RunPaths(tmp_path)).state == "starting"


def test_a_lease_without_a_database_is_starting(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    with Lease(paths.lock):
        assert run_status(paths).state == "starting"


def test_a_process_that_died_before_it_began_is_failed_with_its_last_words(tmp_path: Path, dead_pid: int) -> None:
    paths = RunPaths(tmp_path)
    write_launch(paths, dead_pid, at=time.time(), argv=[], cwd="/")
    assert run_status(paths).detail == "The engine ended before it could begin."
    paths.log.write_text("".join(f"line {n}\n" for n in range(9)) + "ModelError: no such model\n")
    found = run_status(paths)
    assert found.state == "failed"
    assert found.detail == "line 5\nline 6\nline 7\nline 8\nModelError: no such model"


def test_a_heartbeat_of_this_attempt_is_running(going: RunPaths) -> None:
    found = run_status(going, now=NOW + 3)
    assert (found.state, found.detail, found.step, found.max_steps) == ("running", "rollout", 10, 20)
    assert found.heartbeat_age_s == pytest.approx(3)
    assert found.attempt is not None and found.attempt.pid == os.getpid()
    assert (found.is_live, found.can_resume) == (True, False)


def test_a_new_attempt_is_starting_until_its_first_heartbeat(going: RunPaths) -> None:
    store = StoreWriter(going.db, clock=lambda: NOW + 60)
    store.begin_attempt(10, {})
    assert run_status(going, now=NOW + 61).state == "starting"
    store.beat(10, "loading")
    assert run_status(going, now=NOW + 61).state == "running"
    store.close()


def test_a_lease_of_another_process_than_the_last_attempt_is_starting(going: RunPaths) -> None:
    going.lock.write_text(going.lock.read_text().replace(f'"pid": {os.getpid()}', '"pid": 1'))
    assert run_status(going, now=NOW).state == "starting"


def test_silence_for_two_minutes_is_stalled(going: RunPaths) -> None:
    assert run_status(going, now=NOW + 120).state == "running"
    found = run_status(going, now=NOW + 121)
    assert found.state == "stalled"
    assert found.detail == "Nothing heard for 121 s, since 'rollout' after step 9."
    assert found.is_live


def test_slow_steps_are_given_ten_of_their_own_length(going: RunPaths) -> None:
    store = StoreWriter(going.db, clock=lambda: NOW)
    run = FakeRun(fake_config(name="slow", steps=40))
    for number in range(11, 40):
        record = run.step(number)
        store.commit_step(replace(record, metrics={**record.metrics, "step_time": 60.0}))
    store.beat(39, "rollout")
    store.close()
    assert run_status(going, now=NOW + 599).state == "running"
    assert run_status(going, now=NOW + 601).state == "stalled"


def test_a_stop_request_is_stopping_while_the_engine_lives(going: RunPaths) -> None:
    request_stop(going)
    assert run_status(going, now=NOW + 1).state == "stopping"


def test_an_engine_in_its_last_moments_shows_how_it_ended(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=4)
    with Lease(paths.lock):
        assert run_status(paths).state == "finished"


@pytest.mark.parametrize(
    ("outcome", "state", "can_resume", "word"),
    [
        ("finished", "finished", False, ""),
        ("stopped", "stopped", True, ""),
        ("failed", "failed", True, "not finite"),
        ("interrupted", "interrupted", True, "killed"),
    ],
)
def test_a_free_lease_shows_the_outcome_of_the_last_attempt(
    tmp_path: Path, outcome: str, state: str, can_resume: bool, word: str
) -> None:
    paths = write_fake_run(tmp_path, "a", steps=4, outcome=outcome)  # type: ignore[arg-type]
    request_stop(paths)  # an old request changes nothing
    found = run_status(paths)
    assert (found.state, found.can_resume, found.step) == (state, can_resume, 4)
    assert word in found.detail


def test_a_resumed_engine_is_starting_although_the_store_has_an_old_outcome(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=4, outcome="stopped", ended_at=NOW)
    write_launch(paths, os.getpid(), at=NOW + 1, argv=[], cwd="/")
    assert run_status(paths).state == "starting"


def test_a_resumed_engine_that_died_before_it_began_is_failed(tmp_path: Path, dead_pid: int) -> None:
    paths = write_fake_run(tmp_path, "a", steps=4, outcome="stopped", ended_at=NOW)
    write_launch(paths, dead_pid, at=NOW + 1, argv=[], cwd="/")
    assert run_status(paths).state == "failed"


def test_an_engine_that_began_and_ended_is_not_starting_while_its_process_still_exits(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=4, outcome="finished", ended_at=NOW)
    write_launch(paths, os.getpid(), at=NOW - 60, argv=[], cwd="/")  # alive, and began after it was started
    assert run_status(paths).state == "finished"


def test_a_reused_process_number_is_not_running(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=4, outcome="interrupted", ended_at=NOW)
    with Lease(paths.lock):
        pass  # the file now names this process, which is alive
    assert run_status(paths).state == "interrupted"
    write_launch(paths, os.getpid(), at=NOW + 1, argv=[], cwd="/")
    text = paths.launch.read_text()
    paths.launch.write_text(text.replace('"start_ticks": ', '"start_ticks": 9'))  # an older owner of our number
    assert run_status(paths).state == "failed"


def test_an_engine_that_takes_the_run_between_two_looks_is_not_called_interrupted(
    going: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False, True])
    monkeypatch.setattr(status, "is_held", lambda _: next(answers))
    assert run_status(going, now=NOW).state == "running"


def test_a_configuration_that_cannot_be_read_still_has_a_status(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=4)
    paths.config.write_text("[]")
    assert (run_status(paths).state, run_status(paths).max_steps) == ("finished", 0)


def test_a_damaged_store_is_reported_as_such(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=0)
    paths.db.write_bytes(b"x" * 5000)
    with pytest.raises(StoreError, match="not a database"):
        run_status(paths)


def test_only_states_with_something_left_to_do_can_be_resumed() -> None:
    states = ["new", "starting", "running", "stopping", "stalled", "finished", "stopped", "failed", "interrupted"]
    known = [RunStatus(state, "", 0, 1, None, None, None) for state in states]  # type: ignore[arg-type]
    assert [s.state for s in known if s.can_resume] == ["new", "stopped", "failed", "interrupted"]
    assert [s.state for s in known if s.is_live] == ["starting", "running", "stopping", "stalled"]
