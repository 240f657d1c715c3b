"""Ends a process with everything it started, also what left its session or lost its parent. Linux: reads /proc.

Two marks find them: being a descendant of the guard, to whom orphans come back (PR_SET_CHILD_SUBREAPER), and a mark in
the environment, for the case that the guard itself was killed.
"""

import os
import signal
import time
from contextlib import suppress

MARK = "GRPO_LAB_REWARD_WORKER"
MAX_ROUNDS = 200


def end_tree(root: int, mark: str) -> None:
    """SIGKILL to all descendants of `root` and all processes with this mark, but not to `root` or this process.

    They are stopped first, so that none can start another while it is looked for.
    """
    for _ in range(MAX_ROUNDS):
        found = (descendants(root) | marked(mark)) - {root, os.getpid()}
        if not found:
            return
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                with suppress(OSError):
                    os.kill(pid, number)
        time.sleep(0.002)  # they end in their own time


def descendants(root: int) -> set[int]:
    """Children of a process, their children and so on; those that have ended and wait for their parent left out."""
    children: dict[int, list[int]] = {}
    ended = set()
    for pid in _processes():
        parent, state = _parent_and_state(pid)
        children.setdefault(parent, []).append(pid)
        if state in "ZX":
            ended.add(pid)
    found: set[int] = set()
    waiting = [root]
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            if pid not in found:
                found.add(pid)
                waiting.append(pid)
    return found - ended


def marked(mark: str) -> set[int]:
    """Processes that were started with this mark in their environment and have not ended."""
    wanted = f"{MARK}={mark}".encode()
    found = set()
    for pid in _processes():
        with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            if wanted in file.read().split(b"\0") and _parent_and_state(pid)[1] not in "ZX":
                found.add(pid)
    return found


def own_threads() -> int:
    """How many threads the processes of this user have, on the whole machine."""
    count = 0
    for pid in _processes():
        with suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{pid}/task"))
    return count


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _parent_and_state(pid: int) -> tuple[int, str]:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return 0, "X"
    fields = stat[stat.rindex(b")") + 2 :].split()
    return int(fields[1]), fields[0].decode()
