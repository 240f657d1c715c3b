"""Starting from several processes at once makes one run and one engine, and the engine outlives who started it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.runs.launch import kill_run, stop_run
from engine.runs.paths import list_runs
from engine.runs.status import run_status
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]

STARTER = """
import sys
from pathlib import Path
from engine.runs import launch
from tests.fakes import fake_config
launch.engine_command = lambda directory: [sys.executable, "-P", "tests/stub_engine.py", str(directory), sys.argv[2]]
print("ready", flush=True)
sys.stdin.readline()
launched = launch.start_run(Path(sys.argv[1]), fake_config(name="race", steps=5))
print(launched.run_id, launched.created, flush=True)
sys.stdin.readline()
"""

# Twenty processes want the lease at once; each that gets it keeps it until all have answered.
CROWD = """
import os, sys
from pathlib import Path
from engine.errors import RunBusyError
from engine.runs.lease import Lease
answers, answer = os.pipe()
until, go_on = os.pipe()
for _ in range(20):
    if os.fork() == 0:
        os.close(go_on)
        try:
            with Lease(Path(sys.argv[1])):
                os.write(answer, b"H")
                os.read(until, 1)
        except RunBusyError as error:
            os.write(answer, b"b")
            os._exit(error.exit_code)
        os._exit(0)
found = b"".join(os.read(answers, 1) for _ in range(20))
os.close(go_on)
codes = sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(20))
print(found.count(b"H"), found.count(b"b"), codes == [0] + [75] * 19)
"""


def starter(root: Path, behaviour: str) -> "subprocess.Popen[str]":
    """A process that calls start_run when it is told to, and lives on until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(root), behaviour],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.slow
def test_two_processes_that_start_at_once_make_one_run(tmp_path: Path) -> None:
    starters = [starter(tmp_path, "hang") for _ in range(2)]
    for process in starters:
        go(process)
    answers = [process.communicate()[0].split() for process in starters]
    runs = list_runs(tmp_path)
    assert [kill_run(paths, grace_s=0.0) for paths in runs] == [True]
    assert {run_id for run_id, _ in answers} == {runs[0].run_id}
    assert sorted(created for _, created in answers) == ["False", "True"]


def test_an_engine_outlives_the_dashboard_and_obeys_the_next_one(tmp_path: Path) -> None:
    with starter(tmp_path, "train") as dashboard:
        go(dashboard)
        assert dashboard.stdout is not None and dashboard.stdout.readline().endswith("True\n")
        os.killpg(dashboard.pid, signal.SIGKILL)
    [paths] = list_runs(tmp_path)
    wait_until(lambda: run_status(paths).state == "running", "the engine to run on")
    stop_run(paths)
    wait_until(lambda: run_status(paths).state == "stopped", "the engine to stop")


@pytest.mark.slow
def test_of_twenty_processes_exactly_one_gets_the_lease(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CROWD, str(tmp_path / "engine.lock")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["1", "19", "True"]
