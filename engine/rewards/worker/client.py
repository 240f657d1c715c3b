"""What the engine holds of a worker: calls go in, values come out, and whatever goes wrong is a reason.

A row that hangs or ends the process costs itself: the worker is started again and goes on with the next row. A batch
function that does so costs its batch. No method raises for what reward code does.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from engine.rewards.worker.calls import Calling, StartFailed
from engine.rewards.worker.describe_client import describe_file
from engine.rewards.worker.types import (
    CallableInfo,
    CallResult,
    FileInfo,
    FileTarget,
    LibraryTarget,
    Limits,
    Target,
)

__all__ = [
    "CallResult", "CallableInfo", "FileInfo", "FileTarget", "LibraryTarget", "Limits", "RewardWorker", "describe_file",
]  # fmt: skip

WAIT_S = 0.5
T = TypeVar("T")


class RewardWorker:
    """One process for one reward. Calls are answered in order, each in a thread that reads what the worker says.

    `call` has the keys of TRL's convention (protocol.py): prompts, completions, completion_ids, dataset columns,
    trainer_state as a mapping; lists of B entries.
    """

    def __init__(self, target: Target, limits: Limits | None = None) -> None:
        self._calling = Calling(target, limits or Limits())
        self._pending: Future[CallResult] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> "RewardWorker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self) -> None:
        """Start the process without waiting for it."""
        with self._lock:
            self._calling.begin()

    def start(self, waiting: Callable[[], None] = lambda: None) -> str | None:
        """Wait until the target is loaded; why it cannot be, else None. Calls do this themselves.

        `waiting` is called twice a second meanwhile, and may raise.
        """

        def load() -> str | None:
            try:
                self._calling.ready()
            except StartFailed as error:
                return error.reason
            return None

        return _wait(self._in_thread(load), waiting)

    @property
    def traceback(self) -> str:
        """Of the failed start, if it has one."""
        return self._calling.start_traceback

    @property
    def about(self) -> Mapping[str, Any]:
        """What was recognised of a file's function: the fields of CallableInfo. Empty before it is loaded."""
        return self._calling.about

    def submit(self, call: Mapping[str, Any]) -> None:
        """Begin a call. The result of an earlier one that nobody asked for is lost."""
        if self._pending is not None:
            self._pending.exception()
        self._pending = self._in_thread(lambda: self._calling.call(call))

    def result(self, waiting: Callable[[], None] = lambda: None) -> CallResult:
        """The result of the call submitted last. `waiting` is called twice a second meanwhile, and may raise."""
        if self._pending is None:
            raise RuntimeError("no call was submitted")
        pending, self._pending = self._pending, None
        return _wait(pending, waiting)

    def call(self, call: Mapping[str, Any]) -> CallResult:
        self.submit(call)
        return self.result()

    def close(self) -> None:
        """End the process and everything it started, also in the middle of a call. Can be called again."""
        self._calling.let_go()
        with self._lock:  # a call that was going on sees its worker end, and cleans up after it
            self._calling.close()

    def _in_thread(self, work: Callable[[], T]) -> "Future[T]":
        """Its result, once the calls before it are done."""
        pending: Future[T] = Future()

        def run() -> None:
            try:
                with self._lock:
                    found = work()
            except BaseException as error:  # ours: goes to who waits for it
                pending.set_exception(error)
            else:
                pending.set_result(found)

        threading.Thread(target=run, name="reward-call", daemon=True).start()
        return pending


def _wait(pending: "Future[T]", waiting: Callable[[], None]) -> T:
    while True:
        try:
            return pending.result(WAIT_S)
        except TimeoutError:
            if pending.done():  # then it is not about waiting
                raise
            waiting()
