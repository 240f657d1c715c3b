"""A run that was imported: import.json beside its configuration says what was recorded and what was not.

It is looked at and never trained. The file is what makes a run an import: status, launch and pages ask for it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from engine.errors import LabError
from engine.runs.durable import read_small_json, write_atomic
from engine.runs.paths import RunPaths

MAX_BYTES = 4 * 2**20
REFUSAL = "It was recorded by TRL; it cannot be trained here."
NOT_RECORDED = "not recorded"  # a name in the settings of an imported run: its model, its data


@dataclass(frozen=True)
class Imported:
    """source: name of the folder; fingerprint: of its files. has_settings: TRL's config was given, so that config.json
    says how it was trained; else only what the data show. exact: advantages follow from rewards as config.json says.
    notes, missing: sentences on what is there and what is not.
    """

    source: str
    fingerprint: str
    has_settings: bool
    exact: bool
    notes: tuple[str, ...]
    missing: tuple[str, ...]


def write_imported(paths: RunPaths, imported: Imported) -> None:
    write_atomic(paths.imported, (json.dumps(asdict(imported), indent=2, ensure_ascii=False) + "\n").encode())


def is_imported(paths: RunPaths) -> bool:
    return paths.imported.is_file()


def read_imported(paths: RunPaths) -> Imported | None:
    """None for a run of our own. Of an import.json that somebody edited, what is still of its form."""
    if not is_imported(paths):
        return None
    raw = read_small_json(paths.imported, MAX_BYTES)
    found: Mapping[str, Any] = raw if isinstance(raw, dict) else {}
    values = {field.name: _value(field.type, found.get(field.name)) for field in fields(Imported)}
    return Imported(**values)


def _value(kind: Any, value: Any) -> Any:
    if kind is bool:
        return value is True
    if kind is str:
        return value if isinstance(value, str) else ""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def refuse_imported(paths: RunPaths) -> None:
    """Raises LabError for a run that was imported."""
    if is_imported(paths):
        raise LabError(f"{paths.run_id}: {REFUSAL}", hint="Start a run of your own from the page New run.")
