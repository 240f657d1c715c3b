"""Which operating-system process belongs to a run, named so that no other one with its number is mistaken for it.

A process number comes back sooner or later; number, start time, boot and host together do not. launch.json keeps them
for the process that was started for a run, engine.lock for the one that holds it.
"""

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.runs.durable import read_small_json, write_atomic
from engine.runs.paths import RunPaths

MAX_BYTES = 1024 * 1024  # a command line may be long


@dataclass(frozen=True)
class Holder:
    """One process. `start_ticks`: clock ticks from boot to its start, -1 if it had ended when it was looked at."""

    pid: int
    start_ticks: int
    boot_id: str
    host: str

    def is_alive(self) -> bool:
        """True if exactly this process runs now: same host, same boot, same start."""
        here = (socket.gethostname(), boot_id())
        return (self.host, self.boot_id) == here and start_ticks(self.pid) == self.start_ticks


@dataclass(frozen=True)
class Launch:
    """The newest engine process that was started for a run. `cwd` is where its relative paths begin."""

    process: Holder
    at: float
    cwd: str


def write_launch(paths: RunPaths, pid: int, *, at: float, argv: list[str], cwd: str) -> None:
    """Record a process that was started now; `at` is a moment just before (seconds since 1970)."""
    record = {**asdict(describe_process(pid)), "at": at, "argv": argv, "cwd": cwd}
    write_atomic(paths.launch, (json.dumps(record, indent=2) + "\n").encode())


def read_launch(paths: RunPaths) -> Launch | None:
    """What launch.json says, or None if there is none or it is not readable."""
    data = read_small_json(paths.launch, MAX_BYTES)
    process = parse_holder(data)
    match data:
        case {"at": float(at), "cwd": str(cwd)} if process is not None:
            return Launch(process, at, cwd)
    return None


def started_in(paths: RunPaths) -> Path:
    """Where relative paths of a run's configuration begin: where it was first started, else here."""
    launch = read_launch(paths)
    return Path(launch.cwd) if launch is not None and Path(launch.cwd).is_dir() else Path.cwd()


def parse_holder(data: Any) -> Holder | None:
    """A Holder from parsed JSON, or None if it is not one. Further keys are ignored."""
    match data:
        case {"pid": int(pid), "start_ticks": int(ticks), "boot_id": str(boot), "host": str(host)}:
            return Holder(pid, ticks, boot, host)
    return None


def this_process() -> Holder:
    return describe_process(os.getpid())


def describe_process(pid: int) -> Holder:
    """The identity of a process that exists now."""
    ticks = start_ticks(pid)
    return Holder(pid, -1 if ticks is None else ticks, boot_id(), socket.gethostname())


def start_ticks(pid: int) -> int | None:
    """Clock ticks from boot to the start of a process, or None if none with this number runs."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # Fields of proc(5) after field 2, the command, which may itself hold spaces and brackets.
    fields = stat[stat.rindex(")") + 2 :].split()
    state, started = fields[0], fields[19]
    return None if state in "ZX" else int(started)  # Z, X: ended, and only waiting for its parent to notice


def was_started_on(pid: int, run_id: str) -> bool:
    """Whether the command line of a process names the folder of a run, as that of an engine does."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return any(Path(argument).name == run_id for argument in arguments)


def boot_id() -> str:
    """A name of this start of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
