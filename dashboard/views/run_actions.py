"""What can be done with a run of the list: open, clone, fork, stop, and more; and the dialogs that ask."""

from collections.abc import Callable
from functools import partial
from typing import Final

import streamlit as st

from dashboard.state import CLONE, NEW_RUN_PAGE, RUN, RUN_PAGE, RUNS_PAGE, go
from dashboard.text import as_label, encodable, one_line, visible
from dashboard.views.fork_dialog import ask_fork, open_fork_dialog
from dashboard.views.notes_dialog import notes_form
from dashboard.views.problem import explained
from dashboard.views.run_table import RunRow, read_rows, tags_in_use
from engine.errors import LabError
from engine.runs.launch import resume_run, stop_run
from engine.runs.manage import delete_run, list_trash, rename_run, restore_run
from engine.runs.notes import change_notes
from engine.runs.paths import list_runs, open_run, runs_root

# Session keys. DIALOG is (which, run id, name): asked for in the ticking table, opened by the page, where it survives.
DIALOG: Final = "runs.dialog"
NEW_NAME: Final = "runs.new_name"
FAILURE: Final = "runs.failure"
DELETED: Final = "runs.deleted"  # (its name in the trash, the name of the run)


def draw_actions(row: RunRow | None) -> None:
    """The buttons for the selected run, always in their places: without a selection they only show what there is."""
    readable = row is not None and row.summary is not None
    trains = readable and row is not None and row.state != "imported"
    with st.container(horizontal=True, vertical_alignment="center"):
        action("Open", ":material/monitoring:", row, readable, primary=True, to=(RUN_PAGE, RUN))
        clone_help = "A new run from these settings"
        action("Clone", ":material/content_copy:", row, trains, help_line=clone_help, to=(NEW_RUN_PAGE, CLONE))
        fork_help = "Goes on from a checkpoint with other settings"
        if action("Fork", ":material/call_split:", row, trains, help_line=fork_help) and row:
            attempt(lambda: ask_fork(row.paths, None, RUNS_PAGE))
            st.rerun(scope="app")
        draw_stop_and_resume(row)
        draw_more(row)
    st.text(selected_line(row), width="stretch", wrap=False)  # a row of its own: a long note must not move the table


def action(
    label: str, icon: str, row: RunRow | None, enabled: bool, *, primary: bool = False, help_line: str | None = None,
    to: tuple[str, str] | None = None,
) -> bool:  # fmt: skip
    """A button that is disabled while there is nothing to do it with. to: a page, and the key of the run in its URL."""
    leave = partial(go, to[0], **{to[1]: row.run_id}) if to and row else None
    return st.button(
        label, key=f"runs.{label.lower()}", icon=icon, disabled=row is None or not enabled, help=help_line,
        type="primary" if primary and row is not None else "secondary", on_click=leave,
    )  # fmt: skip


def draw_more(row: RunRow | None) -> None:
    """What is needed more rarely. Delete is not offered for a run that an engine works on."""
    pinned = row is not None and row.notes.pinned
    choices = {
        "rename": "Rename", "notes": "Tags and note", "pin": "Unpin" if pinned else "Pin", "delete": "Move to trash",
    }  # fmt: skip
    if row is not None and row.summary is None:
        del choices["rename"]
    if row is not None and row.is_live:
        del choices["delete"]
    wanted = st.menu_button(
        "More", list(choices), key="runs.more", icon=":material/more_horiz:", disabled=row is None,
        format_func=lambda choice: choices.get(choice, choice),
    )  # fmt: skip
    if wanted is None or row is None:
        return
    if wanted == "pin":
        attempt(lambda: change_notes(open_run(runs_root(), row.run_id), pinned=not pinned))
        st.rerun(scope="app")
    ask(wanted, row)


def draw_stop_and_resume(row: RunRow | None) -> None:
    """Both always in their places: a second click on Stop must not land on Resume."""
    can_stop = row is not None and row.is_live and row.state != "stopping"
    can_resume = row is not None and row.summary is not None and row.summary.status.can_resume
    if action("Stop", ":material/stop:", row, can_stop, help_line="Saves a checkpoint, then ends") and row:
        attempt(lambda: stop_run(open_run(runs_root(), row.run_id)))
        st.rerun(scope="app")
    if action("Resume", ":material/resume:", row, can_resume, help_line="Continues from the newest checkpoint") and row:
        attempt(lambda: resume_run(runs_root(), row.run_id))
        st.rerun(scope="app")


def selected_line(row: RunRow | None) -> str:
    """The name of the selected run, its tags, its note, and what went wrong with it."""
    if row is None:
        return "Select a run below."
    said = [row.note, " ".join(f"#{tag}" for tag in row.notes.tags), row.notes.note]
    return one_line(": ".join([row.name, *[" · ".join(filter(None, said))] * any(said)]), 300)


def attempt(action: Callable[[], object]) -> bool:
    """Do it. What goes wrong is kept for the page to show."""
    st.session_state.pop(FAILURE, None)
    try:
        action()
    except LabError as error:
        st.session_state[FAILURE] = str(error)
        return False
    return True


def ask(which: str, row: RunRow) -> None:
    """Have the page open a dialog about this run."""
    st.session_state[DIALOG] = (which, row.run_id, row.name)
    st.rerun(scope="app")


def open_dialog() -> None:
    """Open the dialog that was asked for, if one was."""
    which, run_id, name = st.session_state.get(DIALOG, ("", "", ""))
    if which == "delete":
        delete_dialog(run_id, name)
    elif which == "rename":
        rename_dialog(run_id, name)
    elif which == "notes":
        notes_dialog(run_id, name)
    open_fork_dialog(RUNS_PAGE)


def close_dialog() -> None:
    st.session_state.pop(DIALOG, None)


@st.dialog("Move this run to the trash?", on_dismiss=close_dialog)
def delete_dialog(run_id: str, name: str) -> None:
    st.text(visible(name))
    st.caption("It goes there with its checkpoints, and can be brought back.")
    with st.container(horizontal=True):
        sure = st.button("Move to trash", key="runs.delete.sure", type="primary", on_click=delete, args=(run_id, name))
        if st.button("Keep it", key="runs.delete.keep", on_click=close_dialog) or sure:
            st.rerun()


def delete(run_id: str, name: str) -> None:
    close_dialog()
    root = runs_root()
    attempt(lambda: st.session_state.update({DELETED: (delete_run(root, open_run(root, run_id)), name)}))


@st.dialog("Rename this run", on_dismiss=close_dialog)
def rename_dialog(run_id: str, name: str) -> None:
    stays = "Its folder, and links to it, stay as they are."
    with st.form("runs.rename", border=False):  # a form, so that Enter renames
        st.text_input("Name", value=encodable(name), key=NEW_NAME, max_chars=80, help=stays)
        with st.container(horizontal=True):
            submit = st.form_submit_button
            sure = submit("Rename", key="runs.rename.sure", type="primary", on_click=rename, args=(run_id,))
            if submit("Cancel", key="runs.rename.cancel", on_click=close_dialog) or sure:
                st.rerun()


def rename(run_id: str) -> None:
    close_dialog()
    attempt(lambda: rename_run(open_run(runs_root(), run_id), st.session_state[NEW_NAME]))


@st.dialog("Tags and note", on_dismiss=close_dialog)
def notes_dialog(run_id: str, name: str) -> None:
    with explained():
        paths = open_run(runs_root(), run_id)
        notes_form(paths, name, tags_in_use(read_rows(list_runs(runs_root()))), close_dialog)


def draw_notices() -> None:
    """What the last action did: why it failed, or what was deleted and can be brought back."""
    if FAILURE in st.session_state:
        st.error(as_label(st.session_state[FAILURE], 1000), icon=":material/error:")
    if DELETED in st.session_state:
        trashed, name = st.session_state[DELETED]
        with st.container(horizontal=True, vertical_alignment="center"):
            st.text(f"“{one_line(name, 80)}” is in the trash.", width="content")
            st.button("Undo", key="runs.undo", icon=":material/undo:", on_click=restore, args=(trashed,))


def draw_trash() -> None:
    """The runs in the trash, and the way back for each."""
    trashed = list_trash(runs_root())
    if not trashed:
        return
    with st.popover(f"Trash ({len(trashed)})", icon=":material/delete:"):
        st.caption("Deleted runs stay in the folder .trash of the runs folder until you empty it.")
        chosen = st.selectbox("Bring back", trashed, index=None, key="runs.trash", placeholder="Choose a run")
        st.button(
            "Restore", key="runs.restore", icon=":material/undo:", disabled=chosen is None, on_click=restore,
            args=(chosen,),
        )  # fmt: skip


def restore(trashed: str) -> None:
    if attempt(lambda: restore_run(runs_root(), trashed)):
        st.session_state.pop(DELETED, None)
        st.session_state.pop("runs.trash", None)
