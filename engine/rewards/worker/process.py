"""One start of the worker: its pipes, its folder, and the certainty that nothing is left of it afterwards."""

import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.child_environment import python_path
from engine.rewards.worker.guard import LOST
from engine.rewards.worker.tree import MARK, end_tree
from engine.rewards.worker.types import DescribeTarget, FileTarget, LibraryTarget, Limits

# What finds programs and libraries. No tokens, no home: reward code needs neither, and may be from anywhere.
PASSED_ON = ("PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH")
END_PATIENCE_S = 2.0  # the guard needs milliseconds; then its tree is ended from here
MAX_LINE = 64 * 2**20
BLOCK = 1 << 16

AnyTarget = FileTarget | LibraryTarget | DescribeTarget
KINDS: dict[type, str] = {FileTarget: "file", LibraryTarget: "library", DescribeTarget: "describe"}


class Ended(Exception):
    """The worker is gone or cannot be understood any more; its text says how."""


class TimeOut(Exception):
    """There was no line before the deadline."""


class WorkerProcess:
    """A worker that was started. Not for several threads at once. Raises OSError when no process can be had."""

    def __init__(self, target: AnyTarget, limits: Limits) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="grpo-lab-reward-"))
        self._mark = secrets.token_hex(8)
        self._kept = limits.output_bytes
        self.output = bytearray()
        self._lines = bytearray()
        requests, self._to_worker = os.pipe()
        self._from_worker, answers = os.pipe()
        self._printed, printed = os.pipe()
        control, self._control = os.pipe()
        self._status, status = os.pipe()
        theirs = (requests, answers, control, status)
        argument = {
            "requests": requests, "answers": answers, "control": control, "status": status,
            "folder": str(self.folder), "limits": asdict(limits), "target": _described(target),
        }  # fmt: skip
        try:
            self._guard = subprocess.Popen(
                [sys.executable, "-P", "-m", "engine.rewards.worker", json.dumps(argument, default=str)],
                cwd=self.folder, env=self._environment(), stdin=subprocess.DEVNULL, stdout=printed, stderr=printed,
                pass_fds=theirs, start_new_session=True,
            )  # fmt: skip
        except OSError:
            for fd in (self._to_worker, self._from_worker, self._printed, self._control, self._status):
                os.close(fd)
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        finally:
            for fd in (*theirs, printed):
                os.close(fd)
        for fd in (self._to_worker, self._from_worker, self._printed):
            os.set_blocking(fd, False)
        self._open = True
        self._letting_go = threading.Lock()

    def send(self, line: bytes, deadline: float, clock: Any) -> None:
        """Raises Ended, or TimeOut when the worker does not read all of it before `deadline`."""
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._to_worker, rest[: 1 << 20]) :]
            except BlockingIOError:
                self._wait(deadline - clock(), writing=True)
            except OSError:
                raise Ended(self._how_it_ended()) from None

    def line(self, deadline: float, clock: Any) -> bytes:
        """The next line of the worker; what it prints is read meanwhile. Raises Ended or TimeOut."""
        while (end := self._lines.find(b"\n")) < 0:
            if len(self._lines) > MAX_LINE:
                raise Ended(f"answered with more than {MAX_LINE >> 20} MB")
            self._wait(deadline - clock())
        found = bytes(self._lines[:end])
        del self._lines[: end + 1]
        return found

    def take_output(self) -> str:
        """What it printed since this was last asked."""
        self._drain()
        text = self.output.decode(errors="replace")
        self.output.clear()
        return text

    def let_go(self) -> None:
        """Tell the guard to end everything. All other pipes stay as they are: another thread may work with them."""
        with self._letting_go:
            control, self._control = self._control, -1
        if control >= 0:
            os.close(control)

    def close(self) -> None:
        """End the worker with everything it started. Nothing of it runs any more when this returns."""
        if not self._open:
            return
        self._open = False
        self.let_go()
        try:
            self._guard.wait(END_PATIENCE_S)
        except subprocess.TimeoutExpired:
            with suppress(OSError):
                os.kill(self._guard.pid, signal.SIGSTOP)
            end_tree(self._guard.pid, self._mark)
            self._guard.kill()
            self._guard.wait()
        if self._guard.returncode != 0:  # somebody ended the guard
            end_tree(-1, self._mark)
        for fd in (self._to_worker, self._from_worker, self._printed, self._status):
            os.close(fd)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self, seconds: float, writing: bool = False) -> None:
        """Read what there is, or wait for it. Raises TimeOut after `seconds`, Ended when there will be no more."""
        if seconds <= 0:
            raise TimeOut
        poll = select.poll()
        for fd in (self._from_worker, self._printed):
            poll.register(fd, select.POLLIN)
        if writing:
            poll.register(self._to_worker, select.POLLOUT)
        ready = dict(poll.poll(min(seconds, 3600) * 1000))
        if self._printed in ready and not self._drain():
            poll.unregister(self._printed)
            if self._from_worker not in ready:  # all who could print have closed it; do not spin
                ready |= dict(poll.poll(min(seconds, 3600) * 1000))
        if self._from_worker in ready:
            block = os.read(self._from_worker, BLOCK)
            if not block:
                raise Ended(self._how_it_ended())
            self._lines += block

    def _drain(self) -> bool:
        """Read all that was printed; False when nobody can print any more."""
        with suppress(BlockingIOError):
            for _ in range(64):  # then let answers have a turn
                block = os.read(self._printed, BLOCK)
                if not block:
                    return False
                self.output += block[: max(0, self._kept - len(self.output))]
        return True

    def _how_it_ended(self) -> str:
        """What became of the process whose pipe is closed."""
        poll = select.poll()
        poll.register(self._status, select.POLLIN)
        if not poll.poll(500):
            return "closed the pipes of its worker"
        found = os.read(self._status, 64)
        if not found:
            return "ended the process that watches it"
        code = os.waitstatus_to_exitcode(int(found))
        if code == LOST:
            return "closed the pipes of its worker"
        return f"ended by {_signal_words(-code)}" if code < 0 else f"ended its process with exit code {code}"

    def _environment(self) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "PYTHONPATH": python_path(),
            "PYTHONUNBUFFERED": "1",
            MARK: self._mark,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")},
        }


def _signal_words(number: int) -> str:
    names = {signal.SIGSEGV: "segmentation fault", signal.SIGKILL: "killed; perhaps out of memory"}
    try:
        word = names.get(signal.Signals(number)) or signal.Signals(number).name
    except ValueError:
        word = "unknown"
    return f"signal {number} ({word})"


def _described(target: AnyTarget) -> dict[str, Any]:
    """As JSON for the worker."""
    fields = {key: str(value.absolute()) if isinstance(value, Path) else value for key, value in asdict(target).items()}
    if isinstance(target, FileTarget):
        fields["shown"] = target.shown or target.path.name
    return {"kind": KINDS[type(target)], **fields}
