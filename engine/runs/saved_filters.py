"""Searches that were given a name: a small JSON file beside the runs, so that each works on every run."""

import json
import unicodedata
from pathlib import Path
from typing import Any

from engine.errors import LabError
from engine.runs.durable import disk_errors, read_small_json, write_atomic
from engine.runs.launch import launch_lock
from engine.runs.search_query import SearchQuery

FILE = ".searches.json"
MAX_NAME = 60  # characters
MAX_SAVED = 100
MAX_BYTES = 4 * 2**20


def saved_filters(root: Path) -> dict[str, SearchQuery | LabError]:
    """All saved searches by name, in the order of names; of one that cannot be read, as one of a newer version may be,
    the error. Raises LabError when the file is damaged.
    """
    found = {name: _query(raw) for name, raw in _read(root).items()}
    return dict(sorted(found.items(), key=lambda item: item[0].casefold()))


def save_filter(root: Path, name: str, query: SearchQuery) -> None:
    """Keep a search under a name; one of that name is replaced. Raises LabError for a name that cannot be shown."""
    name = valid_name(name)
    with disk_errors(root), launch_lock(root):
        kept = _read(root)
        if name not in kept and len(kept) >= MAX_SAVED:
            raise LabError(f"There are {MAX_SAVED} saved searches already.", hint="Delete one first.")
        _write(root, {**kept, name: json.loads(query.to_json())})


def delete_filter(root: Path, name: str) -> None:
    """Forget a saved search; one that is not there is forgotten already."""
    with disk_errors(root), launch_lock(root):
        _write(root, {kept: raw for kept, raw in _read(root).items() if kept != name})


def valid_name(name: str) -> str:
    """The name without blanks around it. Raises LabError when it is empty, too long or has characters that hide."""
    plain = unicodedata.normalize("NFC", name).strip()
    if not plain:
        raise LabError("A saved search needs a name.", hint="Type one.")
    if len(plain) > MAX_NAME:
        raise LabError(f"The name has {len(plain):,} characters, at most {MAX_NAME} fit.", hint="Shorten it.")
    if not plain.isprintable():
        raise LabError("The name has characters that cannot be seen.", hint="Use letters, digits and signs.")
    return plain


def _query(raw: Any) -> SearchQuery | LabError:
    if not isinstance(raw, dict):
        return LabError("This saved search is no JSON object.", hint="Delete it.")
    try:
        return SearchQuery.from_dict(raw)
    except LabError as error:
        return error


def _read(root: Path) -> dict[str, Any]:
    """The file as it is, so that what this version cannot read is written back."""
    path = root / FILE
    content = read_small_json(path, MAX_BYTES)
    if content is None and not path.exists():
        return {}
    searches = content.get("searches") if isinstance(content, dict) else None
    if not isinstance(searches, dict):
        raise LabError(f"{path}: the saved searches cannot be read.", hint="Correct the file, or move it away.")
    return searches


def _write(root: Path, searches: dict[str, Any]) -> None:
    write_atomic(root / FILE, (json.dumps({"searches": searches}, ensure_ascii=False, indent=1) + "\n").encode())
