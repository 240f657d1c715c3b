"""What a run that came from another one is called: the parent's name with the next free number."""

import re
from collections.abc import Collection
from itertools import count
from pathlib import Path

from engine.runs.durable import read_small_json
from engine.runs.paths import MAX_CONFIG_BYTES, list_runs

NAME_LENGTH = 80  # characters, as in RunConfig


def next_name(name: str, taken: Collection[str]) -> str:
    """The name with the first free number from 2 on, so that a run and its clone can be told apart."""
    stem = re.sub(r" \d+$", "", name)
    stem = stem if stem in taken else name  # "sums up to 20" ends in no such number
    numbered = (f"{stem[: NAME_LENGTH - len(str(n)) - 1]} {n}" for n in count(2))
    return next(candidate for candidate in numbered if candidate not in taken)


def names_in_use(root: Path) -> set[str]:
    """The names of all runs, also of those whose configuration is no longer valid."""
    raw = (read_small_json(paths.config, MAX_CONFIG_BYTES) for paths in list_runs(root))
    return {config["name"] for config in raw if isinstance(config, dict) and isinstance(config.get("name"), str)}
