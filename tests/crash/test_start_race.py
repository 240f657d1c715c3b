"""Two dashboards that start the same run at the same moment make one run; twenty engines on it make one engine."""

import subprocess
import sys
from pathlib import Path

from engine.runs.launch import kill_run
from engine.runs.paths import list_runs

ROOT = Path(__file__).parents[2]

STARTER = """
import sys
from pathlib import Path
from engine.runs import launch
from tests.fakes import fake_config
launch.engine_command = lambda directory: [sys.executable, "-P", "tests/stub_engine.py", str(directory), "hang"]
print("ready", flush=True)
sys.stdin.readline()
launched = launch.start_run(Path(sys.argv[1]), fake_config(name="race", steps=5))
print(launched.run_id, launched.created)
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


def test_two_processes_that_start_at_once_make_one_run(tmp_path: Path) -> None:
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, str(tmp_path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        for starter in starters:
            assert starter.stdout is not None and starter.stdout.readline() == "ready\n"
        for starter in starters:
            assert starter.stdin is not None
            starter.stdin.write("\n")
            starter.stdin.flush()
        answers = [starter.communicate()[0].split() for starter in starters]
        assert {run_id for run_id, _ in answers} == {list_runs(tmp_path)[0].run_id}
        assert sorted(created for _, created in answers) == ["False", "True"]
        assert len(list_runs(tmp_path)) == 1
    finally:
        for paths in list_runs(tmp_path):
            assert kill_run(paths, grace_s=0.0)


def test_of_twenty_processes_exactly_one_gets_the_lease(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CROWD, str(tmp_path / "engine.lock")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["1", "19", "True"]
