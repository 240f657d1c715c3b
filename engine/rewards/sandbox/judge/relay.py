"""Stands between the tests in one sandbox and the model's code in another, passes calls and results, and keeps time.

Nothing that either side sends is interpreted here beyond JSON: a result can be anything, a verdict comes from the tests
alone, and the tests hold nothing that the model's code has made but plain data.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.rewards.sandbox.backends import Sandbox, run
from engine.rewards.sandbox.limits import Limits, SandboxFailed
from engine.rewards.sandbox.process import Confined

_HERE = Path(__file__).parent
_MAX_ANSWER = (1 << 20) + 4096  # bytes: a result and what is around it
_MAX_MESSAGE = 64 << 20  # bytes that the tests may pass as arguments
_MAX_LOST = 3  # times that the model's code may be started again after it ended or ran out of time
_LONGEST = 20  # tests' worth of time for all of them together
_BEGIN_S = 20.0  # for programs of ours to load
_GRACE_S = 5.0  # for the tests' own work before and between calls, beyond the time of a test


@dataclass(frozen=True)
class Judgement:
    """How many of the tests passed. `failure` is the first that did not, and why; empty when all passed."""

    passed: int
    total: int
    failure: str = ""


class BrokenTests(Exception):
    """The tests of this row cannot judge anything; the text says why."""


def judge_calls(
    sandbox: Sandbox, code: str, tests: Mapping[str, Any], *, timeout_s: float, memory_bytes: int
) -> Judgement:
    """Run the tests (the object that tests_program.py reads) against functions of `code`.

    `timeout_s` is the time of the model's code for each assertion. Raises BrokenTests, and SandboxFailed.
    """
    longest = timeout_s * _LONGEST + _GRACE_S
    limits = Limits(wall_s=longest, memory_bytes=memory_bytes)
    files = {"main.py": _source("tests_program"), "plain.py": _source("plain"), "tests.json": json.dumps(dict(tests))}
    with _Candidate(sandbox, code, limits, timeout_s) as candidate, sandbox.start(files, limits) as testing:
        testing.wait_ready()
        return _relay(testing, candidate, time.monotonic() + longest)


def judge_programs(
    sandbox: Sandbox,
    code: str,
    cases: Sequence[tuple[str, str]],
    *,
    timeout_s: float,
    memory_bytes: int,
    stop_at_failure: bool,
) -> Judgement:
    """Run `code` as a program once for each (standard input, wanted standard output). Raises SandboxFailed.

    Spaces at the end of a line and empty lines at the end of the text make no difference.
    """
    limits = Limits(wall_s=timeout_s, memory_bytes=memory_bytes)
    passed, failure = 0, ""
    for number, (stdin, wanted) in enumerate(cases, 1):
        outcome = run(sandbox, {"main.py": code}, stdin.encode(errors="surrogatepass"), limits)
        printed = outcome.stdout.decode(errors="replace")
        if outcome.stopped is not None:
            reason = "it ran out of time" if outcome.stopped == "time" else "it printed too much"
        elif outcome.exit_code != 0:
            reason = f"it ended with {outcome.exit_code}"
        else:
            reason = "" if _lines(printed) == _lines(wanted) else "its output is another"
        passed += not reason
        failure = failure or (f"test {number}: {reason}" if reason else "")
        if reason and stop_at_failure:
            break
    return Judgement(passed, len(cases), failure)


class _Candidate:
    """The model's code in its sandbox: started again when it was lost, until it was lost too often."""

    def __init__(self, sandbox: Sandbox, code: str, limits: Limits, timeout_s: float) -> None:
        self._sandbox, self._limits, self.timeout_s = sandbox, limits, timeout_s
        names = {"main.py": _source("candidate_program"), "plain.py": _source("plain")}
        self._files = {**names, "candidate.py": code}
        self._process: Confined | None = sandbox.start(self._files, limits)
        self._loaded = False
        self._hopeless = ""
        self._lost = 0
        self.time_left = timeout_s

    def __enter__(self) -> "_Candidate":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def call(self, request: bytes) -> bytes:
        """What a call gave, as the message for the tests; its time is taken off what this assertion has left."""
        reason = self._hopeless or self._load()
        if reason:
            return _gone(reason)
        assert self._process is not None
        started = time.monotonic()
        deadline = started + self.time_left
        answer = _receive(self._process, deadline, _MAX_ANSWER) if self._process.send(request, deadline) else b""
        self.time_left -= time.monotonic() - started
        if answer:
            return answer
        self._lose()
        return _gone("it ran out of time" if answer is None else "it ended")

    def _load(self) -> str:
        """Start it, where that has not happened, and wait until its code is loaded. Says why that failed."""
        if self._loaded:
            return ""
        self._process = self._process or self._sandbox.start(self._files, self._limits)
        self._process.wait_ready()
        if "begin" not in _message(_receive(self._process, time.monotonic() + _BEGIN_S, _MAX_ANSWER)):
            raise SandboxFailed("The sandbox was set up, but the program beside the model's code did not begin.")
        answer = _receive(self._process, time.monotonic() + self.timeout_s, _MAX_ANSWER)
        message = _message(answer)
        self._loaded = "loaded" in message
        if not self._loaded:
            words = {None: "its code takes too long to load", b"": "its code ends while it loads"}
            self._hopeless = words.get(answer) or str(message.get("gone"))[:300]
            self._end()
        return self._hopeless

    def _lose(self) -> None:
        self._end()
        self._lost += 1
        if self._lost > _MAX_LOST:
            self._hopeless = "it was lost too often"

    def _end(self) -> None:
        self._loaded = False
        if self._process is not None:
            self._process.kill()
            self._process = None


def _relay(testing: Confined, candidate: _Candidate, longest: float) -> Judgement:
    begun, calls = False, 0
    while True:
        data = _receive(testing, min(longest, time.monotonic() + candidate.time_left + _GRACE_S), _MAX_MESSAGE)
        message = _message(data)
        if "done" in message:
            return _judgement(message["done"])
        if "broken" in message:
            raise BrokenTests(str(message["broken"]))
        if "begin" in message:
            begun = True
        elif "verdict" in message:
            candidate.time_left = candidate.timeout_s
        elif "call" in message and data is not None:
            calls += 1
            if not testing.send(_framed(candidate.call(_framed(data))), longest):
                data = None
        if not message or data is None:
            if not begun or not calls:
                raise BrokenTests("they end, or take very long, before they call anything")
            return Judgement(0, 1, "the tests did not come to an end with these results")


def _judgement(done: Any) -> Judgement:
    """What the tests say at their end. Raises BrokenTests for what tests_program.py does not say."""
    match done:
        case [int(passed), int(total), str(failure)] if 0 <= passed <= total and total:
            return Judgement(passed, total, failure)
    raise BrokenTests("they write into the channel of their own results")


def _receive(process: Confined, deadline: float, most: int) -> bytes | None:
    """The next message; empty when the process has ended or says something else, None when the deadline has passed."""
    head = process.receive(4, deadline)
    if head is None or len(head) < 4:
        return None if head is None else b""
    size = int.from_bytes(head, "big")
    if size > most:
        return b""
    body = process.receive(size, deadline)
    return body if body is None or len(body) == size else b""


def _message(data: bytes | None) -> dict[str, Any]:
    try:
        message = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _gone(reason: str) -> bytes:
    return json.dumps({"gone": reason}).encode()


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _source(name: str) -> str:
    return (_HERE / f"{name}.py").read_text()
