"""Who works on a run: the process that holds a lock on engine.lock. The kernel frees it at death, however that comes.

What the lock file says (pid, start time, boot) is for people and for signals, never for deciding who is alive.
"""

import fcntl
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.errors import LabError, RunBusyError
from engine.runs.durable import read_small_json
from engine.runs.process import Holder, parse_holder, this_process

PATIENCE_S = 1.0  # a reader's probe holds the lock for microseconds; this outlasts any of them
PAUSE_S = 0.02
MAX_BYTES = 4096


class Lease:
    """Holds a run for as long as the `with` block or the process lasts. Raises RunBusyError if another one has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def __enter__(self) -> Self:
        fd = open_lock_file(self.path)
        try:
            if not lock(fd, PATIENCE_S):
                raise RunBusyError(
                    f"Another engine process works on {self.path.parent}.",
                    hint="Stop it first, or wait until it has finished.",
                )
            _write(fd, json.dumps(asdict(this_process())).encode())
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def is_held(path: Path) -> bool:
    """True while a living process holds the lease. Raises LabError when the lock file cannot be opened."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe in its place must not hang the caller
    except FileNotFoundError:
        return False
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}.", hint="Remove it if no engine works on the run.") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # freed by the close below
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


def holder(path: Path) -> Holder | None:
    """The last process that took the lease, alive or not; None if there was none or the file is not readable."""
    return parse_holder(read_small_json(path, MAX_BYTES))


def open_lock_file(path: Path) -> int:
    """A descriptor to lock. Child processes do not inherit it: they must not keep the lock after this process."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def lock(fd: int, patience_s: float) -> bool:
    """Try to lock a descriptor exclusively until it works or `patience_s` have passed."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(PAUSE_S)


def _write(fd: int, data: bytes) -> None:
    """Replace the content in place: a new file would have a new inode, which nobody has locked."""
    os.pwrite(fd, data, 0)
    os.ftruncate(fd, len(data))
