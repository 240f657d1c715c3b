"""What can be done with a run of the list: open, clone, stop, resume, rename, delete; and the dialogs that ask."""

from collections.abc import Callable
from typing import Final

import streamlit as st

from dashboard.state import CLONE, NEW_RUN_PAGE, RUN_PAGE, go
from dashboard.text import as_label, visible
from dashboard.views.run_table import RunRow
from engine.errors import LabError
from engine.runs.launch import resume_run, stop_run
from engine.runs.manage import delete_run, list_trash, rename_run, restore_run
from engine.runs.paths import open_run, runs_root

# Session keys. DIALOG is (which, run id, name): asked for in the ticking table, opened by the page, where it survives.
DIALOG: Final = "runs.dialog"
NEW_NAME: Final = "runs.new_name"
FAILURE: Final = "runs.failure"
DELETED: Final = "runs.deleted"  # (its name in the trash, the name of the run)


def draw_actions(row: RunRow | None) -> None:
    """The buttons for the selected run; without one, what to do to see them."""
    if row is None:
        st.caption("Select a run to open, clone, stop, resume, rename or delete it.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        readable = row.summary is not None
        if st.button("Open", key="runs.open", type="primary", icon=":material/monitoring:", disabled=not readable):
            go(RUN_PAGE, run=row.run_id)
        if st.button("Clone", key="runs.clone", icon=":material/content_copy:", help="A new run from these settings"):
            go(NEW_RUN_PAGE, **{CLONE: row.run_id})
        draw_stop_or_resume(row)
        if st.button("Rename", key="runs.rename", icon=":material/edit:", disabled=not readable):
            ask("rename", row)
        if st.button(
            "Delete", key="runs.delete", icon=":material/delete:", disabled=row.is_live,
            help="Stop it first" if row.is_live else "Moves it to the trash",
        ):  # fmt: skip
            ask("delete", row)
        st.text(visible(row.name)[:80], width="content")


def draw_stop_or_resume(row: RunRow) -> None:
    if row.is_live:
        if st.button(
            "Stop", key="runs.stop", icon=":material/stop:", disabled=row.state == "stopping",
            help="Saves a checkpoint, then ends",
        ):  # fmt: skip
            attempt(lambda: stop_run(open_run(runs_root(), row.run_id)))
            st.rerun(scope="app")
    elif (
        row.summary is not None
        and row.summary.status.can_resume
        and st.button(
            "Resume", key="runs.resume", icon=":material/resume:", help="Continues from the newest checkpoint"
        )
    ):
        attempt(lambda: resume_run(runs_root(), row.run_id))
        st.rerun(scope="app")


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
    st.session_state[NEW_NAME] = row.name
    st.rerun(scope="app")


def open_dialog() -> None:
    """Open the dialog that was asked for, if one was."""
    which, run_id, name = st.session_state.get(DIALOG, ("", "", ""))
    if which == "delete":
        delete_dialog(run_id, name)
    elif which == "rename":
        rename_dialog(run_id)


def close_dialog() -> None:
    st.session_state.pop(DIALOG, None)


@st.dialog("Delete this run?", on_dismiss=close_dialog)
def delete_dialog(run_id: str, name: str) -> None:
    st.text(visible(name))
    st.caption("It moves to the trash, with its checkpoints, and can be brought back from there.")
    with st.container(horizontal=True):
        sure = st.button("Move to trash", key="runs.delete.sure", type="primary", on_click=delete, args=(run_id, name))
        if st.button("Keep it", key="runs.delete.keep", on_click=close_dialog) or sure:
            st.rerun()


def delete(run_id: str, name: str) -> None:
    close_dialog()
    root = runs_root()
    attempt(lambda: st.session_state.update({DELETED: (delete_run(root, open_run(root, run_id)), name)}))


@st.dialog("Rename this run", on_dismiss=close_dialog)
def rename_dialog(run_id: str) -> None:
    st.text_input("Name", key=NEW_NAME, max_chars=80, help="Its folder, and links to it, stay as they are.")
    with st.container(horizontal=True):
        sure = st.button("Rename", key="runs.rename.sure", type="primary", on_click=rename, args=(run_id,))
        if st.button("Cancel", key="runs.rename.cancel", on_click=close_dialog) or sure:
            st.rerun()


def rename(run_id: str) -> None:
    close_dialog()
    attempt(lambda: rename_run(open_run(runs_root(), run_id), st.session_state[NEW_NAME]))


def draw_notices() -> None:
    """What the last action did: why it failed, or what was deleted and can be brought back."""
    if FAILURE in st.session_state:
        st.error(as_label(st.session_state[FAILURE], 1000), icon=":material/error:")
    if DELETED in st.session_state:
        trashed, name = st.session_state[DELETED]
        with st.container(horizontal=True, vertical_alignment="center"):
            st.text(f"“{visible(name)[:80]}” is in the trash.", width="content")
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
