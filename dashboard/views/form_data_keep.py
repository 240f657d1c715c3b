"""Data that a person gives the form: uploads, pasted rows and measured pass rates, kept in the runs folder as files."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboard.views.form_state import FormState
from dashboard.views.form_upload import FOLDER, save_upload
from engine.data.pass_rates import FILE
from engine.data.paste import PASTED, kept_path, save_pasted
from engine.errors import LabError
from engine.preflight.folder import open_preflight, pass_rates_path
from engine.runs.durable import disk_errors, read_small_json, write_atomic
from engine.runs.paths import runs_root

MAX_PASTED_BYTES = 200_000  # that are put back into a text field
MAX_RATES_BYTES = 2**20


def lines_of(source: Any) -> list[str]:
    """The files, one a line, that a source names."""
    return [line.strip() for line in str(source or "").splitlines() if line.strip()]


def is_kept(source: Any) -> bool:
    """Whether all files of a source were uploaded, pasted, or made by the form."""
    lines, folder = lines_of(source), runs_root() / FOLDER
    return bool(lines) and all(folder in Path(line).parents for line in lines)


def keep_uploads(uploads: list[Any], before: Any) -> tuple[str, list[str]]:
    """(the source with these files added, what is wrong with those that could not be kept)."""
    lines, refused = lines_of(before) if is_kept(before) else [], list[str]()
    for upload in uploads:
        try:
            path = str(save_upload(runs_root(), upload.name, upload.getvalue()))
        except LabError as error:
            refused.append(str(error))
            continue
        if path not in lines:
            lines.append(path)
    return "\n".join(lines), refused


def keep_pasted(text: str) -> tuple[str, list[str]]:
    """(path of the kept rows or "", what is wrong with them)."""
    if not text.strip():
        return "", []
    try:
        return str(save_pasted(text, runs_root() / FOLDER)), []
    except LabError as error:
        return "", [str(error)]


def is_pasted(source: Any) -> bool:
    """Whether it is rows that were pasted."""
    return is_kept(source) and Path(str(source)).name == PASTED


def pasted_text(source: Any) -> str:
    """The rows that were pasted before, to go on from; empty for other sources."""
    if not is_pasted(source):
        return ""
    with suppress(OSError, ValueError):
        path = Path(str(source))
        return path.read_text(encoding="utf-8") if path.stat().st_size <= MAX_PASTED_BYTES else ""
    return ""


@dataclass(frozen=True)
class Measured:
    """The pass rates of the last pre-flight of a form: how many prompts have one, and where a copy of them belongs."""

    prompts: int
    data: bytes
    path: Path


def measured(form: FormState) -> Measured | None:
    """None when there is no pre-flight, or it is not finished, or no reward decided what is right."""
    if not form.preflight:
        return None
    try:
        source = pass_rates_path(open_preflight(runs_root(), form.preflight))
        content = read_small_json(source, MAX_RATES_BYTES)
        data = source.read_bytes()
    except (LabError, OSError):  # cleared away
        return None
    ids = content.get("ids") if isinstance(content, dict) else None
    if not isinstance(ids, dict) or not ids:
        return None
    return Measured(len(ids), data, kept_path(runs_root() / FOLDER, FILE, data))


def keep_pass_rates(found: Measured) -> Path:
    """Copy the pass rates to where runs may rely on them: a pre-flight is cleared away in time.

    Raises LabError when they cannot be written.
    """
    with disk_errors(found.path.parent):
        found.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(found.path, found.data)
    return found.path
