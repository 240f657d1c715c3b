"""A child process that says how far it is and ends with one answer: for work that its caller must be able to stop.

The child reads its request from standard input and writes lines of JSON: {"progress": [done, total, doing]}, and at the
end {"answer": text}. `serve` is the child's side of it.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NoReturn, TextIO, TypeVar

from engine.child_answer import last_line
from engine.child_environment import child_environment

T = TypeVar("T")
Tell = Callable[[int, int, str], None]  # done, total, what is under way
PATIENCE_S = 3.0  # for a child that was asked to end; then it is killed


@dataclass(frozen=True)
class Progress:
    """`done` of `total` parts; `doing` names the one under way. 0 of 0 before the child has begun."""

    done: int = 0
    total: int = 0
    doing: str = ""


class ChildTask(Generic[T]):
    """One such child, running. `read` makes the result of its answer; `failed` makes one of a sentence why there is
    none, so that `result` never raises for what the child meets.
    """

    def __init__(
        self, module: str, request: str, read: Callable[[str], T], failed: Callable[[str], T],
        *, timeout_s: float, cwd: Path | None = None,
    ) -> None:  # fmt: skip
        self.progress = Progress()
        self._read, self._failed, self._timeout_s = read, failed, timeout_s
        self._answer: str | None = None
        self._why = ""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the thread that waits for the child
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr,
            env=child_environment(), start_new_session=True, cwd=cwd,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._follow, args=(request,), name=module, daemon=True)
        self._thread.start()

    @property
    def finished(self) -> bool:
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """End the child with all it started; the result then says so. Can be called again."""
        self._end("it was cancelled")
        self._thread.join()

    def result(self) -> T:
        """Wait for the child."""
        self._thread.join()
        if self._answer is None:
            return self._failed(self._why)
        try:
            return self._read(self._answer)
        except (ValueError, KeyError, TypeError):
            return self._failed("its answer cannot be read")

    def _follow(self, request: str) -> None:
        clock = threading.Timer(self._timeout_s, self._end, (f"it took longer than {self._timeout_s:g} s",))
        clock.daemon = True
        clock.start()
        assert self._child.stdin and self._child.stdout
        with self._child, self._stderr:
            with suppress(OSError), self._child.stdin as stdin:  # a child that is gone has an exit code
                stdin.write(request.encode("utf-8", "surrogatepass"))
            for line in self._child.stdout:
                self._hear(line)
            clock.cancel()
            code = self._child.wait()
            if self._answer is None and not self._why:
                self._stderr.seek(0)
                last = last_line(self._stderr.read())
                self._why = f"it ended with exit code {code}{f': {last}' if last else ''}"

    def _hear(self, line: bytes) -> None:
        with suppress(ValueError, TypeError, KeyError):  # what is no message is not listened to
            said = json.loads(line)
            if "progress" in said:
                self.progress = Progress(*said["progress"])
            if "answer" in said:
                self._answer = str(said["answer"])

    def _end(self, why: str) -> None:
        if self._child.poll() is None and self._answer is None:
            self._why = self._why or why
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                self._child.terminate()  # it ends its own workers
                self._child.wait(PATIENCE_S)
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)


def serve(work: Callable[[str, Tell], str]) -> int:
    """The child: give `work` the request and a way to say how far it is, and write what it returns. Returns 0.

    Whatever else prints meanwhile goes to standard error. SIGTERM ends it in order.
    """
    stream = sys.stdout
    signal.signal(signal.SIGTERM, _ended)
    with redirect_stdout(sys.stderr):
        request = sys.stdin.buffer.read().decode("utf-8", "surrogatepass")
        answer = work(request, lambda done, total, doing: _write(stream, {"progress": [done, total, doing]}))
        _write(stream, {"answer": answer})
    return 0


def _ended(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _write(stream: TextIO, message: object) -> None:
    stream.write(json.dumps(message) + "\n")
    stream.flush()
