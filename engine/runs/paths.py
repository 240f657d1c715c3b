"""Where a run lives: names that are safe as folders, and the files inside one run's directory.

Every path that is made from a name passes through `open_run` or `new_run_id`, so no name can leave the runs root.
"""

import errno
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.config_io import parse_config, parse_recorded
from engine.errors import LabError, RunNotFoundError

VALID_RUN_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
MAX_CONFIG_BYTES = 4 * 2**20
SLUG_LENGTH = 40  # with time and random part a run id stays below 64 characters


@dataclass(frozen=True)
class RunPaths:
    """The directory of one run, and what is in it."""

    root: Path

    @property
    def run_id(self) -> str:
        return self.root.name

    @property
    def config(self) -> Path:
        """The RunConfig as JSON, written once."""
        return self.root / "config.json"

    @property
    def db(self) -> Path:
        """The store: written by the engine alone."""
        return self.root / "run.db"

    @property
    def wal(self) -> Path:
        """SQLite's write-ahead log beside the store: the newest commits."""
        return self.root / "run.db-wal"

    @property
    def log(self) -> Path:
        """What the engine process printed."""
        return self.root / "engine.log"

    @property
    def lock(self) -> Path:
        """Locked for as long as an engine process lives."""
        return self.root / "engine.lock"

    @property
    def control(self) -> Path:
        """Folder of requests to the engine."""
        return self.root / "control"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def start(self) -> Path:
        """The weights that the run started from, where another run made them: a model folder of its own."""
        return self.root / "start"

    @property
    def rewards(self) -> Path:
        """Folder with the run's own copies of reward files, named by their hashes."""
        return self.root / "rewards"

    @property
    def launch(self) -> Path:
        """Which process was started for this run, and when."""
        return self.root / "launch.json"

    @property
    def origin(self) -> Path:
        """Where the run came from, if it came from another one: written once, before the configuration."""
        return self.root / "origin.json"

    @property
    def meta(self) -> Path:
        """What people wrote about the run: tags, a note, a pin."""
        return self.root / "meta.json"

    @property
    def imported(self) -> Path:
        """What was recorded of an import, and what was not. Where it is, the run is looked at and never trained."""
        return self.root / "import.json"

    @property
    def export(self) -> Path:
        return self.root / "export"


def runs_root() -> Path:
    """The folder of all runs: the environment variable GRPO_LAB_RUNS, else ./runs."""
    return Path(os.environ.get("GRPO_LAB_RUNS") or "runs").absolute()


def rewards_root(root: Path) -> Path:
    """The folder of the reward files that people write in the browser: beside the runs, and no run."""
    return root / "rewards"


def new_run_id(name: str, now: datetime) -> str:
    """A folder name for a new run: the name as far as it is plain ASCII, the time, and four random digits."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name.lower())[:SLUG_LENGTH].strip("-") or "run"
    return f"{slug}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def open_run(root: Path, run_id: str) -> RunPaths:
    """The paths of an existing run.

    Raises RunNotFoundError for a name that is no plain folder name, that leads out of `root` through a symbolic
    link, or that has no directory.
    """
    directory = root / run_id if is_valid_run_id(run_id) else None
    if directory is None or not directory.is_dir() or directory.resolve() != root.resolve() / run_id:
        raise RunNotFoundError(
            f"There is no run {run_id[:80]!r} in {root}.", hint="The Runs page and `grpo-lab runs` list what is there."
        )
    return RunPaths(directory)


def is_valid_run_id(run_id: str) -> bool:
    return VALID_RUN_ID.fullmatch(run_id) is not None


def list_runs(root: Path) -> list[RunPaths]:
    """All runs that have a configuration, newest first. A missing root has none. Raises LabError for one that cannot be
    listed.
    """
    found: list[tuple[int, str]] = []
    try:
        entries = list(os.scandir(root))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LabError(
            f"The runs folder {root} cannot be read: {error.strerror}.", hint="GRPO_LAB_RUNS names another one."
        ) from error
    for entry in entries:
        if is_valid_run_id(entry.name) and entry.is_dir(follow_symlinks=False):
            try:
                config = os.stat(RunPaths(Path(entry.path)).config)
            except OSError:
                continue  # being claimed or deleted at this moment
            found.append((config.st_mtime_ns, entry.name))
    return [RunPaths(root / name) for _, name in sorted(found, reverse=True)]


def read_config(paths: RunPaths) -> RunConfig:
    """The configuration of a run. Raises RunNotFoundError without config.json, ConfigError when it is not valid.

    That of an import is read for its form alone: rewards and data are not ours, and nothing will be trained on them.
    """
    try:
        text = config_bytes(paths)
    except OSError as error:
        raise RunNotFoundError(f"{paths.config}: {error.strerror}.", hint="The run has no configuration.") from error
    return parse_config_of(paths, text)


def parse_config_of(paths: RunPaths, data: bytes | Mapping[str, Any]) -> RunConfig:
    """A configuration for this run. Raises ConfigError as read_config does."""
    return parse_recorded(data) if paths.imported.is_file() else parse_config(data)


def config_bytes(paths: RunPaths) -> bytes:
    """The content of config.json. Raises OSError also for what would never end: a pipe, a device, a huge file."""
    found = paths.config.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "It is not a file", str(paths.config))
    if found.st_size > MAX_CONFIG_BYTES:
        raise OSError(errno.EFBIG, f"It has {found.st_size:,} bytes", str(paths.config))
    return paths.config.read_bytes()
