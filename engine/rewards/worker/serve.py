"""The worker itself: loads its target, then answers one request after another. Only here does reward code run."""

import os
import random
import resource
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.rewards.worker import describe, load
from engine.rewards.worker.adapt import Adapted, LibraryAdapted, Outcome
from engine.rewards.worker.guard import LOST
from engine.rewards.worker.raised import raised_by
from engine.rewards.worker.tree import own_threads
from engine.rewards.worker.types import BETWEEN
from engine.rewards.worker.values import Value
from engine.rewards.worker.wire import decode, encode

BLOCK = 1 << 16
CPU_MARGIN_S = 60

# Kept from before reward code runs, which may put something else in their place.
_read, _write, _exit, _chdir, _getpid = os.read, os.write, os._exit, os.chdir, os.getpid
_getrusage, _getrlimit, _setrlimit = resource.getrusage, resource.getrlimit, resource.setrlimit
_worker: list[
    int
] = []  # its process number: a child that reward code forked may come back to here, and must not answer


def serve(requests: int, answers: int, folder: Path, limits: Mapping[str, Any], target: Mapping[str, Any]) -> None:
    """Answer requests until the pipe is closed."""
    _limit(limits)
    _worker[:] = [_getpid()]
    random.seed(0)
    try:
        adapted, about = _load(target, float(limits["timeout_s"]))
    except load.Refused as error:
        return _send(answers, {"refused": str(error), "traceback": ""})
    except BaseException as error:  # the file may raise anything, SystemExit too
        words = raised_by(error, str(target.get("shown")) or "reward")
        return _send(answers, {"refused": words.reason, "traceback": words.traceback})
    _send(answers, {"ready": about})
    for line in _lines(requests):
        request = decode(line)
        _limit_cpu(float(limits["timeout_s"]) * request["rows"])
        _seed(request["seed"])
        _go_home(folder)
        _answer(answers, adapted, request)


def _load(target: Mapping[str, Any], timeout_s: float) -> tuple[Any, Any]:
    if target["kind"] == "describe":
        return None, describe.described(Path(target["path"]), target["shown"])
    if target["kind"] == "library":
        from engine.rewards.registry import REWARDS

        reward = REWARDS[target["function"]]
        assert reward.make is not None  # a file is another target
        function = reward.make(reward.params.model_validate(target["params"]))
        return LibraryAdapted(function, reward.name), {"name": reward.name}
    module = load.load_module(Path(target["path"]), target["sha256"], target["shown"])
    found = {info.name: (info, function) for info, function in load.callables(module, target["convention"])}
    name = load.choose([info for info, _ in found.values()], target["function"], target["shown"])
    info, function = found[name]
    if info.convention is None:
        raise load.Refused(f"{name} in {target['shown']} cannot be a reward. {info.why}")
    return Adapted(function, info, target["shown"], timeout_s), info


def _answer(answers: int, adapted: Any, request: Mapping[str, Any]) -> None:
    def emit(row: int, value: Value) -> None:
        _send(answers, {"id": request["id"], "row": row, "value": value[0], "reason": value[1]})

    outcome: Outcome = adapted.call(request["call"], request["rows"], emit, serial=request["serial"])
    _flush()
    tracebacks = BETWEEN.join(text.rstrip() for text in outcome.tracebacks.values())
    _send(
        answers,
        {
            "id": request["id"], "done": True, "failed": outcome.failed, "extras": outcome.extras,
            "metrics": outcome.metrics, "refused": outcome.refused, "traceback": tracebacks,
        },
    )  # fmt: skip


def _limit(limits: Mapping[str, Any]) -> None:
    """Limits of the system. That of time is the client's, which can end what ignores everything else.

    That of processes counts all of the user's, wherever they come from, and the system takes no notice of it for root.
    """
    megabyte = 2**20
    for what, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_FSIZE, limits["file_mb"] * megabyte),
        (resource.RLIMIT_AS, limits["memory_mb"] * megabyte),
        (resource.RLIMIT_NPROC, own_threads() + limits["processes"]),
    ):
        hard = resource.getrlimit(what)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (value, value))


def _limit_cpu(seconds: float) -> None:
    """For what goes on after a call: it stops on its own, even if nobody is left to end it."""
    used = _getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds * (os.cpu_count() or 1)) + CPU_MARGIN_S
    hard = _getrlimit(resource.RLIMIT_CPU)[1]
    _setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _seed(number: int) -> None:
    """The same call draws the same random numbers, however many calls there were before: a replay is exact."""
    random.seed(number)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(number)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(number)


def _go_home(folder: Path) -> None:
    try:
        _chdir(folder)
    except OSError:
        os.makedirs(folder, exist_ok=True)
        _chdir(folder)


def _lines(fd: int) -> Iterator[bytes]:
    rest = bytearray()
    while True:
        while (end := rest.find(b"\n")) < 0:
            try:
                block = _read(fd, BLOCK)
            except OSError:
                _exit(LOST)
            if not block:
                return
            rest += block
        line = bytes(rest[:end])
        del rest[: end + 1]
        yield line


def _send(fd: int, message: Any) -> None:
    if [_getpid()] != _worker:
        _exit(0)
    rest = memoryview(encode(message))
    try:
        while rest:
            rest = rest[_write(fd, rest) :]
    except OSError:
        _exit(LOST)


def _flush() -> None:
    """So that what was printed comes before the answer."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # reward code may have put anything there
            continue
