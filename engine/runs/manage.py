"""What the list of runs needs: a light summary of each run, and renaming, deleting and restoring them."""

import json
import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.config_io import dump_config
from engine.errors import LabError, RunBusyError, RunNotFoundError
from engine.runs.durable import disk_errors, fsync_dir, write_atomic
from engine.runs.launch import is_live, launch_lock
from engine.runs.lease import Lease, is_held
from engine.runs.lineage import Origin, read_origin
from engine.runs.notes import Notes, read_notes
from engine.runs.paths import RunPaths, config_bytes, is_valid_run_id, parse_config_of, read_config
from engine.runs.reader import Attempt, RunReader
from engine.runs.status import RunStatus, run_status, status_from

SPARK_POINTS = 60
NEWEST_STEPS = 10  # KL and dead share of a summary are means over these: one step's groups are too few
TRASH = ".trash"
STAMP = "-%Y%m%d-%H%M%S"
STAMP_LENGTH = len("-20260101-000000")

Version = tuple[int, int, int] | None
Versions = tuple[Version, ...]


@dataclass(frozen=True)
class RunSummary:
    """One row of the Runs page. Numbers are None before there are any.

    `rewards` are names by weight, monitors last; `reward_curve` has at most 60 points; `eval_before` and `eval_last`
    are held-out pass@1; `kl` (nats per token) and `dead_share` are means over the newest 10 steps.
    """

    paths: RunPaths
    status: RunStatus
    name: str
    model: str
    data: str
    rewards: tuple[str, ...]
    reward_curve: list[float]
    eval_before: float | None
    eval_last: float | None
    kl: float | None
    dead_share: float | None
    started_at: float | None
    duration_s: float
    origin: Origin | None
    notes: Notes


_seen: dict[Path, tuple[Versions, RunSummary]] = {}


def run_summary(paths: RunPaths, now: float | None = None) -> RunSummary:
    """The summary of a run, from memory when none of its files has changed and no engine works on it.

    Raises StoreError when run.db is damaged or of another version.
    """
    versions = tuple(_version(path) for path in _shown_files(paths))
    known = _seen.get(paths.root)
    if known is not None and known[0] == versions and not is_held(paths.lock):
        return known[1]
    summary = _read_summary(paths, time.time() if now is None else now)
    if not summary.status.is_live:
        _seen[paths.root] = (versions, summary)
    return summary


def _read_summary(paths: RunPaths, now: float) -> RunSummary:
    held, config = is_held(paths.lock), _raw_config(paths)
    with RunReader(paths.db).snapshot() as reader:
        status = status_from(reader, paths, held, now)
        if status.state in ("interrupted", "failed"):
            status = run_status(paths, now)  # which looks twice before it says so
        evaluations = reader.pass_rates()
        newest = reader.newest_means(("kl", "frac_reward_zero_std"), NEWEST_STEPS)
        attempts = reader.attempts()
        return RunSummary(
            paths, status,
            name=str(config.get("name", paths.run_id)),
            model=_source(config, "model"), data=_source(config, "data"), rewards=_rewards(config),
            reward_curve=reader.curve("reward", SPARK_POINTS),
            eval_before=evaluations[0] if evaluations else None,
            eval_last=evaluations[-1] if evaluations else None,
            kl=newest["kl"], dead_share=newest["frac_reward_zero_std"],
            started_at=attempts[0].started_at if attempts else None,
            duration_s=sum(_duration(attempt, attempt is attempts[-1], status, now) for attempt in attempts),
            origin=read_origin(paths), notes=read_notes(paths),
        )  # fmt: skip


def rename_run(paths: RunPaths, name: str) -> RunConfig:
    """Change the name in config.json; the folder, and with it every link, stays. Raises ConfigError for a bad name."""
    config = parse_config_of(paths, {**read_config(paths).model_dump(mode="json"), "name": name.strip()})
    with disk_errors(paths.root):
        stat = paths.config.stat()
        write_atomic(paths.config, dump_config(config).encode())
        os.utime(paths.config, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # lists are ordered by it
    return config


def delete_run(root: Path, paths: RunPaths) -> str:
    """Move a run to the trash folder and return its name there. Raises RunBusyError while an engine works on it."""
    trash = root / TRASH
    with launch_lock(root):
        with disk_errors(trash):
            trash.mkdir(exist_ok=True)
        if is_live(paths):
            raise RunBusyError(f"{paths.run_id} is being trained.", hint="Stop it first.")
        with Lease(paths.lock):  # also against an engine that is started by hand at this moment
            name = f"{paths.run_id}{datetime.now():{STAMP}}"
            _move(paths.root, trash / name)
    return name


def list_trash(root: Path) -> list[str]:
    """What `restore_run` accepts, newest first."""
    try:
        names = [entry.name for entry in os.scandir(root / TRASH) if _original_id(entry.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(names, key=lambda name: name[-STAMP_LENGTH:], reverse=True)


def trashed_ids(root: Path) -> set[str]:
    """The ids that the runs in the trash had."""
    return {run_id for name in list_trash(root) if (run_id := _original_id(name))}


def restore_run(root: Path, trashed: str) -> RunPaths:
    """Bring a run back from the trash under its old id. Raises RunNotFoundError, or LabError if the id is taken."""
    run_id = _original_id(trashed)
    if run_id is None or not (root / TRASH / trashed).is_dir():
        raise RunNotFoundError(f"There is no run {trashed[:90]!r} in the trash.")
    with launch_lock(root):
        if (root / run_id).exists():
            raise LabError(f"There is a run {run_id} already.", hint="Rename its folder, then restore again.")
        _move(root / TRASH / trashed, root / run_id)
    return RunPaths(root / run_id)


def _move(source: Path, target: Path) -> None:
    os.rename(source, target)
    fsync_dir(source.parent)
    fsync_dir(target.parent)


def _original_id(trashed: str) -> str | None:
    run_id, stamp = trashed[:-STAMP_LENGTH], trashed[-STAMP_LENGTH:]
    try:
        datetime.strptime(stamp, STAMP)
    except ValueError:
        return None
    return run_id if is_valid_run_id(run_id) else None


def _shown_files(paths: RunPaths) -> tuple[Path, ...]:
    """What a summary is read from."""
    return (paths.db, paths.wal, paths.config, paths.launch, paths.origin, paths.meta)


def _version(path: Path) -> Version:
    """What changes whenever the file does, None if there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_ino, stat.st_size, stat.st_mtime_ns)


def _duration(attempt: Attempt, newest: bool, status: RunStatus, now: float) -> float:
    """Seconds that a process worked; one that was killed counts up to its last sign of life, if that is known."""
    if attempt.ended_at is not None:
        return attempt.ended_at - attempt.started_at
    if newest and status.is_live:
        return max(0.0, now - attempt.started_at)
    if newest and status.heartbeat is not None:
        return max(0.0, status.heartbeat.at - attempt.started_at)
    return 0.0


def _raw_config(paths: RunPaths) -> dict[str, Any]:
    """Unchecked: a run whose configuration no longer validates is still listed."""
    try:
        raw = json.loads(config_bytes(paths))
    except (OSError, ValueError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _source(config: dict[str, Any], section: str) -> str:
    part = config.get(section)
    return str(part.get("source", "")) if isinstance(part, dict) else ""


def _rewards(config: dict[str, Any]) -> tuple[str, ...]:
    rewards = config.get("rewards")
    specs = [spec for spec in rewards if isinstance(spec, dict)] if isinstance(rewards, list) else []
    return tuple(str(spec.get("name")) for spec in sorted(specs, key=lambda spec: not spec.get("weight")))
