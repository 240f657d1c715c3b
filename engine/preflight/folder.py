"""Where pre-flights live: hidden folders below runs/.preflight, in the form of a run, few of them and cleared safely.

A folder is named after the settings that it is about, so that a page finds the one for its form on disk and needs no
memory of its own. It holds what a run has (config.json, run.db, engine.lock …), so every reader of runs can read it;
preflight.json and pass_rates.json come when it is finished.
"""

import hashlib
import json
import re
import secrets
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

from engine.config import CheckpointConfig, EvaluationConfig, OptimConfig, RolloutConfig, RunConfig
from engine.config_io import dump_config, spelled_out
from engine.errors import ConfigError, LabError, RunBusyError
from engine.file_stamps import changed, stamps_of
from engine.runs.durable import disk_errors, write_atomic
from engine.runs.launch import is_live, kill_run, launch_lock, spawn
from engine.runs.paths import RunPaths, open_run
from engine.runs.reward_copies import pin_rewards

FOLDER = ".preflight"
KEPT = 5  # of the newest; one of 16 × 8 short completions takes 0.3 MB, of 16 × 16 long ones some tens
PROMPTS = 16
MAX_PROMPTS = 256
CANCEL_GRACE_S = 2.0  # it has nothing to save
_NAME = re.compile(r"preflight\.[0-9a-f]{12}\.[0-9a-f]{4}")


def is_preflight_id(run_id: str) -> bool:
    """Whether this is the name of a pre-flight; runs that we name have no dot in theirs."""
    return _NAME.fullmatch(run_id) is not None


def is_preflight(paths: RunPaths) -> bool:
    return paths.root.parent.name == FOLDER and is_preflight_id(paths.run_id)


def result_path(paths: RunPaths) -> Path:
    return paths.root / "preflight.json"


def pass_rates_path(paths: RunPaths) -> Path:
    """{"ids": {example id: [right, tried]}}: what was measured of each prompt, to order data by difficulty."""
    return paths.root / "pass_rates.json"


def _stamps_path(paths: RunPaths) -> Path:
    """What the files that it reads looked like when it began."""
    return paths.root / "files.json"


def relevant(config: RunConfig) -> RunConfig:
    """The configuration with everything at its default that a pre-flight does not depend on."""
    defaults = RolloutConfig()
    same = {name: getattr(defaults, name) for name in ("dynamic_sampling", "max_sampling_rounds")}
    return spelled_out(config).model_copy(
        update={
            "name": "pre-flight",
            "rollout": config.rollout.model_copy(update=same),
            "optim": OptimConfig(micro_batch_tokens=config.optim.micro_batch_tokens),
            "evaluation": EvaluationConfig(pass_reward=config.evaluation.pass_reward),
            "checkpoint": CheckpointConfig(),
        }
    )


def with_contents(config: RunConfig, cwd: Path | None = None) -> RunConfig:
    """The configuration with its reward files named by what they hold now: another content is another question.

    As it is where a file cannot be read, or is not the one that the configuration names: the process says so.
    """
    try:
        return pin_rewards(config, cwd=cwd or Path.cwd()).config
    except ConfigError:
        return config


def open_preflight(root: Path, key: str) -> RunPaths:
    """The pre-flight of this name. Raises RunNotFoundError, as open_run does."""
    return open_run(root / FOLDER, key if is_preflight_id(key) else "")


def find_preflight(root: Path, config: RunConfig, cwd: Path | None = None) -> RunPaths | None:
    """The newest pre-flight of these settings and reward files, at work or not; None when there is none."""
    prefix = name_prefix(with_contents(config, cwd))
    return next((paths for paths in _all(root) if paths.run_id.startswith(prefix)), None)


def start_preflight(root: Path, config: RunConfig, *, prompts: int = PROMPTS, cwd: Path | None = None) -> RunPaths:
    """Start a pre-flight of `prompts` prompts; or find the one at work with these settings. Clears old ones away.

    Relative paths begin at `cwd`, or where this process works. Raises RunBusyError and LabError as launch.start_run.
    """
    if not 1 <= prompts <= MAX_PROMPTS:
        raise LabError(f"A pre-flight of {prompts} prompts was asked for.", hint=f"Ask for 1 to {MAX_PROMPTS}.")
    config = with_contents(config, cwd)
    with launch_lock(root):
        known = find_preflight(root, config, cwd)
        if known is not None and is_live(known):
            return known
        _make_folder(root)
        _clear(root, keep=KEPT - 1)
        paths = RunPaths(root / FOLDER / f"{name_prefix(config)}{secrets.token_hex(2)}")
        paths.root.mkdir()
        write_atomic(paths.config, dump_config(config).encode())
        write_stamps(paths, config, cwd)
        spawn(paths, str(cwd or Path.cwd()), _command(paths, prompts))
    return paths


def write_stamps(paths: RunPaths, config: RunConfig, cwd: Path | None = None) -> None:
    """Keep what the files that this configuration reads look like now."""
    write_atomic(_stamps_path(paths), json.dumps(stamps_of(config, cwd)).encode())


def changed_files(paths: RunPaths, config: RunConfig, cwd: Path | None = None) -> list[str]:
    """Names of the files which this configuration reads that are not as they were when the pre-flight began."""
    try:
        stored = json.loads(_stamps_path(paths).read_bytes())
        before = {path: (int(size), int(at)) for path, (size, at) in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):  # somebody has been in the folder
        before = {}
    return changed(before, stamps_of(config, cwd))


def cancel_preflight(root: Path, paths: RunPaths) -> None:
    """End a pre-flight and remove what it left. Raises RunBusyError when its process cannot be ended."""
    deadline = time.monotonic() + CANCEL_GRACE_S
    # A process that has just begun may hold the lock and not yet have said who it is: asked again, it has.
    while not kill_run(paths, CANCEL_GRACE_S) and is_live(paths) and time.monotonic() < deadline:
        time.sleep(0.05)
    with launch_lock(root):
        if is_live(paths):
            raise RunBusyError(f"The pre-flight {paths.run_id} cannot be ended.", hint="Wait until it has finished.")
        _remove(paths)


def _command(paths: RunPaths, prompts: int) -> list[str]:
    return [sys.executable, "-P", "-m", "engine.preflight", str(paths.root.resolve()), str(prompts)]


def name_prefix(config: RunConfig) -> str:
    """What the names of all pre-flights with these settings begin with. `config` as with_contents gives it."""
    digest = hashlib.blake2b(dump_config(relevant(config)).encode(), digest_size=6).hexdigest()
    return f"preflight.{digest}."


def _all(root: Path) -> list[RunPaths]:
    """Newest first. Nothing of another name, and no symbolic link."""
    folder = root / FOLDER
    if folder.is_symlink() or not folder.is_dir():
        return []
    found: list[tuple[int, str]] = []
    for entry in folder.iterdir():
        with suppress(OSError):  # removed at this moment
            if is_preflight_id(entry.name) and entry.is_dir() and not entry.is_symlink():
                found.append((RunPaths(entry).config.stat().st_mtime_ns, entry.name))
    return [RunPaths(folder / name) for _, name in sorted(found, reverse=True)]


def _make_folder(root: Path) -> None:
    folder = root / FOLDER
    if folder.is_symlink():
        raise LabError(f"{folder} is a symbolic link.", hint="Remove it: pre-flights are cleared away in there.")
    with disk_errors(folder):
        folder.mkdir(exist_ok=True)


def _clear(root: Path, keep: int) -> None:
    for paths in _all(root)[keep:]:
        with suppress(LabError):  # a lock that cannot be opened: somebody's own folder
            if not is_live(paths):
                _remove(paths)


def _remove(paths: RunPaths) -> None:
    if is_preflight(paths):
        shutil.rmtree(paths.root, ignore_errors=True)
