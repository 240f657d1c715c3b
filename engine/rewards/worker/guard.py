"""The guard: starts the worker, says how it ended, and leaves nothing of it behind. It runs no reward code.

It ends the worker when its client lets go of the control pipe: on purpose, or because the client was killed. It is a
process of its own because orphans are given to it, so that a grandchild in another session is still found.
"""

import ctypes
import os
import select
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from engine.rewards.worker.tree import MARK, end_tree

LOST = 71  # exit code of a worker whose pipes somebody closed
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)  # reward code may send them to its parent


def guard(control: int, status: int, inside: tuple[int, ...], folder: Path, work: Callable[[], None]) -> NoReturn:
    """Run `work` in a child until it ends or `control` is closed elsewhere; then end everything that is left of it.

    Its wait status goes to `status` as a decimal number. `inside` are the descriptors of the worker alone, `folder` is
    its working folder, which is removed in the end.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    noticed, notice = os.pipe()
    os.set_blocking(notice, False)
    signal.set_wakeup_fd(notice)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    guard_pid = os.getpid()
    worker = os.fork()
    if worker == 0:
        _become_worker(guard_pid, (control, status, noticed, notice), work)
    for fd in (*inside, 0, 1, 2):
        os.close(fd)
    ended = _watch(worker, control, noticed)
    if ended is not None:
        with suppress(OSError):
            os.write(status, str(ended).encode())
    end_tree(guard_pid, os.environ.get(MARK, "?"))
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _become_worker(guard_pid: int, others: tuple[int, ...], work: Callable[[], None]) -> NoReturn:
    os.setsid()
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != guard_pid:  # it was killed before the line above
        os._exit(1)
    signal.set_wakeup_fd(-1)
    for number in (*IGNORED, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    for fd in others:
        os.close(fd)
    work()
    os._exit(0)


def _watch(worker: int, control: int, noticed: int) -> int | None:
    """The wait status of the worker once it has ended; None when the client has let go before."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(noticed, select.POLLIN)
    while True:
        ready = dict(poll.poll())
        if noticed in ready:
            os.read(noticed, 4096)
            with suppress(ChildProcessError):
                while (found := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                    if found[0] == worker:
                        return found[1]
        if control in ready:
            return None


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
