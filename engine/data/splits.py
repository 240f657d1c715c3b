"""Which files of a folder, or of a data set on the Hub, make up a split: read off their names and the data set's card.

Pure: works on names such as "data/train-00000-of-00002.parquet".
"""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import PurePosixPath
from typing import Any

from engine.data.files import TEXT_READERS, kind_of_file
from engine.data.table import fail

# What the common splits are called in file and folder names, as in the Hub's own rules.
SPLITS: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
# What describes a data set, and is none of its rows.
_NOT_ROWS = re.compile(r"(dataset_infos?|dataset_dict|state|config|metadata|package|croissant)\.json", re.I)
_SHARD = re.compile(r"^(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<rest>.*)$")


def data_files(names: Sequence[str]) -> list[str]:
    """The names that belong to files with rows, in order."""
    kinds = (*TEXT_READERS, ".parquet")
    return sorted(
        name for name in names
        if kind_of_file(path := PurePosixPath(name)) in kinds  # type: ignore[arg-type]
        and not any(part.startswith((".", "_")) for part in path.parts) and not _NOT_ROWS.fullmatch(path.name)
    )  # fmt: skip


def split_files(names: Sequence[str], split: str, name: str) -> list[str]:
    """The files of a split. Files whose names say no split are training data.

    Raises DatasetError, which names the splits that are there.
    """
    found: dict[str, list[str]] = {}
    for each in names:
        found.setdefault(split_of(each, split), []).append(each)
    if split in found:
        return found[split]
    known = ", ".join(found) or "none"
    fail(f"{name} has no split '{split[:60]}'; what is there: {known}.", "Choose one of these.", "data.split")


def split_of(name: str, wanted: str = "") -> str:
    """Which split a file belongs to, by its own name or the nearest folder's; "train" when none of them says."""
    words = {wanted: (wanted,), **SPLITS}
    for part in reversed(PurePosixPath(name).parts):
        pieces = re.split(r"[^a-z0-9]+", part.lower())
        for split, names in words.items():
            if split and (part == split or any(word in pieces for word in names)):
                return split
    return "train"


def card_files(card: Mapping[str, Any], subset: str | None, split: str, name: str) -> list[str] | None:
    """The patterns of files that a data set's card names for a subset and split; None when it names none.

    Raises DatasetError when the subset or split is not among those that the card names, or has to be chosen.
    """
    configs = [entry for entry in _list(card.get("configs")) if isinstance(entry, dict) and entry.get("data_files")]
    if not configs:
        return None
    by_name = {_word(entry.get("config_name", "default")): entry for entry in configs}
    chosen = by_name[choose_subset(list(by_name), subset, name, _default_of(configs))]
    return _patterns(chosen["data_files"], split, name)


def choose_subset(subsets: Sequence[str], subset: str | None, name: str, default: str | None = None) -> str:
    """The subset asked for, else the only one, else the default. Raises DatasetError with those that are there."""
    chosen = subset or (subsets[0] if len(subsets) == 1 else default if default in subsets else None)
    if chosen in subsets:
        return chosen  # type: ignore[return-value]
    listed = ", ".join(subsets[:30]) + (f" and {len(subsets) - 30} more" if len(subsets) > 30 else "")
    what = f"has no subset '{chosen[:60]}'; its subsets are" if chosen else "has several subsets:"
    fail(f"{name} {what} {listed}.", "Choose one of these.", "data.subset")


def matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The names that fit one of the patterns, in order; ** stands for folders, as on the Hub."""
    return [name for name in names if any(fnmatch.fnmatchcase(name, p.replace("**/", "*")) for p in patterns)]


def all_shards(names: Sequence[str]) -> bool:
    """Whether every numbered part "-00000-of-00003" of these files is among them."""
    parts: dict[tuple[str, str, str], set[str]] = {}
    for name in names:
        if match := _SHARD.match(name):
            parts.setdefault((match["stem"], match["count"], match["rest"]), set()).add(match["number"])
    return all(len(numbers) == int(count) for (_, count, _), numbers in parts.items())


def _default_of(configs: Sequence[Mapping[str, Any]]) -> str | None:
    marked = [_word(entry.get("config_name")) for entry in configs if entry.get("default") is True]
    names = [_word(entry.get("config_name", "default")) for entry in configs]
    return marked[0] if marked else "default" if "default" in names else None


def _patterns(files: Any, split: str, name: str) -> list[str]:
    """`files`: a pattern, a list of them, or a list of {split, path}."""
    entries = [entry for entry in _list(files) if isinstance(entry, dict)]
    if not entries:
        return [_word(pattern) for pattern in _list(files)]
    by_split = {_word(entry.get("split", "train")): _list(entry.get("path")) for entry in entries}
    if split not in by_split:
        known = ", ".join(by_split)
        fail(f"{name} has no split '{split[:60]}'; what is there: {known}.", "Choose one of these.", "data.split")
    return [_word(pattern) for pattern in by_split[split]]


def _word(value: Any) -> str:
    """A name or a pattern of a card. Lists that name one another in YAML would fill the memory when written out."""
    return str(value) if isinstance(value, str | int | float | date) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
