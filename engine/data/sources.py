"""Finds and reads what a source names: a file, several of them, a folder, or a data set on the Hub, as one Table."""

import os
from pathlib import Path, PurePath

from engine.config_data import DataSource, looks_like_hub
from engine.data.files import read_files
from engine.data.hub import hub_files
from engine.data.splits import data_files, split_files
from engine.data.table import Table, fail

MAX_ENTRIES = 20_000  # of a folder that are looked at


def read_source(config: DataSource, *, fetch: bool = True) -> Table:
    """All rows of a source. Raises DatasetError when it, or one of its files, cannot be read as a whole.

    Without `fetch` nothing is downloaded: a data set of the Hub that is not here raises NotFetched.
    """
    lines = _lines(config.source)
    name = f"{len(lines)} sources, {lines[0][-60:]} first" if len(lines) > 1 else source_name(config.source)
    return read_files(source_files(config, fetch=fetch), name)


def source_files(config: DataSource, *, fetch: bool = True) -> list[Path]:
    """The files of a source, in order; those that it names itself need not exist. Raises as `read_source` does."""
    lines = _lines(config.source)
    if len(lines) < 2:
        return _paths(config, fetch)
    return [path for line in lines for path in _paths(config.model_copy(update={"source": line}), fetch)]


def source_name(source: str) -> str:
    """What a source is called in messages: a file or folder by its own name, a data set on the Hub as it is."""
    source = source.strip()
    return source if looks_like_hub(source) else PurePath(source).name or source


def _lines(source: str) -> list[str]:
    return [line.strip() for line in source.splitlines() if line.strip()]


def _paths(config: DataSource, fetch: bool) -> list[Path]:
    source = config.source.strip()
    try:
        path = Path(source).expanduser()
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL inside, no such home, no permission
        reason = error.strerror if isinstance(error, OSError) else error
        fail(f"The data file {source[:200]!r} cannot be opened ({reason}).", "Check the path.")
    if is_folder:
        return folder_files(path, config.split)
    return hub_files(config, fetch=fetch) if looks_like_hub(source) and not exists else [path]


def folder_files(folder: Path, split: str) -> list[Path]:
    """The data files of a split in a folder, in order. Raises DatasetError when there are none."""
    return [folder / name for name in _split_of_folder(folder, split)]


def _split_of_folder(folder: Path, split: str) -> list[str]:
    there = _names_in(folder)
    names = data_files(there)
    if not names:
        if any(name.endswith(".arrow") for name in there):
            fail(f"The folder {folder.name} holds Arrow files, as `save_to_disk` writes them.",
                 "Save the data set as Parquet instead: dataset.to_parquet(path).")  # fmt: skip
        fail(f"The folder {str(folder)[:200]!r} has no data files.", "It should hold .jsonl, .csv or .parquet files.")
    return split_files(names, split, folder.name or str(folder))


def _names_in(folder: Path) -> list[str]:
    """Files below a folder, relative to it. Links to folders are not followed: they may lead round in a circle."""
    names: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names += [(Path(place) / name).relative_to(folder).as_posix() for name in sorted(files)]
        if len(names) > MAX_ENTRIES:
            fail(f"The folder {str(folder)[:200]!r} has more than {MAX_ENTRIES:,} files.", "Name one with data alone.")
    return [name for name in names if (folder / name).is_file()]
