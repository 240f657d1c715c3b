"""A crash before any operation of a save leaves a newest checkpoint that is whole: the old one or the new one."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.runs.durable import newest_valid, verify_directory

# For k = 1, 2, …: a child saves step-000002 beside a whole step-000001 and dies before its k-th system call that
# changes the disk, until one child gets through. What was not synced by then is lost, as in a power cut.
CRASHES = """
import os, sys
from pathlib import Path
from engine.runs.durable import commit_directory

root, lose_unsynced = Path(sys.argv[1]), sys.argv[2] == "lose"

def save(parent, name):
    temporary = parent / f".tmp-{name}"
    (temporary / "sub").mkdir(parents=True)
    for file in ("policy.safetensors", "state.json", "sub/part"):
        (temporary / file).write_bytes(name.encode() * 50)
    commit_directory(temporary, parent / name)

def instrument(parent, k):
    count, synced = 0, set()
    def before(real, note=None):
        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count == k:
                if lose_unsynced:
                    for path in parent.rglob("*"):
                        if path.is_file() and path.stat().st_ino not in synced:
                            os.truncate(path, path.stat().st_size // 2)
                os._exit(9)
            if note:
                note(*args)
            return real(*args, **kwargs)
        return call
    synced.update(path.stat().st_ino for path in parent.rglob("*"))
    os.fsync = before(os.fsync, lambda fd: synced.add(os.fstat(fd).st_ino))
    os.rename, os.replace, os.open = before(os.rename), before(os.replace), before(os.open)

k, status = 0, 9
while status == 9:
    k += 1
    parent = root / f"{k:03}"
    parent.mkdir()
    save(parent, "step-000001")
    child = os.fork()
    if child == 0:
        instrument(parent, k)
        save(parent, "step-000002")
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(k, status)
"""


@pytest.mark.parametrize("unsynced", ["keep", "lose"])
def test_a_crash_before_any_operation_leaves_a_whole_newest_checkpoint(tmp_path: Path, unsynced: str) -> None:
    command = [sys.executable, "-c", CRASHES, str(tmp_path), unsynced]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    attempts, status = map(int, done.stdout.split())
    assert (status, attempts > 12) == (0, True)
    newest = []
    for parent in sorted(tmp_path.iterdir()):
        path, problems = newest_valid(parent, "step-")
        assert problems == []
        assert path is not None
        verify_directory(path)
        newest.append(path.name)
    assert newest[0] == "step-000001" and newest[-1] == "step-000002"
    assert newest == sorted(newest)  # once the new one is there it stays
