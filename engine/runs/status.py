"""What a run is doing, derived at the moment of asking from what cannot lie: a lock, the store, a living process.

Nothing that says "running" is ever stored, so no crash can leave it behind.
"""

import json
import statistics
import time
from dataclasses import dataclass
from typing import Literal

from engine.runs.control import stop_requested
from engine.runs.lease import holder, is_held
from engine.runs.paths import RunPaths, config_bytes
from engine.runs.process import Launch, read_launch
from engine.runs.reader import Attempt, Heartbeat, RunReader

State = Literal[
    "new", "starting", "running", "stopping", "stalled", "finished", "stopped", "failed", "interrupted", "imported"
]

LIVE_STATES = frozenset({"starting", "running", "stopping", "stalled"})

STALL_AFTER_S = 120.0
STALL_AFTER_STEPS = 10  # times the median step: a slow model is not a hanging one
INTERRUPTED = "The engine ended without a word: it was killed, ran out of memory, or the machine stopped."
IMPORTED = "Recorded by TRL. It can be looked at, and not be resumed here."
LOG_TAIL_BYTES = 16_384


@dataclass(frozen=True)
class RunStatus:
    """`detail` says why in words; `step` is the last finished step, `attempt` the newest engine process."""

    state: State
    detail: str
    step: int
    max_steps: int
    heartbeat: Heartbeat | None
    heartbeat_age_s: float | None
    attempt: Attempt | None

    @property
    def is_live(self) -> bool:
        return self.state in LIVE_STATES

    @property
    def stopped_early(self) -> bool:
        """True if the run is finished although it has not done all steps: early stopping ended it, as `detail` says."""
        return self.state == "finished" and self.step < self.max_steps

    @property
    def goal(self) -> int:
        """The step at which the run ends, or ended."""
        return self.step if self.stopped_early else self.max_steps

    @property
    def can_resume(self) -> bool:
        """True if an engine could be started on it and would find something to do."""
        return self.state in ("new", "stopped", "failed", "interrupted")


def run_status(paths: RunPaths, now: float | None = None) -> RunStatus:
    """The status of a run. Raises StoreError when run.db is damaged or of another version."""
    now = time.time() if now is None else now
    held = is_held(paths.lock)
    with RunReader(paths.db).snapshot() as reader:
        status = status_from(reader, paths, held, now)
    if status.state in ("interrupted", "failed") and not held and is_held(paths.lock):
        # Between the two looks an engine took the run and began the attempt that seemed to be without a process.
        with RunReader(paths.db).snapshot() as reader:
            status = status_from(reader, paths, True, now)
    return status


def log_tail(paths: RunPaths, lines: int) -> list[str]:
    """The last lines that the engine printed."""
    if not paths.log.is_file():  # a pipe or a device has no end
        return []
    try:
        with open(paths.log, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - LOG_TAIL_BYTES))
            text = file.read(LOG_TAIL_BYTES).decode(errors="replace")
    except OSError as error:
        return [f"{paths.log}: {error.strerror}"]
    return text.splitlines()[-lines:]


def status_from(reader: RunReader, paths: RunPaths, held: bool, now: float) -> RunStatus:
    """The status by what a reader sees, when the lease is or is not `held`."""
    attempts, heartbeat = reader.attempts(), reader.heartbeat()
    attempt = attempts[-1] if attempts else None
    state: State
    age = None if heartbeat is None else max(0.0, now - heartbeat.at)
    if paths.imported.is_file():  # no engine has worked on it, and none will
        state, detail = "imported", IMPORTED
    elif held:
        state, detail = _held_state(paths, attempt, heartbeat, age, reader)
    else:
        state, detail = _free_state(paths, attempt)
    step = reader.last_step() or (attempt.from_step if attempt is not None else 0)  # a fork begins with its parent's
    return RunStatus(state, detail, step, _max_steps(paths), heartbeat, age, attempt)


def _held_state(
    paths: RunPaths, attempt: Attempt | None, heartbeat: Heartbeat | None, age: float | None, reader: RunReader
) -> tuple[State, str]:
    owner = holder(paths.lock)
    if attempt is not None and attempt.outcome is not None and owner is not None and owner.pid == attempt.pid:
        return _ended(attempt)  # its last moments
    if stop_requested(paths):
        return "stopping", "It saves a checkpoint first."
    begun = attempt is not None and attempt.outcome is None and (owner is None or owner.pid == attempt.pid)
    if not begun or attempt is None or heartbeat is None or age is None or heartbeat.at < attempt.started_at:
        return "starting", "Loading."
    if age > STALL_AFTER_S and age > STALL_AFTER_STEPS * _median_step_time(reader, heartbeat.step):
        return "stalled", f"Nothing heard for {age:.0f} s, since {heartbeat.phase!r} after step {heartbeat.step}."
    return "running", heartbeat.phase


def _free_state(paths: RunPaths, attempt: Attempt | None) -> tuple[State, str]:
    launch = read_launch(paths)
    if launch is not None and not _began(launch, attempt):
        if launch.process.is_alive():
            return "starting", "The engine process has been started."
        return "failed", "\n".join(log_tail(paths, 5)) or "The engine ended before it could begin."
    return ("new", "Not started yet.") if attempt is None else _ended(attempt)


def _began(launch: Launch, attempt: Attempt | None) -> bool:
    """Whether the started process, or a later one, came so far as to begin an attempt.

    By time and not by process number: in a container that is started again the numbers come again, too.
    """
    return attempt is not None and attempt.started_at >= launch.at


def _ended(attempt: Attempt) -> tuple[State, str]:
    match attempt.outcome:
        case "finished" | "stopped" | "failed":
            return attempt.outcome, attempt.message or ""
    return "interrupted", INTERRUPTED


def _median_step_time(reader: RunReader, step: int) -> float:
    times = reader.steps(after=step - 20, columns=("step_time",))["step_time"].dropna().tolist()
    return statistics.median(times) if times else 0.0


def _max_steps(paths: RunPaths) -> int:
    """From the raw file: a run whose configuration no longer validates still has a status. 0 when it does not say."""
    try:
        steps = json.loads(config_bytes(paths))["optim"]["max_steps"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0
    return steps if type(steps) is int and 0 < steps < 2**63 else 0
