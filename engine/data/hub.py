"""A data set of the Hub as local files: from the cache when the split is whole there, else downloaded for who named it.

Only the data files of the split are fetched, and read by our own readers; a data set's script is never fetched or run.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import yaml

from engine.config_data import DataSource
from engine.data.files import MAX_BYTES
from engine.data.splits import all_shards, card_files, choose_subset, data_files, matching, split_files
from engine.data.table import fail
from engine.errors import DatasetError
from engine.hub_errors import hub_refusal
from engine.models.catalog import hub_cache
from engine.models.hub import is_offline

CONVERTED = "refs/convert/parquet"  # where the Hub keeps what it made of data sets that have no Parquet files
CARD = "README.md"
MAX_CARD = 2**20  # bytes
MAX_FILES = 10_000


class NotFetched(DatasetError):
    """The data set is on the Hub and not on this machine, and nobody asked to download it yet."""


def hub_files(config: DataSource, *, fetch: bool) -> list[Path]:
    """The files of a split. Raises DatasetError when offline, not found, gated, a script, too large, or cut off.

    Without `fetch` nothing is downloaded: then it raises NotFetched.
    """
    problem: DatasetError | None = None
    for revision in _revisions(config):
        if (snapshot := cached_snapshot(config.source, revision)) is None:
            continue
        try:
            names = _choose(_names_in(snapshot), _card(snapshot), config, revision)
        except DatasetError as error:
            problem = problem or error
            continue
        if names and all_shards(names):
            return [snapshot / name for name in names]
    if is_offline():
        raise problem or _not_here(config)
    if not fetch:
        raise NotFetched(f"{config.source} is not on this machine; starting the run downloads it.", field="data.source")
    return _download(config)


def cached_snapshot(hub_id: str, revision: str) -> Path | None:
    """The folder of the Hub's cache with what was downloaded of this version, or None. Nothing is fetched."""
    repository = hub_cache() / f"datasets--{hub_id.replace('/', '--')}"
    if revision.startswith("/") or ".." in revision:  # no name of a version, and it may lead to a file without end
        return None
    try:
        commit = (repository / "refs" / revision).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        commit = revision
    snapshot = repository / "snapshots" / Path(commit).name
    return snapshot if snapshot.is_dir() else None


def _revisions(config: DataSource) -> list[str]:
    return [config.revision] if config.revision else ["main", CONVERTED]


def _names_in(snapshot: Path) -> list[str]:
    names = []
    for folder, _, files in os.walk(snapshot):
        names += [(Path(folder) / name).relative_to(snapshot).as_posix() for name in files]
        if len(names) > MAX_FILES:
            break
    return [name for name in names if (snapshot / name).is_file()]  # a link may point to what was deleted


def _choose(names: Sequence[str], card: dict[str, Any], config: DataSource, revision: str) -> list[str]:
    """The files of the split among those of a version; empty when it has none that can be read."""
    names = data_files(names)
    if not names:
        return []
    if revision == CONVERTED:  # subset/split/0000.parquet
        subset = choose_subset(sorted({name.split("/")[0] for name in names}), config.subset, config.source, "default")
        return split_files([name for name in names if name.split("/")[0] == subset], config.split, config.source)
    patterns = card_files(card, config.subset, config.split, config.source)
    if patterns is not None:
        return matching(names, patterns)
    if config.subset:
        names = [name for name in names if config.subset in Path(name).parts[:-1]]
        if not names:
            fail(f"{config.source} has no folder '{config.subset[:60]}'.", "Leave the subset empty.", "data.subset")
    return split_files(names, config.split, config.source)


def _card(snapshot: Path) -> dict[str, Any]:
    """What the data set's card says of itself, between two lines of three hyphens; empty when it says nothing."""
    try:
        with (snapshot / CARD).open(encoding="utf-8") as file:
            text = file.read(MAX_CARD)
        _, head, _ = text.split("---\n", 2) if text.startswith("---\n") else ("", "", "")
        card = yaml.safe_load(head)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return {}
    return card if isinstance(card, dict) else {}


def _download(config: DataSource) -> list[Path]:
    from huggingface_hub import errors  # here, because it takes half a second that local files need not pay

    name = config.source
    try:
        return _fetch(config)
    except errors.RevisionNotFoundError:
        fail(f"{name} has no version {config.revision!r}.", "Name a branch, a tag or a commit.", "data.revision")
    except DatasetError:
        raise
    except Exception as error:
        fail(*hub_refusal(name, "data set", error, "file"))


def _fetch(config: DataSource) -> list[Path]:
    from huggingface_hub import errors

    revision = config.revision or "main"
    sizes = names = _listing(config.source, revision)
    is_script = f"{config.source.split('/')[1]}.py" in names
    if config.revision is None and (is_script or not data_files(list(names))):
        with suppress(errors.RevisionNotFoundError):
            converted = _listing(config.source, CONVERTED)
            if data_files(list(converted)):
                sizes = names = converted
                revision = CONVERTED
    card = _card(_snapshot(config.source, revision, [CARD])) if CARD in names else {}
    chosen = _choose(list(names), card, config, revision)
    if not chosen:
        _refuse(config.source, is_script)
    size_bytes = sum(sizes[name] for name in chosen)
    if size_bytes > MAX_BYTES:
        fail(f"The split '{config.split}' of {config.source} has {size_bytes:,} bytes, more than {MAX_BYTES:,}.",
             "Choose a smaller subset or split, or download a part of it as a file.", "data.split")  # fmt: skip
    snapshot = _snapshot(config.source, revision, chosen)
    return [snapshot / name for name in chosen]


def _listing(hub_id: str, revision: str) -> dict[str, int]:
    """The files of a version with their sizes in bytes; 0 where the Hub does not say."""
    import huggingface_hub

    info = huggingface_hub.HfApi().dataset_info(hub_id, revision=revision, files_metadata=True)
    return {file.rfilename: file.size or 0 for file in info.siblings or ()}


def _snapshot(hub_id: str, revision: str, names: Sequence[str]) -> Path:
    import huggingface_hub

    return Path(
        huggingface_hub.snapshot_download(
            hub_id, repo_type="dataset", revision=revision, allow_patterns=[_literal(name) for name in names]
        )
    )


def _literal(name: str) -> str:
    """The name as a pattern that fits nothing else."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _refuse(name: str, is_script: bool) -> NoReturn:
    if is_script:
        fail(f"{name} is made by a script, which is never run here, and the Hub has no Parquet files of it.",
             "Choose another data set, or save its rows as a file.")  # fmt: skip
    fail(f"{name} has no files that can be read: JSONL, JSON, CSV, TSV or Parquet.", "Choose another data set.")


def _not_here(config: DataSource) -> DatasetError:
    return DatasetError(
        f"The split '{config.split}' of {config.source} is not on this machine, and HF_HUB_OFFLINE forbids to "
        "download it.",
        hint="Unset HF_HUB_OFFLINE, or name a local file.",
        field="data.source",
    )
