"""A process killed while it forks a run: either there is no fork, or a whole one that can be started."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.runs import launch
from engine.runs.durable import verify_directory
from engine.runs.fork import fork_run
from engine.runs.lineage import read_origin
from engine.runs.paths import list_runs, read_config
from engine.runs.status import run_status
from tests.unit.runs.test_fork import changed, hidden, with_checkpoints

ROOT = Path(__file__).parents[2]

# Stops at the moment that argument 2 names, and waits to be killed.
FORKER = """
import sys
from pathlib import Path
from engine.runs import fork, launch
from engine.runs.paths import open_run
from tests.unit.runs.test_fork import changed

def wait(*given, **options):
    print("there", flush=True)
    sys.stdin.read()

module, name = {"link": (fork, "_link_or_copy"), "verify": (fork, "verify_directory"), "origin": (fork, "write_origin"),
                "config": (fork, "write_atomic"), "rename": (launch.os, "rename"), "spawn": (launch, "spawn"),
                }[sys.argv[2]]
setattr(module, name, wait)
root = Path(sys.argv[1])
fork.fork_run(root, "parent", 10, changed(open_run(root, "parent")))
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["link", "verify", "origin", "config", "rename", "spawn"])
def test_a_kill_at_any_moment_leaves_no_fork_or_a_whole_one(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = with_checkpoints(tmp_path, 10)
    command = [sys.executable, "-c", FORKER, str(tmp_path), moment]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None and process.stdout.readline() == "there\n"
        process.kill()
    seen = [paths for paths in list_runs(tmp_path) if paths.run_id != "parent"]
    assert len(seen) == (1 if moment == "spawn" else 0)
    for child in seen:
        verify_directory(child.checkpoints / "step-000010")
        origin = read_origin(child)
        assert origin is not None and origin.step == 10 and read_config(child).name == "the fork"
        assert run_status(child).can_resume
    monkeypatch.setattr(launch, "spawn", lambda *_args, **_options: None)
    assert fork_run(tmp_path, "parent", 10, changed(parent)).created  # no lock is left, and no remains
    assert hidden(tmp_path) == []
