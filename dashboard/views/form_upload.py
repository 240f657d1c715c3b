"""Files that a person uploads: kept in the runs folder under a name of ours, and afterwards nothing but a path."""

import re
from pathlib import Path

from engine.data.paste import kept_path
from engine.errors import DatasetError
from engine.runs.durable import disk_errors, write_atomic

FOLDER = ".uploads"
TYPES = ("jsonl", "ndjson", "json", "csv", "tsv", "parquet")
MAX_MB = 256  # what engine/data/files.py reads at most
NAME_LENGTH = 60


def save_upload(runs_root: Path, name: str, data: bytes) -> Path:
    """Keep an uploaded file as .uploads/<hash>/<safe name>, once for the same content. Returns its path.

    Raises DatasetError for a kind of file that is not data, for an empty file, and for one that is too large; LabError
    when it cannot be written.
    """
    safe = safe_name(name)
    if Path(safe).suffix.removeprefix(".") not in TYPES:
        raise DatasetError(f"{safe} is not a kind of file that can be read.", hint=f"Use {', '.join(TYPES)}.")
    if not data:
        raise DatasetError(f"{safe} is empty.", hint="Choose a file with at least one example.")
    if len(data) > MAX_MB * 2**20:
        raise DatasetError(f"{safe} has more than {MAX_MB} MB.", hint="Use a part of it.")
    path = kept_path(runs_root / FOLDER, safe, data)
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_atomic(path, data)
    return path


def safe_name(name: str) -> str:
    """The file's own name in plain ASCII, without folders; the suffix, which says its kind, in lower case."""
    last = re.split(r"[/\\]", name)[-1]
    stem, dot, suffix = last.rpartition(".")
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", stem if dot else suffix).strip("-")[:NAME_LENGTH] or "data"
    suffix = re.sub(r"[^a-z0-9]", "", suffix.lower())[:10] if dot else ""
    return f"{stem}.{suffix}" if suffix else stem
