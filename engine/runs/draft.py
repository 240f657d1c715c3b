"""A hidden folder in which a run is built, out of sight until it is whole: forks and imports are renamed from one."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.errors import LabError
from engine.runs.durable import disk_errors
from engine.runs.launch import launch_lock
from engine.runs.lease import Lease, is_held
from engine.runs.paths import RunPaths


@contextmanager
def draft_run(root: Path, kind: str) -> Iterator[RunPaths]:
    """The folder `.kind-…`. What is still there at the end is removed; a killed process leaves it, and the next draft
    of this kind clears it away: the lock inside tells one that is still being built.

    Raises RunBusyError and LabError as launch_lock does, LabError for any trouble with the disk inside.
    """
    draft = RunPaths(root / f".{kind}-{os.getpid()}-{secrets.token_hex(4)}")
    with launch_lock(root):
        _clear_leftovers(root, kind)
        draft.root.mkdir()
        lease = Lease(draft.lock).__enter__()
    try:
        with disk_errors(draft.root):
            yield draft
    finally:
        lease.__exit__(None, None, None)
        shutil.rmtree(draft.root, ignore_errors=True)


def _clear_leftovers(root: Path, kind: str) -> None:
    for leftover in root.glob(f".{kind}-*"):
        with suppress(LabError):  # a lock that cannot be opened: somebody's own folder
            if not is_held(RunPaths(leftover).lock):
                shutil.rmtree(leftover, ignore_errors=True)
