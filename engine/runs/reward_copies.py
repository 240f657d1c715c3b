"""A run's own copies of reward files: taken when it is made, named by their hashes, and what its engine loads.

So a resume or a fork scores as the run did, whatever became of the user's file since. A configuration that names
another content than its file has is refused: nobody should train on a reward that they do not know.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.config import RewardSpec, RunConfig
from engine.errors import ConfigError, Problem, RewardError
from engine.rewards.python_file import NAME
from engine.rewards.registry import function_of
from engine.rewards.worker.files import keep_version, read_reward_file, version_name
from engine.runs.durable import fsync_dir
from engine.runs.paths import RunPaths


@dataclass(frozen=True)
class PinnedRewards:
    """A configuration whose reward files are named by content too, and these contents."""

    config: RunConfig
    contents: tuple[bytes, ...] = field(default=(), repr=False)

    def write(self, paths: RunPaths) -> None:
        """Put the copies into the run's folder, durably."""
        if self.contents:
            paths.rewards.mkdir(exist_ok=True)
            for data in self.contents:
                keep_version(paths.rewards, data)
            fsync_dir(paths.root)


def pin_rewards(config: RunConfig, *, cwd: Path, parent: RunPaths | None = None) -> PinnedRewards:
    """Read the reward files of a configuration and fill in their hashes. Relative paths begin at `cwd`.

    A content that the configuration names and the run `parent` has a copy of is taken from there. Raises ConfigError
    for every file that cannot be read or has another content than the one named.
    """
    problems: list[Problem] = []
    specs: list[RewardSpec] = []
    contents: dict[str, bytes] = {}
    for place, spec in enumerate(config.rewards):
        if function_of(spec) == NAME:
            try:
                data = _content(spec.params, cwd, parent)
            except RewardError as error:
                problems.append(Problem(f"rewards[{place}].params.{error.field or 'path'}", error.message, error.hint))
                continue
            sha256 = hashlib.sha256(data).hexdigest()
            contents[sha256] = data
            spec = spec.model_copy(update={"params": {**spec.params, "sha256": sha256}})
        specs.append(spec)
    if problems:
        raise ConfigError(problems)
    return PinnedRewards(_with(config, specs), tuple(contents.values()))


def _content(params: Mapping[str, object], cwd: Path, parent: RunPaths | None) -> bytes:
    wanted = str(params.get("sha256") or "")
    if wanted and parent is not None:
        copy = parent.rewards / version_name(wanted)
        if copy.is_file():
            return _verified(read_reward_file(copy), wanted, f"{parent.run_id}'s copy")
    path = cwd / str(params["path"])
    return _verified(read_reward_file(path), wanted, str(params["path"]))


def _verified(data: bytes, wanted: str, shown: str) -> bytes:
    found = hashlib.sha256(data).hexdigest()
    if wanted and found != wanted:
        raise RewardError(
            f"{shown} has the sha256 {found}, and the configuration names {wanted}.",
            hint="To train with the file as it is now, empty this setting; else bring back the file that it names.",
            field="sha256",
        )
    return data


def _with(config: RunConfig, specs: Sequence[RewardSpec]) -> RunConfig:
    return config.model_copy(update={"rewards": tuple(specs)})
