"""Starting a confined process, feeding and reading it within limits, and ending it. Used by every backend.

A process is started by exec (never by forking the engine), in a session of its own, with an empty environment and only
the descriptors it needs. Killing it kills all that it started: see the backends for how.
"""

import json
import os
import secrets
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Literal

from engine.rewards.sandbox.limits import NOT_SET_UP, Limits, Outcome, SandboxFailed
from engine.rewards.sandbox.paths import python_paths

# The command for two descriptors (request, status) and a word that makes its processes recognisable.
CommandFor = Callable[[int, int, str], Sequence[str]]

START_S = 20.0  # until the walls are up: 40 ms on an idle machine, but an engine may be training on all cores
TERM_S = 2.0  # for the helper to end the program
END_S = 10.0  # from the kill to the end of all its processes
_CHUNK = 1 << 16
_MAX_WORDS = 500  # of what a sandbox that could not be set up said


class Confined:
    """A program running in a sandbox: `finish` feeds it and reads all it writes; `send` and `receive` talk to it.

    Use as a context manager: leaving kills it. Raises SandboxFailed when the sandbox, not the program, fails.
    """

    def __init__(self, command: CommandFor, files: Mapping[str, str], limits: Limits) -> None:
        self.limits = limits
        self.run_id = f"grpo-lab-{secrets.token_hex(8)}"
        request_fd, request = os.pipe()
        self._status, status_fd = os.pipe()
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                command(request_fd, status_fd, self.run_id),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                env={}, cwd="/", pass_fds=(request_fd, status_fd), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            os.close(request)
            os.close(self._status)
            raise SandboxFailed(f"The sandbox could not be started: {error}.") from error
        finally:
            os.close(request_fd)
            os.close(status_fd)
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._stdin, self._stdout, self._stderr = (pipe.fileno() for pipe in pipes if pipe is not None)
        os.set_blocking(self._stdin, False)
        number = secrets.randbelow(100_000_000)  # which user root becomes: see inside/lock.py
        wanted = {"files": dict(files), "limits": asdict(limits), "paths": python_paths(), "number": number}
        _write_all(request, json.dumps(wanted).encode())

    def __enter__(self) -> "Confined":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> str:
        """Wait until all walls are up, when the program begins. Returns what was said of the walls."""
        line, deadline = b"", time.monotonic() + START_S
        while not line.endswith(b"\n") and _ready(self._status, select.POLLIN, deadline):
            chunk = os.read(self._status, _CHUNK)
            if not chunk:
                break
            line += chunk
        text = line.decode(errors="replace").strip()
        if not text.startswith("ready"):
            self._process.kill()
            words = text or _drain(self._stderr, END_S)[-_MAX_WORDS:].decode(errors="replace").strip()
            raise SandboxFailed(f"{NOT_SET_UP}: {words or 'it ended without a word'}.")
        return text

    def send(self, data: bytes, deadline: float) -> bool:
        """Write all of it to the program's standard input; False when it has ended or does not read in time."""
        while data:
            if not _ready(self._stdin, select.POLLOUT, deadline):
                return False
            written = _write_some(self._stdin, data)
            if written is None:
                return False
            data = data[written:]
        return True

    def receive(self, size: int, deadline: float) -> bytes | None:
        """Exactly `size` bytes of its standard output; fewer when it has ended, None when the deadline has passed."""
        found = bytearray()
        while len(found) < size:
            if not _ready(self._stdout, select.POLLIN, deadline):
                return None
            chunk = os.read(self._stdout, min(_CHUNK, size - len(found)))
            if not chunk:
                break
            found += chunk
        return bytes(found)

    def finish(self, stdin: bytes = b"") -> Outcome:
        """Feed it, read both outputs up to their limits, and wait for its end, or end it."""
        self.wait_ready()
        started = time.monotonic()
        outputs = {self._stdout: bytearray(), self._stderr: bytearray()}
        stopped = self._exchange(stdin, outputs, started + self.limits.wall_s)
        seconds = time.monotonic() - started
        self.kill()
        stdout, stderr = (bytes(text[: self.limits.output_bytes]) for text in outputs.values())
        code = self._process.returncode
        return Outcome(128 - code if code < 0 else code, stdout, stderr, seconds, stopped)

    def kill(self) -> None:
        """End every process of the sandbox, and close what led to it. May be called again."""
        if self._status < 0:
            return
        os.close(self._status)
        self._status = -1
        self._process.terminate()  # it then ends the program; does nothing where it has been waited for
        try:
            self._wait_or_kill()
            if not _ends(self._stdout, END_S):
                raise SandboxFailed("A process of the sandbox did not end when it was killed.")
        except subprocess.TimeoutExpired:
            raise SandboxFailed("The sandbox did not end when it was killed.") from None
        finally:
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()

    def _wait_or_kill(self) -> None:
        try:
            self._process.wait(TERM_S)
        except subprocess.TimeoutExpired:  # stopped, or stuck: the program is told by its death
            self._process.kill()
            self._process.wait(END_S)

    def _exchange(
        self, stdin: bytes, outputs: dict[int, bytearray], deadline: float
    ) -> Literal["time", "output"] | None:
        """Until both outputs have ended, and with them every process that holds them; or until a limit is reached."""
        poll = select.poll()
        for pipe in outputs:
            poll.register(pipe, select.POLLIN)
        poll.register(self._stdin, select.POLLOUT)
        still_open = set(outputs)
        while still_open:
            events = poll.poll(1000 * max(0.0, deadline - time.monotonic()))
            if not events:
                return "time"
            for pipe, _ in events:
                if pipe == self._stdin:
                    written = _write_some(pipe, stdin) if stdin else None
                    stdin = stdin[written or 0 :]
                    if written is None or not stdin:
                        poll.unregister(pipe)
                        self._end_input()
                    continue
                chunk = os.read(pipe, _CHUNK)
                outputs[pipe] += chunk
                if len(outputs[pipe]) > self.limits.output_bytes:
                    return "output"
                if not chunk:
                    poll.unregister(pipe)
                    still_open.discard(pipe)
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return "time"
        return None

    def _end_input(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()


def _ready(descriptor: int, event: int, deadline: float) -> bool:
    """Whether it can be read or written (or has ended) before the deadline."""
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(1000 * max(0.0, deadline - time.monotonic())))


def _write_some(descriptor: int, data: bytes) -> int | None:
    """How many bytes a non-blocking pipe took; None when nobody reads it any more."""
    try:
        return os.write(descriptor, data[:_CHUNK])
    except BlockingIOError:
        return 0
    except OSError:
        return None


def _write_all(descriptor: int, data: bytes) -> None:
    """Write and close. A reader that has ended says so itself, on the status pipe or by its end."""
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except BrokenPipeError:
        pass
    finally:
        os.close(descriptor)


def _drain(descriptor: int, seconds: float) -> bytes:
    """What is left to read until the end of the pipe, or until the time is over."""
    found, deadline = bytearray(), time.monotonic() + seconds
    while _ready(descriptor, select.POLLIN, deadline):
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            break
        found = (found + chunk)[-_CHUNK:]
    return bytes(found)


def _ends(descriptor: int, seconds: float) -> bool:
    """Whether the pipe comes to its end, which it does when the last process that could write to it is gone."""
    deadline = time.monotonic() + seconds
    while _ready(descriptor, select.POLLIN, deadline):
        if not os.read(descriptor, _CHUNK):
            return True
    return False
