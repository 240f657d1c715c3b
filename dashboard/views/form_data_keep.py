"""Data that a person gives the form: uploads, pasted rows and measured pass rates, kept in the runs folder as files."""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from dashboard.views.form_state import FormState
from dashboard.views.form_upload import FOLDER, save_upload
from engine.data.pass_rates import FILE
from engine.data.paste import save_pasted
from engine.errors import DatasetError, LabError
from engine.preflight.folder import open_preflight, pass_rates_path
from engine.runs.durable import disk_errors, read_small_json, write_atomic
from engine.runs.paths import runs_root

PASTED = "-pasted.jsonl"  # how the names end that save_pasted gives
MAX_PASTED_BYTES = 200_000  # that are put back into a text field
MAX_RATES_BYTES = 2**20


def lines_of(source: Any) -> list[str]:
    """The files, one a line, that a source names."""
    return [line.strip() for line in str(source or "").splitlines() if line.strip()]


def is_kept(source: Any) -> bool:
    """Whether all files of a source were uploaded, pasted, or made by the form."""
    lines, folder = lines_of(source), runs_root() / FOLDER
    return bool(lines) and all(Path(line).parent == folder for line in lines)


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


def pasted_text(source: Any) -> str:
    """The rows that were pasted before, to go on from; empty for other sources."""
    if not (is_kept(source) and str(source).endswith(PASTED)):
        return ""
    with suppress(OSError, ValueError):
        path = Path(str(source))
        return path.read_text(encoding="utf-8") if path.stat().st_size <= MAX_PASTED_BYTES else ""
    return ""


def measured_prompts(form: FormState) -> int:
    """How many prompts the last pre-flight of this form measured; 0 when there is none, or it is not finished."""
    ids = _measured(form).get("ids")
    return len(ids) if isinstance(ids, dict) else 0


def keep_pass_rates(form: FormState) -> Path:
    """A copy of what the last pre-flight measured: the pre-flight itself is cleared away in time.

    Raises LabError when there is nothing, or it cannot be written.
    """
    if not measured_prompts(form):
        raise DatasetError("The last pre-flight measured no pass rates.", hint="Make one with a reward that decides.")
    data = pass_rates_path(open_preflight(runs_root(), form.preflight)).read_bytes()
    folder = runs_root() / FOLDER
    path = folder / f"{hashlib.sha256(data).hexdigest()[:12]}-{FILE}"
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)
    return path


def _measured(form: FormState) -> dict[str, Any]:
    if not form.preflight:
        return {}
    try:
        path = pass_rates_path(open_preflight(runs_root(), form.preflight))
        found = read_small_json(path, MAX_RATES_BYTES) if path.exists() else {}
    except LabError:
        return {}
    return found if isinstance(found, dict) else {}
