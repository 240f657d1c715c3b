"""The attack suite: which attacks there are, how each of them is seen to succeed from outside, and running them all."""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from engine.rewards.sandbox.backends import Sandbox
from engine.rewards.sandbox.judge.relay import BrokenTests, judge_calls
from engine.rewards.sandbox.limits import MIB, Limits, Outcome, SandboxFailed
from engine.rewards.sandbox.surroundings import Surroundings, processes_of

# Those of the reward python_tests with its default settings, but less time.
LIMITS = Limits(wall_s=5.0, memory_bytes=512 * MIB)
_SHORT = replace(LIMITS, wall_s=0.2)  # for attacks that wait until they are ended
_AT_ONCE = 4
GONE_S = 2.0  # a killed process takes a moment to leave /proc
DYING_S = 0.3  # and one that was killed by an attack a moment to be dead

Evidence = Callable[["Attempt"], str | None]


@dataclass(frozen=True)
class Attempt:
    """One attack that has been made: how its program ended, and what it could have reached."""

    outcome: Outcome
    around: Surroundings
    run_id: str


@dataclass(frozen=True)
class Attack:
    """`name` is its file in attacks/; `evidence` says what it achieved, None if nothing."""

    name: str
    title: str
    evidence: Evidence
    limits: Limits = LIMITS

    def program(self) -> str:
        return _source(self.name)


@dataclass(frozen=True)
class Result:
    """Whether the sandbox withstood one attack; `detail` says what happened if it did not."""

    title: str
    withstood: bool
    detail: str
    seconds: float


def _saw_secret(attempt: Attempt) -> str | None:
    found = attempt.around.secret.encode() in attempt.outcome.stdout
    return "it read the secret" if found else None


def _wrote(attempt: Attempt) -> str | None:
    return f"it made {', '.join(found)}" if (found := attempt.around.written()) else None


def _reached(attempt: Attempt) -> str | None:
    return f"it reached a {', '.join(found)}" if (found := attempt.around.reached()) else None


def _hurt_victim(attempt: Attempt) -> str | None:
    """A process that is killed is gone a little later; without this wait an attack that worked might look repelled."""
    deadline = time.monotonic() + DYING_S
    while attempt.around.victim_is_alive():
        if time.monotonic() > deadline:
            return None
        time.sleep(0.01)
    return "it ended another process"


def _hurt_starter(attempt: Attempt) -> str | None:
    code = attempt.outcome.exit_code
    return None if code == 7 else f"the process that started it ended with {code}"


def _left_process(attempt: Attempt) -> str | None:
    deadline = time.monotonic() + GONE_S
    while left := processes_of(attempt.run_id):
        if time.monotonic() > deadline:
            return f"it left {len(left)} processes running"
        time.sleep(0.01)
    return None


def _was_not_stopped(attempt: Attempt) -> str | None:
    return None if attempt.outcome.stopped == "output" else f"it was let write {len(attempt.outcome.stdout)} bytes"


def _claims(attempt: Attempt) -> str | None:
    lines = attempt.outcome.stdout.decode(errors="replace").splitlines()
    claims = [line.removeprefix("CLAIM ") for line in lines if line.startswith("CLAIM ")]
    return f"it got {', '.join(claims)}" if claims else None


ATTACKS: tuple[Attack, ...] = (
    Attack("read_files", "Read a file outside", _saw_secret),
    Attack("write_files", "Write a file outside", _wrote),
    Attack("connect_tcp", "Connect to a TCP port", _reached),
    Attack("send_udp", "Send to a UDP port", _reached),
    Attack("connect_unix", "Connect to unix sockets", _reached),
    Attack("read_environment", "Read another process's environment", _saw_secret),
    Attack("read_memory", "Read another process's memory", _saw_secret),
    Attack("signal_others", "Kill another process", _hurt_victim),
    Attack("trace_others", "Trace another process", _hurt_victim),
    Attack("signal_starter", "Signal the process that started it", _hurt_starter),
    Attack("survive", "Leave a process behind", _left_process),
    Attack("outlive", "Outlive its time", _left_process, _SHORT),
    Attack("fork_bomb", "Start very many processes", _claims),
    Attack("thread_bomb", "Start very many threads", _claims),
    Attack("allocate", "Allocate 4 GB", _claims),
    Attack("hidden_memory", "Memory outside its limit", _claims),
    Attack("flood_output", "Write 1 GB of output", _was_not_stopped),
    Attack("fill_disk", "Fill the disk", _claims),
    Attack("inherited_descriptors", "Use inherited descriptors", _saw_secret),
    Attack("open_devices", "Open devices", _claims),
    Attack("own_memory", "Open its own memory", _claims),
    Attack("leave_namespaces", "Mounts, namespaces, chroot", _claims),
    Attack("start_program", "Start another program", _claims),
    Attack("kernel_corners", "Rarely used parts of the kernel", _claims),
)


@dataclass(frozen=True)
class Fake:
    """Code that pretends to pass a test. `name` is its file in attacks/."""

    name: str
    title: str

    def code(self) -> str:
        return _source(self.name)


FAKES: tuple[Fake, ...] = (
    Fake("fake_exit", "Fake success: sys.exit(0)"),
    Fake("fake_hard_exit", "Fake success: os._exit(0)"),
    Fake("fake_exit_in_call", "Fake success: exit when called"),
    Fake("fake_result", "Fake success: forged result"),
    Fake("fake_equal", "Fake success: equal to everything"),
    Fake("fake_machinery", "Fake success: changed machinery"),
)
TEST = "assert answer() == 42"  # which none of them meets
_JUDGED = {"tests": TEST, "context": "", "names": ["answer"], "check": False, "all": True}

# What a sandbox has to let through, so that "everything fails inside" does not mean that nothing runs inside.
_HARMLESS = """
import asyncio, collections, json, math, re, sys, tempfile, threading
with tempfile.TemporaryFile("w+") as file:
    file.write(sys.stdin.read())
    file.seek(0)
    words = file.read().split()
thread = threading.Thread(target=words.append, args=("thread",))
thread.start()
thread.join()
async def last():
    await asyncio.sleep(0)
    return "done"
print(*words, asyncio.run(last()), math.gcd(12, 18))
"""


def run_suite(sandbox: Sandbox, attacks: Sequence[Attack] = ATTACKS) -> list[Result]:
    """A harmless program, then all attacks and fakes, several at once. Raises SandboxFailed when nothing can run."""
    results = [_let_harmless_run(sandbox)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        made = pool.map(lambda attack: make_attack(sandbox, attack), attacks)
        faked = pool.map(lambda fake: try_fake(sandbox, fake), FAKES)
        return [*results, *made, *faked]


def make_attack(sandbox: Sandbox, attack: Attack) -> Result:
    """Run one attack, and look from outside what came of it."""
    started = time.perf_counter()
    try:
        with Surroundings() as around:
            files = {"main.py": attack.program(), "targets.json": json.dumps(around.targets)}
            with sandbox.start(files, attack.limits) as confined:
                outcome = confined.finish()
            achieved = attack.evidence(Attempt(outcome, around, confined.run_id))
    except SandboxFailed as error:
        return Result(attack.title, False, str(error), time.perf_counter() - started)
    if achieved is None and b"TRIED" not in outcome.stdout:
        words = outcome.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        achieved = f"the attack did not run to its end: {words or outcome}"
    return Result(attack.title, achieved is None, achieved or "", time.perf_counter() - started)


def try_fake(sandbox: Sandbox, fake: Fake) -> Result:
    """Judge code that does not meet its test."""
    started = time.perf_counter()
    detail = ""
    try:
        verdict = judge_calls(sandbox, fake.code(), _JUDGED, timeout_s=LIMITS.wall_s, memory_bytes=LIMITS.memory_bytes)
        if verdict.passed:
            detail = "it passed a test that it does not meet"
    except BrokenTests as error:
        detail = f"it made its test unusable: {error}"
    except SandboxFailed as error:
        detail = str(error)
    return Result(fake.title, not detail, detail, time.perf_counter() - started)


def _source(name: str) -> str:
    return (Path(__file__).parent / "attacks" / f"{name}.py").read_text()


def _let_harmless_run(sandbox: Sandbox) -> Result:
    started = time.perf_counter()
    with sandbox.start({"main.py": _HARMLESS}, LIMITS) as confined:
        outcome = confined.finish(b"one two")
    right = outcome.stdout == b"one two thread done 6\n" and outcome.exit_code == 0
    words = outcome.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    detail = "" if right else f"a harmless program failed: {words or outcome}"
    return Result("Run a harmless program", right, detail, time.perf_counter() - started)
