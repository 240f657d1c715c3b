"""Rows that a person typed or pasted into a form: told apart by their look, checked by number, and kept as a file.

Three forms: JSON lines (or one JSON list), CSV with a first line of column names, and lines of question, tab, answer.
"""

import hashlib
import json
from pathlib import Path

from engine.config_data import DataSource
from engine.data.cells import Unusable
from engine.data.columns import FilePreview, preview_table
from engine.data.files import MAX_BYTES, Numbered, Read, add_rows, delimiter_of, read_csv, read_json, read_jsonl
from engine.data.shapes import ANSWER_NAMES, PROMPT_NAMES
from engine.data.table import Faults, Place, Row, Table, fail
from engine.errors import DatasetError
from engine.runs.durable import disk_errors, write_atomic

NAME = "Pasted rows"
PASTED = "pasted.jsonl"  # what they are called when they are kept
HINT = 'Paste JSON lines such as {"question": "…", "answer": "…"}, CSV with column names, or question, tab, answer.'


def pasted_table(text: str) -> Table:
    """The rows of a pasted text; single rows that cannot be used are in its faults, by line.

    Raises DatasetError when it has none of the three forms, no rows, or is too large.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        fail(f"{NAME} are more than {MAX_BYTES:,} bytes.", "Upload a file instead.")
    text = text.lstrip("\ufeff")
    if not text.strip():
        fail(f"{NAME}: there is nothing yet.", HINT)
    unit, cells = _read(text)
    rows, columns, faults = list[Row](), dict[str, None](), Faults()
    add_rows(Place(NAME, unit), cells, rows, columns, faults)
    if not rows and not faults.count:
        fail(f"{NAME}: there is no row below the column names.", "Add at least one.")
    return Table(NAME, list(columns), rows, faults)


def preview_pasted(text: str, limit: int = 3) -> FilePreview:
    """A look at pasted rows without raising: what is wrong is in `problems`."""
    try:
        return preview_table(pasted_table(text), DataSource(source=NAME), limit)
    except DatasetError as error:
        return FilePreview(NAME, 0, [], [], None, [], [str(error)])


def save_pasted(text: str, folder: Path) -> Path:
    """Keep pasted rows as JSON lines in a folder named by their content. Returns the path, for data.source.

    Raises DatasetError naming the first lines that cannot be used; LabError when it cannot be written.
    """
    table = pasted_table(text)
    table.faults.raise_any("Correct these lines, or remove them.")
    data = "".join(json.dumps(row.values, ensure_ascii=False) + "\n" for row in table.rows).encode()
    path = kept_path(folder, PASTED, data)
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_atomic(path, data)
    return path


def kept_path(folder: Path, name: str, data: bytes) -> Path:
    """Where data that somebody gave is kept: under its own name, in a folder named by the content."""
    return folder / hashlib.sha256(data).hexdigest()[:12] / name


def _read(text: str) -> Read:
    start = text.lstrip()[:1]
    if start == "[":
        return read_json(text, NAME)
    if start == "{":
        return read_jsonl(text, NAME)
    body = text.lstrip("\r\n")  # blank lines before the rows count as lines, but are no column names
    skipped = text[: len(text) - len(body)].count("\n")
    delimiter = delimiter_of(body)
    first_line = _lines(body)[0]
    first = [cell.strip().casefold() for cell in first_line.split(delimiter)]
    named = any(cell.strip('"') in (*PROMPT_NAMES, *ANSWER_NAMES) for cell in first)
    if not named and "\t" not in first_line:
        fail(f"{NAME}: line {skipped + 1} names no column and has no tab between a question and its answer.", HINT)
    if named:
        unit, cells = read_csv(body, NAME, delimiter)
        return unit, ((number + skipped, values) for number, values in cells)
    return "line", _tab_lines(body, skipped)


def _tab_lines(text: str, skipped: int) -> Numbered:
    """Question and answer of each line: what is quoted stays quoted."""
    for number, line in enumerate(_lines(text), start=skipped + 1):
        cells = line.split("\t")
        if line.strip():
            wrong = Unusable(f"has {len(cells)} cells, and should have two: question, tab, answer.")
            yield number, dict(zip(("question", "answer"), cells, strict=True)) if len(cells) == 2 else wrong


def _lines(text: str) -> list[str]:
    """By line ends alone: splitlines would also cut a text at the separators that Unicode has inside paragraphs."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
