"""The Data section of the New-run form: where examples come from, and a look at the first of them."""

from functools import lru_cache
from pathlib import Path
from typing import Final

import pandas as pd
import streamlit as st

from dashboard.text import as_label, one_line, visible
from dashboard.views.form import Placed, alert, draw_fields, place, show_problems
from dashboard.views.form_model import Control, set_value
from dashboard.views.form_sections import CONTROL, SECTIONS
from dashboard.views.form_state import FormState, collect, task_controls
from dashboard.views.form_upload import MAX_MB, TYPES, save_upload
from engine.data.columns import FilePreview, preview_file
from engine.data.tasks.registry import default_task_params, is_task
from engine.errors import LabError, Problem
from engine.runs.paths import runs_root

SOURCE = CONTROL["data.source"]
COLUMNS = (CONTROL["data.prompt_column"], CONTROL["data.answer_column"])
SECTION = next(section for section in SECTIONS if section.key == "data")
BUILT_IN_DATA: Final = "arithmetic"
BUILT_IN: Final = "Built-in sums"
FILE: Final = "A file"
PREVIEW_ROWS = 3


def draw_data(form: FormState, placed: Placed) -> None:
    built_in = is_task(form.value(SOURCE.path))
    draw_kind(form, built_in)
    if built_in:
        show_problems(placed.get(SOURCE.path, []))
        draw_fields(form, task_controls(form.draft), placed, group="data.params")
    else:
        draw_file(form, placed)
    special = (SOURCE, *COLUMNS)
    draw_fields(form, [c for c in SECTION.controls if c not in special], placed, group="data")


def draw_kind(form: FormState, built_in: bool) -> None:
    key = form.key("data.kind")
    st.segmented_control(
        "Examples from",
        [BUILT_IN, FILE],
        default=BUILT_IN if built_in else FILE,
        key=key,
        required=True,
        help="Sums such as 47+38= never run out. A file has a row for each example, with a question and its answer.",
        on_change=choose_kind,
        args=(form, key),
    )


def choose_kind(form: FormState, key: str) -> None:
    """Switch between built-in data and a file; columns of the file mean nothing to built-in data."""
    collect(form)
    source = BUILT_IN_DATA if st.session_state[key] == BUILT_IN else ""
    set_value(form.draft, SOURCE.path, source)
    set_value(form.draft, "data.params", default_task_params(source))
    for control in COLUMNS:
        set_value(form.draft, control.path, None)
    form.redraw()


def draw_file(form: FormState, placed: Placed) -> None:
    """The path, an upload as another way to it, the first rows, and which columns are used."""
    st.text_input(
        "Path of a JSONL, JSON, CSV, TSV or Parquet file",
        value=str(form.value(SOURCE.path) or ""),
        key=form.key(SOURCE.path),
        placeholder="/home/me/data/train.jsonl",
        help=SOURCE.help,
    )
    if form.value(SOURCE.path):
        show_problems(placed.get(SOURCE.path, []))
    else:
        alert("No file yet. Type the path of one, or upload one below.")
    key = form.key("data.upload")
    st.file_uploader(
        "or upload one", type=list(TYPES), key=key, max_upload_size=MAX_MB, on_change=take_upload, args=(form, key)
    )
    for note in form.notes:
        st.error(as_label(note, 500), icon=":material/error:")
    preview = look_at(str(form.value(SOURCE.path) or ""))
    if preview is not None and preview.note:
        st.caption(as_label(preview.note, 500))
    if preview is not None and preview.rows:
        draw_preview(form, preview, placed)


def take_upload(form: FormState, key: str) -> None:
    """Keep the uploaded file and put its path into the form."""
    upload = st.session_state[key]
    if upload is None:
        return
    collect(form)
    try:
        path = save_upload(runs_root(), upload.name, upload.getvalue())
    except LabError as error:
        form.notes = [str(error)]
        return
    form.notes = []
    set_value(form.draft, SOURCE.path, str(path))
    form.redraw()


def draw_preview(form: FormState, preview: FilePreview, placed: Placed) -> None:
    st.caption(f"{preview.num_rows:,} rows, {len(preview.columns)} columns; the first {len(preview.rows)}:")
    frame = pd.DataFrame([{name: visible(row[name]) for name in preview.columns} for row in preview.rows])
    st.dataframe(frame, hide_index=True, width="stretch", alt="First rows of the data file")
    found = (preview.prompt_column, preview.answer_column)
    for column, control, guess in zip(st.columns(2), COLUMNS, found, strict=True):
        with column:
            draw_column(form, control, preview.columns, guess)
            show_problems(placed.get(control.path, []))


def draw_column(form: FormState, control: Control, columns: list[str], guess: str | None) -> None:
    """Which column holds prompt or answer: left empty, the one that was found by its name."""
    st.selectbox(
        control.label,
        columns,
        index=place(form.value(control.path), columns),
        key=form.key(control.path),
        format_func=one_line,
        placeholder=one_line(f"{guess} (found by its name)") if guess else "Choose a column",
        help=control.help,
    )


def data_problems(form: FormState) -> list[Problem]:
    """What is wrong with the data file, as far as a look into it tells."""
    source = form.value(SOURCE.path)
    if is_task(source) or not isinstance(source, str) or not source:
        return []  # parse_config says that one is needed
    preview = look_at(source)
    if preview is None:
        return []
    problems = [Problem(SOURCE.path, text) for text in preview.problems]
    if preview.rows and not (form.value(COLUMNS[0].path) or preview.prompt_column):
        problems.append(Problem(COLUMNS[0].path, "no column is called like a question.", "Choose the prompt column."))
    return problems


def look_at(source: str) -> FilePreview | None:
    """The first rows of a file, read again when it changes; None for no file name."""
    if not source:
        return None
    try:
        stat = Path(source).expanduser().stat()
    except (OSError, ValueError, RuntimeError):
        return preview_file(source, PREVIEW_ROWS)
    return _preview(source, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _preview(source: str, mtime_ns: int, size_bytes: int) -> FilePreview:
    return preview_file(source, PREVIEW_ROWS)
