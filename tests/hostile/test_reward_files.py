"""Reward files that misbehave: each costs its own values, with the reason, and nothing else.

Afterwards the worker is ready again, no process is left, and the engine has drawn no other random number.
"""

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.rewards.worker.client import CallResult, FileTarget, Limits, RewardWorker
from engine.rewards.worker.tree import MARK
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]

# A good completion takes well under a millisecond; the rest is for a machine that is busy.
LIMITS = Limits(timeout_s=1.0, start_s=20.0, memory_mb=600)
# The bar is 2 s, and it takes 0.1 to 0.3 s here; ten times the bar tells a machine that is busy from one that hangs.
BACK_WITHIN_S = 20.0


@dataclass(frozen=True)
class Bad:
    """A file that does something to the completion "bad"; in a single-sample function to that one alone."""

    source: str
    reason: str


def one(body: str, before: str = "") -> str:
    """A single-sample function that runs `body` for the completion "bad", and gives others 1."""
    indented = "\n".join(f"        {line}" for line in body.splitlines())
    return f'{before}\ndef reward(completion, answer):\n    if completion == "bad":\n{indented}\n    return 1.0\n'


def batch(body: str, before: str = "") -> str:
    """TRL's convention; `body` comes before the values of a batch that has the completion "bad"."""
    indented = "\n".join(f"        {line}" for line in body.splitlines())
    return (
        f'{before}\ndef reward(completions, **kwargs):\n    if "bad" in completions:\n{indented}\n'
        "    return [1.0] * len(completions)\n"
    )


SLOW = "took longer than 1 s"
ONES = {
    "loops": Bad(one("while True: pass"), SLOW),
    "sleeps": Bad(one("import time; time.sleep(1000)"), SLOW),
    "allocates": Bad(one("x = bytearray(10**10)"), r"raised MemoryError \(reward.py, line 4\)"),
    "allocates bit by bit": Bad(
        one("x = []\nwhile True: x.append(bytearray(10**8))"), "raised MemoryError|took longer"
    ),
    "forks and waits": Bad(one("import os\nif os.fork() == 0:\n    while True: os.getpid()\nos.wait()"), SLOW),
    "forks and returns twice": Bad(
        one("if os.fork(): os.wait()\nreturn float(os.getpid() == own)", "import os\nown = os.getpid()"), "value"
    ),
    "leaves a grandchild in another session": Bad(
        one(
            "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        leave()\n    os._exit(0)\n"
            "os.wait()\nimport time; time.sleep(1000)",
            "import os, sys\ndef leave():\n    code = 'import os, sys, time; f = open(sys.argv[1], \"w\"); '\n"
            "    code += 'f.write(str(os.getpid())); f.close(); time.sleep(1000)'\n"
            "    os.execve(sys.executable, [sys.executable, '-S', '-c', code, PIDS], {})\n",
        ),
        SLOW,
    ),
    "segfaults": Bad(one("import ctypes; ctypes.string_at(0)"), r"ended by signal 11 \(segmentation fault\)"),
    "aborts": Bad(one("import os; os.abort()"), r"ended by signal 6 \(SIGABRT\)"),
    "kills itself": Bad(one("import os; os.kill(os.getpid(), 9)"), "ended by signal 9"),
    "kills its guard": Bad(one("import os, time; os.kill(os.getppid(), 9); time.sleep(5)"), "ended"),
    "asks its guard to end": Bad(one("import os; os.kill(os.getppid(), 15); return 'x'"), "returned 'x'"),
    "os._exit": Bad(one("import os; os._exit(3)"), "ended its process with exit code 3"),
    "sys.exit": Bad(one("import sys; sys.exit(3)"), r"raised SystemExit: 3 \(reward.py, line 4\)"),
    "floods stdout and hangs": Bad(one("while True: print('x' * 10000)"), SLOW),
    "floods stdout": Bad(one("for _ in range(2000): print('x' * 1000)\nreturn None"), "None"),
    "floods stderr": Bad(one("import sys\nfor _ in range(2000): sys.stderr.write('x' * 1000)\nreturn 'a'"), "returned"),
    "returns None": Bad(one("return None"), "None"),
    "returns a text": Bad(one("return 'abc'"), "returned 'abc', not a finite number"),
    "returns NaN": Bad(one("return float('nan')"), "returned nan, not a finite number"),
    "returns infinity": Bad(one("return float('inf')"), "returned inf, not a finite number"),
    "returns a complex number": Bad(one("return 1j"), "returned 1j, not a finite number"),
    "returns a huge integer": Bad(one("return 10**5000"), "returned this huge number"),
    "returns an object that raises": Bad(
        one(
            "return Odd()", "class Odd:\n    def __float__(self): raise OSError\n    def __repr__(self): raise OSError"
        ),
        "returned a Odd, not a finite number",
    ),
    "raises": Bad(one("raise ValueError('no such thing')"), r"raised ValueError: no such thing \(reward.py, line 4\)"),
    "raises a BaseException": Bad(one("raise KeyboardInterrupt"), r"raised KeyboardInterrupt \(reward.py, line 4\)"),
    "raises what raises": Bad(
        one("raise Odd", "class Odd(Exception):\n    def __str__(self): raise Odd"), r"raised Odd \(reward.py, line 5\)"
    ),
    "recurses": Bad(one("def f(): return f()\nreturn f()"), "raised RecursionError"),
    "recurses in C": Bad(
        one("import ctypes\nx = []\nfor _ in range(10**6): x = [x]\nreturn hash(repr(x)) * 0"), "raised|ended|took"
    ),
    "closes all descriptors": Bad(one("import os; os.closerange(0, 1000)"), "closed the pipe"),
    "writes garbage into every descriptor": Bad(
        one(
            "import os\nfor fd in range(256):\n    try: os.write(fd, b'\\x00garbage\\n')\n    except OSError: pass\n"
            "return 'x'"
        ),
        "wrote into the pipe of its worker",
    ),
    "writes an answer of its own": Bad(
        one(
            'import os\nfor fd in range(256):\n    try: os.write(fd, b\'{"id": 1, "row": 99, "value": 1, '
            "\"reason\": null}\\n')\n    except OSError: pass\nreturn 'x'"
        ),
        "wrote into the pipe of its worker",
    ),
    "a line without end": Bad(
        one(
            "import os, time\nfor fd in range(3, 256):\n    try: os.write(fd, b'x' * 10000)\n    except OSError: pass\n"
            "time.sleep(10)"
        ),
        SLOW,
    ),
    "catches SIGTERM": Bad(one("import signal; signal.signal(15, signal.SIG_IGN)\nwhile True: pass"), SLOW),
    "blocks all signals": Bad(
        one("import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\nwhile True: pass"), SLOW
    ),
    "waits for input": Bad(one("return input()"), r"raised EOFError"),
    "never-ending asyncio": Bad(
        one("import asyncio\nasync def f():\n    while True: await asyncio.sleep(0)\nasyncio.run(f())"), SLOW
    ),
    "an async function that never ends": Bad(
        'import asyncio\nasync def reward(completion, answer):\n    if completion == "bad":\n'
        "        await asyncio.sleep(1000)\n    return 1.0\n",
        SLOW,
    ),
    "an async function that blocks": Bad(
        'import time\nasync def reward(completion, answer):\n    if completion == "bad":\n'
        "        time.sleep(1000)\n    return 1.0\n",
        SLOW,
    ),
    "verl without score": Bad(
        'def compute_score(data_source, solution_str, ground_truth, extra_info=None):\n    return {"acc": 1} '
        'if solution_str == "bad" else {"score": 1.0, "acc": 1}\n',
        "raised ValueError: it returned a dict without 'score'",
    ),
}

# These do harm and still give values: what they changed must not reach anybody else.
HARMLESS = {
    "goes elsewhere": one('import os; os.chdir("/"); return 1.0'),
    "deletes its folder": one('import os, shutil; shutil.rmtree(os.getcwd()); return 1.0'),
    "daemon threads that print": one(
        "import threading\ndef f():\n    while True: print('x')\nthreading.Thread(target=f, daemon=True).start()\n"
        "return 1.0"
    ),
    "threads that block the exit": one(
        "import threading, time\nthreading.Thread(target=lambda: time.sleep(1000)).start()\nreturn 1.0"
    ),
    "puts others in the place of json and stdout": one(
        "import json, sys, os, time\njson.dumps = json.loads = sys.stdout = sys.stderr = os.write = os.read = None\n"
        "time.monotonic = None\nreturn 1.0"
    ),
    "reseeds": one(
        "import random, numpy\nrandom.seed(1); numpy.random.seed(1)\nreturn 1.0"
    ),
    "booleans": one("return True"),
    "numpy numbers": one("import numpy; return numpy.float32(1)"),
    "arrays of one": one("import numpy; return numpy.array(1.0)"),
    "like a tensor": one(
        "return Tensor()", "class Tensor:\n    shape = ()\n    def tolist(self): return 1.0\n"
    ),
    "changes what it was given": batch(
        "completions.clear(); completions.extend(['bad'] * 3); kwargs['answer'].clear(); kwargs['prompts'].append(1)"
    ),
}  # fmt: skip

BATCHES = {
    "loops": Bad(batch("while True: pass"), SLOW),
    "dies": Bad(batch("import os; os._exit(1)"), "ended its process with exit code 1"),
    "too few": Bad(batch("return [1.0]"), "returned 1 value for 3 completions"),
    "too many": Bad(batch("return [1.0] * 10**6"), "returned 1,000,000 values for 3 completions"),
    "a number": Bad(batch("return 1.0"), "returned 1.0, not a list with one value for each of 3 completions"),
    "nothing": Bad(batch("return"), "returned None, not a list"),
    "a text": Bad(batch("return 'abc'"), "returned 'abc', not a list"),
    "a mapping": Bad(batch("return {1: 1, 2: 2, 3: 3}"), "not a list"),
    "nested": Bad(batch("return [[1.0], [2.0], [3.0]]"), r"returned \[1.0\], not a finite number"),
    "a generator": Bad(batch("return (1.0 for _ in completions)"), "not a list"),
    "raises": Bad(batch("raise ValueError('x')"), r"raised ValueError: x \(reward.py, line 4\)"),
    "texts": Bad(batch("return ['a', 'b', 'c']"), "returned 'a', not a finite number"),
}

BROKEN = {
    "syntax": ("def reward(:\n", "raised SyntaxError: invalid syntax .reward.py, line 1"),
    "import": ("import no_such_library\n", "raised ModuleNotFoundError: No module named 'no_such_library'"),
    "raises on import": ("raise RuntimeError('no')\n", r"raised RuntimeError: no \(reward.py, line 1\)"),
    "exits on import": ("import os; os._exit(4)\n", "ended its process with exit code 4"),
    "sys.exit on import": ("import sys; sys.exit()\n", r"raised SystemExit \(reward.py, line 1\)"),
    "segfaults on import": ("import ctypes; ctypes.string_at(0)\n", "ended by signal 11"),
    "no function": ("x = 1\n", "has no function that can be a reward"),
    "two functions": (
        "def a(completions, **kw): return []\ndef b(completions, **kw): return []\n", "several functions.*a, b"
    ),
    "NUL bytes": ("def reward(completion): return 1\0\n", "raised (ValueError|SyntaxError)"),
    "brackets": ("x = " + "(" * 10_000, "raised (SyntaxError|MemoryError|RecursionError)|ended"),
    "closes everything on import": ("import os; os.closerange(0, 1000)\n", "closed the pipe"),
}  # fmt: skip


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The marks of all workers that the test starts. At the end no process with one of them is left."""
    made: list[str] = []

    def mark(_: int) -> str:
        made.append(f"{os.getpid()}-{time.monotonic_ns()}")
        return made[-1]

    monkeypatch.setattr("engine.rewards.worker.process.secrets.token_hex", mark)
    yield made
    assert alive(made) == []


def alive(marks: list[str]) -> list[str]:
    """The commands of processes with one of these marks."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                environment = Path(f"/proc/{name}/environ").read_bytes().decode(errors="replace")
                if any(f"{MARK}={mark}" in environment for mark in marks):
                    found.append(Path(f"/proc/{name}/cmdline").read_text())
            except OSError:
                continue
    return found


def reward_file(folder: Path, source: str) -> Path:
    path = folder / "reward.py"
    path.write_text(source.replace("PIDS", repr(str(folder / "pid"))))
    return path


def call_of(*completions: str) -> dict[str, Any]:
    rows = len(completions)
    return {
        "prompts": ["p"] * rows, "completions": list(completions), "completion_ids": [[1]] * rows,
        "answer": ["a"] * rows, "trainer_state": {"global_step": 0, "max_steps": 1},
    }  # fmt: skip


def misbehave(folder: Path, source: str, limits: Limits = LIMITS) -> tuple[CallResult, CallResult]:
    """What a call with a bad completion among good ones brought, and what one without it did, soon afterwards."""
    before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[union-attr, index]
    with RewardWorker(FileTarget(reward_file(folder, source)), limits) as worker:
        assert worker.start() is None
        bad = worker.call(call_of("good", "bad", "good"))
        started = time.monotonic()
        assert worker.start() is None
        assert time.monotonic() - started < BACK_WITHIN_S
        good = worker.call(call_of("good", "good"))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[union-attr, index]
    return bad, good


@pytest.mark.slow
@pytest.mark.parametrize("bad", ONES.values(), ids=ONES)
def test_what_one_completion_does_costs_its_own_value_alone(tmp_path: Path, marks: list[str], bad: Bad) -> None:
    result, after = misbehave(tmp_path, bad.source)
    assert (result.values[0], result.values[2]) == (1.0, 1.0)
    assert result.values[1] == (1.0 if bad.reason == "value" else None)
    if bad.reason == "None":
        assert (result.reasons[1], result.failed[1]) == (None, False)
    elif result.values[1] is None:
        assert result.failed == [False, True, False]
        assert_matches(bad.reason, result.reasons[1])
    assert after.values == [1.0, 1.0]
    assert len(result.output) <= LIMITS.output_bytes
    assert is_gone(tmp_path / "pid", "leave()" in bad.source)


@pytest.mark.slow
@pytest.mark.parametrize("source", HARMLESS.values(), ids=HARMLESS)
def test_what_does_harm_but_gives_values_gives_them(tmp_path: Path, marks: list[str], source: str) -> None:
    result, after = misbehave(tmp_path, source, Limits(timeout_s=10, memory_mb=2000))
    assert (result.values, after.values) == ([1.0, 1.0, 1.0], [1.0, 1.0])


@pytest.mark.slow
@pytest.mark.parametrize("bad", BATCHES.values(), ids=BATCHES)
def test_what_a_batch_function_does_costs_its_batch(tmp_path: Path, marks: list[str], bad: Bad) -> None:
    result, after = misbehave(tmp_path, bad.source)
    assert result.values == [None] * 3 and result.failed == [True] * 3
    assert_matches(bad.reason, result.reasons[0])
    assert after.values == [1.0, 1.0]


@pytest.mark.slow
@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_loaded_fails_fast_and_says_why(
    tmp_path: Path, marks: list[str], source: str, reason: str
) -> None:
    with RewardWorker(FileTarget(reward_file(tmp_path, source)), LIMITS) as worker:
        found = worker.start()
        assert_matches(reason, found)
        results = [worker.call(call_of("good")) for _ in range(20)]
        assert len(marks) <= 2  # it was not started again and again
    assert all(result.failed == [True] and result.reasons[0] == results[0].reasons[0] for result in results)


@pytest.mark.slow
def test_a_file_whose_import_never_ends_is_given_up(tmp_path: Path, marks: list[str]) -> None:
    with RewardWorker(FileTarget(reward_file(tmp_path, "while True: pass\n")), Limits(start_s=0.5)) as worker:
        assert worker.start() == "took longer than 0.5 s to load"


@pytest.mark.slow
def test_processes_that_start_processes_are_all_ended(tmp_path: Path, marks: list[str]) -> None:
    source = one("import os\nfor _ in range(3): os.fork()\nos.setsid() if os.getpid() % 2 else None\nwhile True: pass")
    result, after = misbehave(tmp_path, source)
    assert (result.values, after.values) == ([1.0, None, 1.0], [1.0, 1.0])


@pytest.mark.slow
def test_every_row_hanging_ends_the_call_soon(tmp_path: Path, marks: list[str]) -> None:
    with RewardWorker(FileTarget(reward_file(tmp_path, one("while True: pass"))), LIMITS) as worker:
        result = worker.call(call_of("good", *["bad"] * 100))
    assert result.values == [1.0] + [None] * 100 and len(marks) <= 6
    assert result.reasons[4] == SLOW and str(result.reasons[5]).startswith("not tried: 4 of this call ended the worker")


def assert_matches(pattern: str, text: str | None) -> None:
    assert text is not None and re.search(pattern, text), (pattern, text)


def is_gone(pid_file: Path, expected: bool) -> bool:
    """Whether the process that was expected to write its number there has ended."""
    if not expected:
        return not pid_file.exists()
    try:
        stat = Path(f"/proc/{pid_file.read_text()}/stat").read_text()
    except OSError:
        return True
    return stat[stat.rindex(")") + 2] in "ZX"


OWNER = """
import sys
from pathlib import Path
from engine.rewards.worker import process
from engine.rewards.worker.client import FileTarget, RewardWorker
process.secrets.token_hex = lambda _: sys.argv[2]
worker = RewardWorker(FileTarget(Path(sys.argv[1])))
print(worker.start(), flush=True)
worker.submit({"prompts": ["p"], "completions": ["bad"], "completion_ids": [[1]]})
sys.stdin.read()
"""
HANGS_WITH_CHILDREN = """
import os, signal, time
def reward(completion):
    for number in range(1, 32):
        if number not in (9, 19): signal.signal(number, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            open(PIDS, "w").write(str(os.getpid()))
            time.sleep(1000)
        os._exit(0)
    while True: pass
"""


@pytest.mark.slow
def test_nothing_is_left_of_a_worker_when_the_engine_is_killed(tmp_path: Path) -> None:
    mark, pid_file = f"killed-{os.getpid()}-{time.monotonic_ns()}", tmp_path / "pid"
    command = [sys.executable, "-c", OWNER, str(reward_file(tmp_path, HANGS_WITH_CHILDREN)), mark]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as owner:
        assert owner.stdout is not None and owner.stdout.readline() == "None\n"
        wait_until(lambda: pid_file.exists() and pid_file.read_text() != "", "its grandchild")
        assert alive([mark])
        owner.kill()
    wait_until(lambda: not alive([mark]), "all to end", BACK_WITHIN_S)
    assert is_gone(pid_file, True)
