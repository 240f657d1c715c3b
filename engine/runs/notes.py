"""What people write about a run: tags, a note and a pin, in meta.json beside its configuration.

The dashboard and the command line write it, the engine never looks at it.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from engine.errors import LabError
from engine.runs.durable import disk_errors, read_small_json, write_atomic
from engine.runs.launch import launch_lock
from engine.runs.paths import RunPaths

MAX_TAGS = 20
MAX_TAG = 30
MAX_NOTE = 10_000
MAX_BYTES = 2**20


@dataclass(frozen=True)
class Notes:
    """`broken`: there is a meta.json, and it cannot be read; writing replaces it."""

    tags: tuple[str, ...] = ()
    note: str = ""
    pinned: bool = False
    broken: bool = False


def read_notes(paths: RunPaths) -> Notes:
    """What meta.json says, cut to the bounds; nothing when there is none."""
    raw = read_small_json(paths.meta, MAX_BYTES)
    if not isinstance(raw, dict):
        return Notes(broken=paths.meta.exists())
    tags, note = raw.get("tags"), raw.get("note")
    cut = (_tidy(tag)[:MAX_TAG] for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    return Notes(
        tuple(dict.fromkeys(tag for tag in cut if tag))[:MAX_TAGS],
        note[:MAX_NOTE] if isinstance(note, str) else "",
        raw.get("pinned") is True,
    )


def change_notes(paths: RunPaths, **changes: Any) -> Notes:
    """Replace `tags`, `note` or `pinned`, keep the others. Raises LabError for what is too long, and for the disk."""
    with disk_errors(paths.root), launch_lock(paths.root.parent):  # of two changes at once both shall stay
        notes = replace(read_notes(paths), broken=False, **changes)
        notes = replace(notes, tags=clean_tags(notes.tags))
        if len(notes.note) > MAX_NOTE:
            long = f"The note has {len(notes.note):,} characters, at most {MAX_NOTE:,} are kept."
            raise LabError(long, hint="Cut it.")
        content = {key: value for key, value in asdict(notes).items() if key != "broken"}
        write_atomic(paths.meta, (json.dumps(content, indent=2) + "\n").encode())
    return notes


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags without repetitions and stray blanks. Raises LabError when there are too many, or one is too long."""
    tidy = tuple(dict.fromkeys(tag for tag in map(_tidy, tags) if tag))
    for tag in tidy:
        if len(tag) > MAX_TAG:
            raise LabError(f"The tag {tag[:60]!r} has {len(tag)} characters.", hint=f"At most {MAX_TAG}, please.")
    if len(tidy) > MAX_TAGS:
        raise LabError(f"{len(tidy)} tags are too many for one run.", hint=f"At most {MAX_TAGS}, please.")
    return tidy


def _tidy(tag: str) -> str:
    return " ".join(tag.split())
