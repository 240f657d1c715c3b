"""One source of examples in the New-run form: the choice of its kind, and the fields of each kind.

`prefix` is its place in the draft: "data", or "data.mixture[0]" for what is mixed in.
"""

from pathlib import Path
from typing import Any, Final

import streamlit as st

from dashboard.text import as_html, as_label, encodable, one_line
from dashboard.views.form import Placed, alert, draw_grid, place, show_problems
from dashboard.views.form_data_keep import is_kept, is_pasted, keep_pasted, keep_uploads, lines_of, pasted_text
from dashboard.views.form_data_look import draft_source, make_now
from dashboard.views.form_data_preview import draw_look, draw_task_examples
from dashboard.views.form_model import Control, controls, set_value
from dashboard.views.form_state import FormState, collect, task_controls
from dashboard.views.form_upload import MAX_MB, TYPES
from dashboard.wording import plural
from engine.config_data import GYM, DataSource, looks_like_hub
from engine.data.columns import FilePreview
from engine.data.gym import INSTALL, gym_installed, gym_tasks
from engine.data.hub import cached_snapshot
from engine.data.tasks.registry import TASKS, default_task_params, is_task

KINDS: Final = {
    "task": "Built-in task", "file": "File or folder", "upload": "Upload", "paste": "Pasted rows",
    "hub": "Hub data set", "gym": "reasoning-gym",
}  # fmt: skip
KINDS_HELP: Final = (
    "A built-in task makes prompts without end. Files have a row for each example: JSONL, JSON, CSV, TSV or Parquet. A "
    "data set on the Hub is used from the cache, or downloaded when the run starts."
)
FIRST_SOURCE: Final = {"task": "arithmetic", "gym": GYM}
NOTHING_YET: Final = {
    "file": "No file yet. Type the path of a file or folder.",
    "upload": "No file yet. Upload at least one.",
    "paste": "No rows yet. Paste some, and leave the field.",
    "hub": "No data set yet. Type its name on the Hub: owner/name.",
}
PASTE_EXAMPLE: Final = '{"question": "47+38=", "answer": "85"}\n{"question": "12+9=", "answer": "21"}'
HUB_FIELDS, COLUMNS = ("subset", "split", "revision"), ("prompt_column", "answer_column")


def source_controls(prefix: str) -> dict[str, Control]:
    """The controls of a source by the names of their fields."""
    return {control.path.rpartition(".")[2]: control for control in controls(DataSource, prefix)}


def kind_of(source: Any) -> str:
    """Which kind a source of a draft is, as far as it shows."""
    text = str(source or "")
    if is_task(text):
        return "task"
    if text.startswith(GYM):
        return "gym"
    if is_kept(text):
        return "paste" if is_pasted(text) else "upload"
    return "hub" if looks_like_hub(text) and not Path(text).exists() else "file"


def draw_source(form: FormState, prefix: str, placed: Placed) -> None:
    """Everything about one source, with a look at its first rows."""
    path = f"{prefix}.source"
    kind = form.data_kinds.get(prefix) or kind_of(form.value(path))
    draw_kind(form, prefix, kind)
    for note in form.notes.get(prefix, ()):
        st.error(as_label(note, 500), icon=":material/error:")
    {
        "task": draw_task, "file": draw_file, "upload": draw_upload, "paste": draw_paste, "hub": draw_hub,
        "gym": draw_gym,
    }[kind](form, prefix, placed)  # fmt: skip
    if form.value(path):
        show_problems(placed.get(path, []))
    elif not form.notes.get(prefix):
        alert(NOTHING_YET[kind])
    params = task_controls(form.draft, prefix)
    draw_grid(form, params, placed)
    show_problems(placed.get(f"{prefix}.params", []))
    if is_task(form.value(path)):
        draw_task_examples(form, prefix)
    elif (source := draft_source(form, prefix)) is not None:
        draw_look(form, prefix, source, placed)
    draw_grid(form, [source_controls(prefix)["prompt_template"]], placed)


def draw_kind(form: FormState, prefix: str, kind: str) -> None:
    shown = [each for each in KINDS if each != "gym" or kind == "gym" or gym_installed()]
    key = form.key(f"{prefix}.kind")
    st.segmented_control(
        "Examples from", shown, default=kind, key=key, required=True, format_func=KINDS.__getitem__, help=KINDS_HELP,
        on_change=lambda: choose_kind(form, prefix, st.session_state[key]),
    )  # fmt: skip
    if "gym" not in shown and prefix == "data":
        reason = f"Not available: reasoning-gym, with a hundred more tasks. Install it with: {INSTALL}"
        st.html(f'<div class="lab-muted" style="font-size:.9em;margin-top:-.5rem">{as_html(reason)}</div>')


def choose_kind(form: FormState, prefix: str, kind: str) -> None:
    """Switch to another kind of source. What belonged to the old one means nothing to it."""
    collect(form)
    form.data_kinds[prefix] = kind
    set_source(form, prefix, FIRST_SOURCE.get(kind, ""))
    form.redraw()


def set_source(form: FormState, prefix: str, source: str) -> None:
    """Another source, with the settings that a new one has; its template and weight stay."""
    form.notes.pop(prefix, None)
    set_value(form.draft, f"{prefix}.source", source)
    set_value(form.draft, f"{prefix}.params", default_task_params(source))
    for name, value in {**dict.fromkeys(COLUMNS), "subset": None, "revision": None, "split": "train"}.items():
        set_value(form.draft, f"{prefix}.{name}", value)


def draw_task(form: FormState, prefix: str, placed: Placed) -> None:
    names, key = list(TASKS), form.key(f"{prefix}.source")
    st.selectbox(
        "Task", names, index=place(form.value(f"{prefix}.source"), names), key=key,
        format_func=lambda name: f"{TASKS[name].label}: {TASKS[name].help}",
        on_change=lambda: choose_task(form, prefix, st.session_state[key]),
    )  # fmt: skip
    if info := TASKS.get(str(form.value(f"{prefix}.source"))):
        st.caption(as_label(f"One problem in {info.held_out_one_in} is never trained on.", 500))


def choose_task(form: FormState, prefix: str, name: str) -> None:
    collect(form)
    set_source(form, prefix, name)
    form.redraw()


def draw_file(form: FormState, prefix: str, placed: Placed) -> None:
    path = f"{prefix}.source"
    value = encodable(str(form.value(path) or ""))
    if "\n" in value:
        st.text_area("Paths of files or folders, one in a line", value=value, key=form.key(path), height=100)
    else:
        st.text_input(
            "Path of a file or folder", value=value, key=form.key(path), placeholder="/home/me/data/train.jsonl",
            help="JSONL, JSON, CSV, TSV or Parquet, on the machine that the dashboard runs on. A folder stands for all "
            "its data files of the split.",
        )  # fmt: skip
    if _is_folder(value):
        draw_grid(form, [source_controls(prefix)["split"]], placed)


def _is_folder(source: str) -> bool:
    try:
        return any(Path(line).expanduser().is_dir() for line in lines_of(source))
    except (OSError, ValueError, RuntimeError):
        return False


def draw_upload(form: FormState, prefix: str, placed: Placed) -> None:
    """Files already taken, each with a way to take it off again, and room for more."""
    lines, key = lines_of(form.value(f"{prefix}.source")), form.key(f"{prefix}.upload")
    st.file_uploader(
        "Upload files", type=list(TYPES), key=key, max_upload_size=MAX_MB, accept_multiple_files=True,
        on_change=lambda: take_uploads(form, prefix, st.session_state[key]),
    )  # fmt: skip
    for index, line in enumerate(lines):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.text(one_line(Path(line).name, 100), width="content")
            st.button(
                "Remove", key=form.key(f"{prefix}.upload.{index}"), icon=":material/close:", type="tertiary",
                on_click=remove_upload, args=(form, prefix, line),
            )  # fmt: skip


def take_uploads(form: FormState, prefix: str, uploads: list[Any] | None) -> None:
    """Keep the uploaded files and put their paths into the form, below those that are there."""
    if not uploads:
        return
    collect(form)
    source, refused = keep_uploads(uploads, form.value(f"{prefix}.source"))
    form.data_kinds[prefix] = "upload"
    form.notes[prefix] = refused
    set_value(form.draft, f"{prefix}.source", source)
    form.redraw()


def remove_upload(form: FormState, prefix: str, path: str) -> None:
    """Take a file off the list. It stays in the runs folder, as runs may use it."""
    collect(form)
    rest = [line for line in lines_of(form.value(f"{prefix}.source")) if line != path]
    form.data_kinds[prefix] = "upload"
    set_value(form.draft, f"{prefix}.source", "\n".join(rest))
    form.redraw()


def draw_paste(form: FormState, prefix: str, placed: Placed) -> None:
    key = form.key(f"{prefix}.pasted")
    st.text_area(
        "Rows", value=pasted_text(form.value(f"{prefix}.source")), key=key, height=160, placeholder=PASTE_EXAMPLE,
        help="JSON lines, CSV with column names, or lines of question, tab, answer. Kept as a file in the runs folder.",
        on_change=lambda: take_pasted(form, prefix, st.session_state[key]),
    )  # fmt: skip


def take_pasted(form: FormState, prefix: str, text: str) -> None:
    """Keep the rows as a file, or say which lines are wrong. The text stays as it was typed."""
    collect(form)
    source, wrong = keep_pasted(text)
    form.data_kinds[prefix] = "paste"
    form.notes[prefix] = wrong
    set_value(form.draft, f"{prefix}.source", source)


def draw_hub(form: FormState, prefix: str, placed: Placed) -> None:
    fields = source_controls(prefix)
    st.text_input(
        "Name on the Hub", value=encodable(str(form.value(f"{prefix}.source") or "")),
        key=form.key(f"{prefix}.source"), placeholder="openai/gsm8k",
        help="owner/name, as in the address of its page. Its data files are read; a script of it is never run.",
    )  # fmt: skip
    draw_grid(form, [fields[name] for name in HUB_FIELDS], placed)
    source = draft_source(form, prefix)
    if source is None or not looks_like_hub(source.source) or prefix in form.notes:
        return
    if cached_snapshot(source.source, source.revision or "main") is None:
        draw_make(form, prefix, source, "Download it now", "Downloading …")


def draw_gym(form: FormState, prefix: str, placed: Placed) -> None:
    """A task of reasoning-gym. Its rows are made by the run, or here when they are asked for."""
    path = f"{prefix}.source"
    if not gym_installed():
        st.caption(as_label(f"reasoning-gym is not installed. Install it with: {INSTALL}", 200))
        return
    names, current = _gym_tasks(), str(form.value(path) or "").removeprefix(GYM)
    key = form.key(f"{prefix}.gym")
    st.selectbox(
        "Task", names, index=place(current, names), key=key, placeholder="Choose a task",
        on_change=lambda: choose_task(form, prefix, f"{GYM}{st.session_state[key] or ''}"),
    )  # fmt: skip
    source = draft_source(form, prefix)
    if source is not None and current:
        draw_make(form, prefix, source, "Show some of its rows", "Making rows …")


def draw_make(form: FormState, prefix: str, source: DataSource, button: str, doing: str) -> None:
    """A button for what is only done when it is asked for, as it takes long."""
    if st.button(button, key=form.key(f"{prefix}.make"), icon=":material/download:"):
        with st.spinner(doing):
            found: FilePreview = make_now(source)
        if not found.problems:
            st.toast(f"{plural(found.num_rows, 'row')} read.")
        st.rerun()


@st.cache_data(show_spinner="Asking reasoning-gym for its tasks …")
def _gym_tasks() -> list[str]:
    return gym_tasks()
