"""Carries one call through: deadlines, restarts, and which rows still have to be tried."""

import math
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from engine.rewards.protocol import MISSING
from engine.rewards.worker.process import Ended, TimeOut, WorkerProcess
from engine.rewards.worker.types import CallResult, Limits, Target
from engine.rewards.worker.values import MAX_METRICS, MAX_NAME, MAX_TEXT
from engine.rewards.worker.wire import Unreadable, decode, encode

MAX_ENDED_IN_A_ROW = 4  # rows of one call that ended the worker, one after the other: the rest is not tried
MAX_ENDED = 12  # rows of one call that ended the worker, in all
MAX_START_FAILURES = 2  # in a row; then the worker is given up
NO_ROWS = ("trainer_state",)  # of a call: what is not a list with an entry for each completion


class StartFailed(Exception):
    """The target cannot be loaded; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class _Progress:
    """What is known of the rows of a call. `ended`: rows that ended the worker; `streak`: the last ones in a row."""

    rows: int
    values: list[float | None] = field(init=False)
    reasons: list[str | None] = field(init=False)
    waiting: list[int] = field(init=False)
    extras: dict[str, list[Any]] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    output: str = ""
    traceback: str = ""
    ended: int = 0
    streak: int = 0

    def __post_init__(self) -> None:
        self.values = [None] * self.rows
        self.reasons = [None] * self.rows
        self.failures = [False] * self.rows
        self.waiting = list(range(self.rows))

    def fail(self, rows: Sequence[int], reason: str) -> None:
        for row in rows:
            self.values[row], self.reasons[row], self.failures[row] = None, reason, True
        self.waiting = [row for row in self.waiting if row not in set(rows)]

    def take(self, row: int, value: float | None, reason: str | None) -> None:
        self.values[row], self.reasons[row], self.failures[row] = value, reason, reason is not None
        self.waiting.remove(row)
        self.streak = 0


class Calling:
    """The worker of one target, started again whenever it has ended."""

    def __init__(self, target: Target, limits: Limits) -> None:
        self.target = target
        self.limits = limits
        self.about: Mapping[str, Any] = {}
        self.start_traceback = ""
        self._process: WorkerProcess | None = None
        self._ready = False
        self._start_failures = 0
        self._start_reason = ""
        self._next_id = 0
        self._closed = threading.Event()

    def call(self, call: Mapping[str, Any]) -> CallResult:
        started = time.perf_counter()
        progress = _Progress(len(call["completions"]))
        serial = False
        while progress.waiting:
            try:
                self.ready()
                self._ask(call, progress, serial)
            except StartFailed as error:
                progress.fail(progress.waiting, error.reason)
                progress.traceback = progress.traceback or self.start_traceback
            except TimeOut:
                self._lost(progress, f"took longer than {self.limits.timeout_s:g} s", serial)
            except Ended as error:
                self._lost(progress, str(error), serial)
            serial = True
        return CallResult(
            progress.values, progress.reasons, progress.failures, progress.extras, progress.metrics,
            progress.refused,
            time.perf_counter() - started, progress.output[: self.limits.output_bytes], progress.traceback,
        )  # fmt: skip

    def begin(self) -> None:
        if self._start_failures < MAX_START_FAILURES:
            with suppress(StartFailed):  # who waits for it is told
                self._start()

    def ready(self) -> None:
        """Start the process if there is none, and wait until its target is loaded. Raises StartFailed."""
        if self._ready:
            return
        if self._start_failures >= MAX_START_FAILURES:
            raise StartFailed(self._start_reason)
        process = self._start()
        try:
            answer = decode(process.line(time.monotonic() + self.limits.start_s, time.monotonic))
            if "ready" not in answer:
                self.start_traceback = str(answer.get("traceback", ""))
                raise Ended(str(answer["refused"]))
            self.about = _about(answer["ready"])
        except TimeOut:
            self._start_failed(f"took longer than {self.limits.start_s:g} s to load")
        except Ended as error:
            self._start_failed(f"could not be loaded: {error}")
        except (*Unreadable, TypeError, KeyError, AttributeError):
            self._start_failed("could not be loaded: it wrote into the pipe of its worker")
        self._ready, self._start_failures = True, 0

    def let_go(self) -> None:
        """Have the worker end, from whatever thread: the one that works with its pipes sees it, and closes them."""
        self._closed.set()
        process = self._process
        if process is not None:
            process.let_go()

    def close(self) -> None:
        self._closed.set()
        self._drop()

    def _start(self) -> WorkerProcess:
        if self._closed.is_set():
            raise StartFailed("its worker was closed")
        if self._process is None:
            try:
                self._process = WorkerProcess(self.target, self.limits)
            except OSError as error:  # no memory, no process, no space for its folder: of this moment
                raise StartFailed(f"could not be started: {error}") from error
            if self._closed.is_set():  # meanwhile
                self._process.let_go()
        return self._process

    def _start_failed(self, reason: str) -> None:
        self._start_failures += 1
        self._start_reason = reason
        self._drop()
        raise StartFailed(reason)

    def _ask(self, call: Mapping[str, Any], progress: _Progress, serial: bool) -> None:
        """Send what is waiting and take the answers. Raises TimeOut or Ended; the rows so far are kept."""
        process = self._start()
        rows = list(progress.waiting)
        self._next_id += 1
        request = _request(self._next_id, _part(call, rows, progress.rows), len(rows), serial)
        deadline = time.monotonic() + self.limits.timeout_s
        try:
            process.send(request, deadline, time.monotonic)
            while True:
                answer = _understood(process.line(deadline, time.monotonic), self._next_id, len(rows))
                if answer.get("done"):
                    break
                if rows[answer["row"]] not in progress.waiting:
                    raise Ended("wrote into the pipe of its worker")
                progress.take(rows[answer["row"]], answer["value"], answer["reason"])
                deadline = time.monotonic() + self.limits.timeout_s
        finally:
            progress.output += process.take_output()
        _finish(progress, answer, rows)

    def _lost(self, progress: _Progress, reason: str, serial: bool) -> None:
        """The worker hangs or is gone: whose fault that was, and which rows are still worth a try."""
        self._drop()
        with suppress(StartFailed):  # closed
            self._start()  # it loads while the engine goes on
        if not self._by_row():
            return progress.fail(progress.waiting, reason)
        if self.about.get("is_async") and not serial:
            return None  # whichever it was: they are tried again, one after another
        progress.ended += 1
        progress.streak += 1
        progress.fail(progress.waiting[:1], reason)
        if progress.streak >= MAX_ENDED_IN_A_ROW or progress.ended >= MAX_ENDED:
            progress.fail(
                progress.waiting, f"not tried: {progress.ended} of this call ended the worker; the last {reason}"
            )
        return None

    def _by_row(self) -> bool:
        return self.about.get("convention") != "trl"

    def _drop(self) -> None:
        process, self._process, self._ready = self._process, None, False
        if process is not None:
            process.close()


def _request(number: int, call: Mapping[str, Any], rows: int, serial: bool) -> bytes:
    """One line. The seed follows from the call alone, so that the same call draws the same random numbers."""
    content = encode(call).rstrip(b"\n")
    about = encode({"id": number, "rows": rows, "serial": serial, "seed": zlib.crc32(content)}).rstrip(b"\n")
    return about[:-1] + b',"call":' + content + b"}\n"


def _part(call: Mapping[str, Any], rows: Sequence[int], total: int) -> dict[str, Any]:
    """The call for these rows alone."""
    if len(rows) == total:
        return {name: value for name, value in call.items() if value is not None}
    return {
        name: value if name in NO_ROWS else [value[row] for row in rows]
        for name, value in call.items()
        if value is not None
    }


def _understood(line: bytes, wanted: int, rows: int) -> dict[str, Any]:
    """Raises Ended when the line is not what the worker writes: reward code has written into its pipe."""
    try:
        answer: dict[str, Any] = decode(line)
        well_formed = answer["id"] == wanted and (_is_end(answer) if answer.get("done") else _is_row(answer, rows))
    except (*Unreadable, TypeError, KeyError, AttributeError):
        well_formed = False
    if not well_formed:
        raise Ended("wrote into the pipe of its worker")
    return answer


def _about(ready: Any) -> Mapping[str, Any]:
    """What the worker says of a target. Raises TypeError or AttributeError when it is not what the worker writes."""
    columns = ready.get("columns") or []
    if not isinstance(ready, dict) or not all(isinstance(name, str) for name in columns):
        raise TypeError
    return ready


def _is_end(answer: Mapping[str, Any]) -> bool:
    metrics, extras, refused = (answer.get(what, {}) for what in ("metrics", "extras", "refused"))
    return (
        isinstance(metrics, dict)
        and len(metrics) <= MAX_METRICS
        and all(type(value) in (int, float) and math.isfinite(value) for value in metrics.values())
        and all(len(name) <= MAX_NAME for name in metrics)
        and isinstance(refused, dict)
        and len(refused) <= MAX_METRICS
        and all(isinstance(reason, str) for reason in refused.values())
        and isinstance(extras, dict)
        and all(isinstance(column, list) for column in extras.values())
    )


def _is_row(answer: Mapping[str, Any], rows: int) -> bool:
    value, reason = answer["value"], answer["reason"]
    return (
        type(answer["row"]) is int
        and 0 <= answer["row"] < rows
        and (value is None or type(value) in (int, float))
        and (reason is None or isinstance(reason, str))
    )


def _finish(progress: _Progress, answer: Mapping[str, Any], rows: Sequence[int]) -> None:
    """What came with the end of the answer."""
    progress.traceback = progress.traceback or str(answer.get("traceback", ""))
    progress.metrics |= answer.get("metrics", {})
    progress.refused |= {name[:MAX_NAME]: reason[:MAX_TEXT] for name, reason in answer.get("refused", {}).items()}
    extras = answer.get("extras", {})
    for row, reason in zip(rows, extras.get(MISSING, ()), strict=False):
        if reason is not None and progress.values[row] is None and not progress.failures[row]:
            progress.reasons[row] = str(reason)
    if len(rows) == progress.rows:
        progress.extras |= extras
    if progress.waiting:
        progress.fail(progress.waiting, str(answer.get("failed") or "returned nothing"))
