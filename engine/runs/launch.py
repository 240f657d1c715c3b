"""Starting and ending engine processes: one for each run, in a session of its own, so that it outlives who started it.

Starts are serialised by a lock in the runs folder, which is why two clicks or two tabs make one run.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.child_environment import python_path
from engine.config import RunConfig
from engine.config_io import dump_config
from engine.errors import LabError, RunBusyError, RunNotFoundError, StoreError
from engine.runs.control import clear_requests, request_stop
from engine.runs.durable import disk_errors, fsync_dir, write_atomic
from engine.runs.imported import refuse_imported
from engine.runs.lease import holder, is_held, lock, open_lock_file
from engine.runs.lineage import Origin, read_origin, write_origin
from engine.runs.paths import RunPaths, config_bytes, list_runs, new_run_id, open_run
from engine.runs.process import Holder, read_launch, started_in, was_started_on, write_launch
from engine.runs.reward_copies import pin_rewards
from engine.runs.status import run_status

LAUNCH_PATIENCE_S = 20.0
KILL_GRACE_S = 10.0  # between SIGTERM, which saves a checkpoint, and SIGKILL

# The engine gets what finds programs, libraries, models and devices. Everything else, such as tokens of other
# programs, stays here: the engine may run reward code.
PASSED_ON = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "XDG_CACHE_HOME"),
        *("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "LD_LIBRARY_PATH"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    )
)
PASSED_ON_PREFIXES = (
    *("LC_", "HF_", "TRANSFORMERS_", "TOKENIZERS_", "GRPO_LAB_", "OMP_", "MKL_", "OPENBLAS_", "KMP_", "GOMP_"),
    *("TORCH_", "PYTORCH_", "CUDA_", "CUBLAS_", "NVIDIA_", "NCCL_", "HIP_", "ROCR_"),
)

_children: dict[int, subprocess.Popen[bytes]] = {}
_children_lock = threading.Lock()


@dataclass(frozen=True)
class Launched:
    """`created` is False when the run was already under way and nothing new was started."""

    run_id: str
    created: bool


def start_run(root: Path, config: RunConfig, origin: Origin | None = None) -> Launched:
    """Make a run of this configuration and start its engine; or find the live run that has exactly this one.

    `origin` says which run it was cloned from, whose copies of reward files are taken. Raises RunBusyError when another
    start hangs, ConfigError when a reward file cannot be read or has changed, LabError when no process can be started.
    """
    parent = _parent(root, origin)
    pinned = pin_rewards(config, cwd=Path.cwd(), parent=parent)
    text = dump_config(pinned.config).encode()
    with launch_lock(root):
        if twin := _live_twin(root, text):
            return Launched(twin.run_id, created=False)
        paths = RunPaths(root / new_run_id(config.name, datetime.now()))
        paths.root.mkdir()  # fails if somebody has it: then this name is not ours
        if origin is not None:
            write_origin(paths.origin, origin)
        pinned.write(paths)
        write_atomic(paths.config, text)
        spawn(paths, cwd=str(Path.cwd()))
    return Launched(paths.run_id, created=True)


def start_prepared(root: Path, draft: RunPaths, name: str, cwd: Path) -> Launched:
    """Give a run that was built under a hidden name its own, and start its engine; or find its live twin.

    The twin has the same configuration and comes from the same checkpoint: a second click. Raises like start_run.
    """
    text, origin = config_bytes(draft), read_origin(draft)
    with launch_lock(root):
        twin = _live_twin(root, text)
        if twin is not None and read_origin(twin) == origin:
            return Launched(twin.run_id, created=False)
        draft.lock.unlink(missing_ok=True)  # it kept others from clearing the draft away
        paths = RunPaths(root / new_run_id(name, datetime.now()))
        os.rename(draft.root, paths.root)
        fsync_dir(root)
        spawn(paths, cwd=str(cwd))
    return Launched(paths.run_id, created=True)


def resume_run(root: Path, run_id: str) -> Launched:
    """Start an engine on a run that is not live; it continues from the newest checkpoint.

    Raises RunNotFoundError, RunBusyError when another start hangs, LabError when no process can be started or the run
    was imported.
    """
    paths = open_run(root, run_id)
    refuse_imported(paths)
    with launch_lock(root):
        if is_live(paths):
            return Launched(run_id, created=False)
        clear_requests(paths)
        spawn(paths, cwd=str(started_in(paths)))
    return Launched(run_id, created=True)


def is_live(paths: RunPaths) -> bool:
    """Whether an engine works on the run or is about to. A damaged store does not hide the answer."""
    try:
        return run_status(paths).is_live
    except StoreError:
        return is_held(paths.lock)


def stop_run(paths: RunPaths) -> None:
    """Ask the engine to save a checkpoint and end; it answers between two micro-batches."""
    with disk_errors(paths.root):
        request_stop(paths)


def kill_run(paths: RunPaths, grace_s: float = KILL_GRACE_S) -> bool:
    """End a run's engine by SIGTERM, and after `grace_s` by SIGKILL to its process group.

    Returns False, and sends nothing, when no living process is provably the run's.
    """
    process = _living_process(paths)
    if process is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    if process.is_alive():
        _kill_hard(process.pid)
    reap()
    return True


def reap() -> None:
    """Collect the exit codes of engines that this process started and that have ended, so that no zombie stays."""
    with _children_lock:
        for pid, child in list(_children.items()):
            if child.poll() is not None:
                del _children[pid]


def engine_command(run_directory: Path) -> list[str]:
    """-P: a file in the working directory must not take the place of a library."""
    return [sys.executable, "-P", "-m", "engine", str(run_directory)]


@contextmanager
def launch_lock(root: Path) -> Iterator[None]:
    """Held while a run is started or removed; makes the runs folder if there is none.

    Raises RunBusyError when somebody else has held it for long, LabError for any error of the disk inside.
    """
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        fd = open_lock_file(root / ".launch.lock")
    try:
        if not lock(fd, LAUNCH_PATIENCE_S):
            raise RunBusyError(
                f"Another start in {root} takes longer than {LAUNCH_PATIENCE_S:.0f} s.", hint="Try again."
            )
        with disk_errors(root):
            yield
    finally:
        os.close(fd)


def _parent(root: Path, origin: Origin | None) -> RunPaths | None:
    """The run that this one was cloned from, if it is still there."""
    if origin is None:
        return None
    try:
        return open_run(root, origin.parent)
    except RunNotFoundError:
        return None


def _live_twin(root: Path, text: bytes) -> RunPaths | None:
    """The live run whose configuration is this text. One that cannot be read is no obstacle to another."""
    for paths in list_runs(root):
        with suppress(OSError):
            if config_bytes(paths) == text and is_live(paths):
                return paths
    return None


def spawn(paths: RunPaths, cwd: str, command: list[str] | None = None) -> None:
    """Start a process on a run's folder, by default its engine. Only with the launch lock. Raises LabError."""
    reap()
    command, at = command or engine_command(paths.root.resolve()), time.time()
    try:
        with open(paths.log, "ab") as log:
            child = subprocess.Popen(
                command, cwd=cwd, env=_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True, close_fds=True,
            )  # fmt: skip
    except OSError as error:
        raise LabError(f"The engine of {paths.run_id} could not be started: {error}.") from error
    with _children_lock:
        _children[child.pid] = child
    write_launch(paths, child.pid, at=at, argv=command, cwd=cwd)


def _environment() -> dict[str, str]:
    passed = {k: v for k, v in os.environ.items() if k in PASSED_ON or k.startswith(PASSED_ON_PREFIXES)}
    return {**passed, "PYTHONPATH": python_path(), "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}


def _living_process(paths: RunPaths) -> Holder | None:
    """The engine that holds the run, or that was started and has not got so far.

    A file that came with the run may name any process: only one that was started on this run counts.
    """
    launch = read_launch(paths)
    known = holder(paths.lock) if is_held(paths.lock) else launch.process if launch else None
    if known is None or not known.is_alive() or not was_started_on(known.pid, paths.run_id):
        return None
    return known


def _kill_hard(pid: int) -> None:
    with suppress(ProcessLookupError):
        if os.getpgid(pid) == pid:  # started by spawn: reward workers and converters are in its group
            os.killpg(pid, signal.SIGKILL)
        else:  # started by hand: its group may hold the user's shell job
            os.kill(pid, signal.SIGKILL)
