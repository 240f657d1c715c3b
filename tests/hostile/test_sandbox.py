"""The attacks on the sandbox: each succeeds without it, so that its check can fail, and none succeeds within."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.rewards.sandbox import Limits, Outcome, Sandbox, suite
from engine.rewards.sandbox.choose import BACKENDS, examine
from engine.rewards.sandbox.suite import ATTACKS, FAKES, TEST, Attack, Attempt, Fake
from engine.rewards.sandbox.surroundings import Surroundings, processes_of
from tests.unit.rewards.sandbox.bare import Bare
from tests.unit.rewards.sandbox.offered import offered
from tests.waiting import wait_until


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not tmp_path, below which the tests look for runs: an attack leaves a link to the root directory."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_succeeds_without_a_sandbox(attack: Attack, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "GONE_S", 0.0)  # whoever is left will not go
    with Surroundings() as around:
        targets = {**around.targets, "flood_bytes": 4 << 20}
        files = {"main.py": attack.program(), "targets.json": json.dumps(targets)}
        with Bare(folder).start(files, attack.limits) as confined, _no_survivors(confined.run_id):
            outcome = confined.finish()
            achieved = attack.evidence(Attempt(outcome, around, confined.run_id))
    if attack.name == "leave_namespaces" and not _may_make_namespaces():
        assert achieved is None  # there is nothing that the sandbox could take from this tester
    else:
        assert achieved is not None


@pytest.mark.parametrize("fake", FAKES, ids=lambda fake: fake.name)
def test_a_fake_passes_where_code_and_test_share_a_process(fake: Fake, folder: Path) -> None:
    program = f"{fake.code()}\ntry:\n    {TEST}\nexcept AssertionError:\n    print('FAILED')\n"
    outcome = _in_one_process(program, folder)
    assert b"PASSED" in outcome.stdout or b"FAILED" not in outcome.stdout


def test_honest_wrong_code_fails_that_naive_judge(folder: Path) -> None:
    program = f"def answer():\n    return 41\ntry:\n    {TEST}\nexcept AssertionError:\n    print('FAILED')\n"
    assert _in_one_process(program, folder).stdout == b"FAILED\n"


@pytest.mark.slow  # a second for each sandbox on an idle machine
@pytest.mark.parametrize("sandbox", BACKENDS, ids=lambda sandbox: sandbox.name)
def test_a_sandbox_that_runs_anything_withstands_everything(sandbox: Sandbox) -> None:
    report = examine(sandbox)
    assert [f"{result.title}: {result.detail}" for result in report.results if not result.withstood] == []
    if sandbox in offered():
        assert report.reason == "" and len(report.results) == 1 + len(ATTACKS) + len(FAKES)
    else:
        assert report.reason.endswith(".")


_ENGINE = """
import sys
from engine.rewards.sandbox import Limits
from engine.rewards.sandbox.choose import BACKENDS
sandbox = next(backend for backend in BACKENDS if backend.name == sys.argv[1])
confined = sandbox.start({"main.py": "import time; time.sleep(60)"}, Limits())
confined.wait_ready()
print(confined.run_id, flush=True)
sys.stdin.read()
"""


def test_a_confined_program_dies_with_the_engine() -> None:
    for sandbox in offered():
        with subprocess.Popen(
            [sys.executable, "-c", _ENGINE, sandbox.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as engine:
            assert engine.stdout is not None
            run_id = engine.stdout.readline().strip()
            assert processes_of(run_id) != []
            engine.send_signal(signal.SIGKILL)
        wait_until(lambda run_id=run_id: processes_of(run_id) == [], f"the end of the program in {sandbox.name}")  # type: ignore[misc]


def _may_make_namespaces() -> bool:
    tries = "import ctypes, sys; sys.exit(all(ctypes.CDLL(None).unshare(flag) for flag in (0x20000, 0x10000000)))"
    return subprocess.run([sys.executable, "-c", tries], check=False).returncode == 0


def _in_one_process(program: str, folder: Path) -> Outcome:
    files = {"main.py": program, "targets.json": json.dumps({"secret": "/dev/null"})}
    with Bare(folder).start(files, Limits()) as confined:
        return confined.finish()


@contextlib.contextmanager
def _no_survivors(run_id: str) -> Iterator[None]:
    try:
        yield
    finally:
        for pid in processes_of(run_id):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
