"""How the files that a configuration reads look from outside: what was found out about them may be out of date.

Names, sizes and times of change, never contents: a look takes microseconds a file. Data sets and models of the Hub are
not among them, as a snapshot never changes; nor are reward files, which are known by their content.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path

from engine.config import RunConfig
from engine.config_data import DataConfig
from engine.data.pass_rates import FILE as RATES_FILE
from engine.data.sources import folder_files
from engine.errors import LabError
from engine.models.catalog import EMBEDDED, SMOLLM2
from engine.models.run_source import is_run_source, run_start

MAX_FILES = 5_000  # of a source that are looked at

Stamps = dict[str, tuple[int, int]]  # path → size in bytes, time of change in nanoseconds


def stamps_of(config: RunConfig, cwd: Path | None = None) -> Stamps:
    """Of data, pass rates, model and judges. Relative paths begin at `cwd`, or where this process works."""
    models = [config.model.source, *(source for spec in config.rewards if (source := spec.params.get("source")))]
    here = cwd or Path.cwd()
    found = _stamps(path for source in models for path in _model_files(str(source), here))
    return data_stamps(config.data, cwd) | found


def data_stamps(config: DataConfig, cwd: Path | None = None) -> Stamps:
    """Of the files that the sources name, those of their split in the folders that they name, and the pass rates."""
    here = cwd or Path.cwd()
    data = (path for source in config.sources() for path in _data_files(source.source, source.split, here))
    return _stamps([*data, *_rate_files(config.pass_rates, here)])


def changed(before: Mapping[str, tuple[int, int]], now: Mapping[str, tuple[int, int]]) -> list[str]:
    """Names of the files that came, went, or are no longer as they were."""
    return [Path(path).name for path in sorted({*before, *now}) if before.get(path) != now.get(path)]


def changed_words(names: list[str]) -> str:
    """The first of these names, and how many more there are."""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(name[:80] for name in names[:3]) + more


def _stamps(paths: Iterator[Path] | list[Path]) -> Stamps:
    found: Stamps = {}
    for path in paths:
        with suppress(OSError, ValueError):  # not there, a NUL inside: whoever reads it says why
            if path.is_file():
                seen = path.stat()
                found[str(path)] = (seen.st_size, seen.st_mtime_ns)
    return found


def _data_files(source: str, split: str, here: Path) -> Iterator[Path]:
    for line in filter(None, map(str.strip, source.splitlines())):
        with suppress(OSError, ValueError, RuntimeError, LabError):  # no such home, a folder without data
            path = here / Path(line).expanduser()
            yield from islice(folder_files(path, split), MAX_FILES) if path.is_dir() else [path]


def _rate_files(source: str | None, here: Path) -> Iterator[Path]:
    if source is not None:
        path = here / Path(os.path.expanduser(source))
        yield from (path, path / RATES_FILE, path / "run.db")


def _model_files(source: str, here: Path) -> list[Path]:
    """A GGUF file, or the files of a folder, or of a checkpoint and its base; none of what is not on this machine."""
    if source in (EMBEDDED, SMOLLM2):  # parts of installed packages
        return []
    with suppress(OSError, ValueError, RuntimeError, LabError):
        if is_run_source(source):
            start = run_start(source)
            return [*_files_of(start.checkpoint), *_model_files(start.base, here)]
        return _files_of(here / Path(source).expanduser())
    return []


def _files_of(path: Path) -> list[Path]:
    return sorted(islice(path.iterdir(), MAX_FILES)) if path.is_dir() else [path]
