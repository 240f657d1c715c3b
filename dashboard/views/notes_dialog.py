"""The dialog for what people write about a run: its tags, a note and the pin."""

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from dashboard.text import as_label, encodable, one_line, visible
from engine.errors import LabError
from engine.runs.notes import MAX_NOTE, MAX_TAG, MAX_TAGS, change_notes, clean_tags, read_notes
from engine.runs.paths import RunPaths

TAGS: Final = "runs.notes.tags"
NOTE: Final = "runs.notes.note"
PINNED: Final = "runs.notes.pinned"


def notes_form(paths: RunPaths, name: str, in_use: Sequence[str], close: Callable[[], None]) -> None:
    """Draw the fields and save them; `close` ends the dialog. To be called inside one."""
    notes = read_notes(paths)
    st.text(visible(name))
    if notes.broken:
        st.warning("What was noted here cannot be read: meta.json is damaged. Saving replaces it.")
    tags = st.multiselect(
        "Tags", list(dict.fromkeys(map(encodable, (*notes.tags, *in_use)))),
        default=list(dict.fromkeys(map(encodable, notes.tags))), key=TAGS, format_func=one_line,
        accept_new_options=True, max_selections=MAX_TAGS, placeholder="Choose tags, or type a new one",
        help=f"At most {MAX_TAGS}, of up to {MAX_TAG} characters.",
    )  # fmt: skip
    note = st.text_area("Note", value=encodable(notes.note), key=NOTE, max_chars=MAX_NOTE, height=160)
    pinned = st.toggle("Pinned: stands first in the list", value=notes.pinned, key=PINNED)
    with st.container(horizontal=True):
        if st.button("Save", key="runs.notes.save", type="primary"):
            try:
                change_notes(paths, tags=clean_tags(tags), note=note, pinned=pinned)
            except LabError as error:
                st.error(as_label(str(error), 500), icon=":material/error:")
                return
            close()
            st.rerun()
        if st.button("Cancel", key="runs.notes.cancel", on_click=close):
            st.rerun()
