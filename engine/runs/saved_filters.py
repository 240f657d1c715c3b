"""Searches that were given a name: a small JSON file beside the runs, so that each works on every run."""

import json
import unicodedata
from pathlib import Path

from engine.errors import LabError
from engine.runs.durable import disk_errors, write_atomic
from engine.runs.launch import launch_lock
from engine.runs.search_query import SearchQuery

FILE = ".searches.json"
MAX_NAME = 60  # characters
MAX_SAVED = 100
MAX_BYTES = 4 * 2**20


def saved_filters(root: Path) -> dict[str, SearchQuery]:
    """All saved searches by name, in the order of names. Raises LabError when the file is damaged."""
    path = root / FILE
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}.", hint="The saved searches cannot be read.") from error
    try:
        raw = json.loads(content)
        found = {str(name): SearchQuery.from_dict(query) for name, query in raw["searches"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, LabError) as error:
        raise LabError(
            f"{path}: the saved searches cannot be read ({error}).", hint="Correct the file, or move it away."
        ) from error
    return dict(sorted(found.items(), key=lambda item: item[0].casefold()))


def save_filter(root: Path, name: str, query: SearchQuery) -> None:
    """Keep a search under a name; one of that name is replaced. Raises LabError for a name that cannot be shown."""
    name = valid_name(name)
    with disk_errors(root), launch_lock(root):
        kept = saved_filters(root)
        if name not in kept and len(kept) >= MAX_SAVED:
            raise LabError(f"There are {MAX_SAVED} saved searches already.", hint="Delete one first.")
        _write(root, {**kept, name: query})


def delete_filter(root: Path, name: str) -> None:
    """Forget a saved search; one that is not there is forgotten already."""
    with disk_errors(root), launch_lock(root):
        _write(root, {kept: query for kept, query in saved_filters(root).items() if kept != name})


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


def _write(root: Path, queries: dict[str, SearchQuery]) -> None:
    searches = {name: json.loads(query.to_json()) for name, query in queries.items()}
    write_atomic(root / FILE, (json.dumps({"searches": searches}, ensure_ascii=False, indent=1) + "\n").encode())
