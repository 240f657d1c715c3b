"""How far a child process is, and a button that ends it."""

from typing import Any

import streamlit as st

from dashboard.text import as_label
from engine.child_task import ChildTask


def task_progress(task: ChildTask[Any], doing: str, slot: str, key: str) -> None:
    """A bar with what it is doing. The button `key` ends it, and forgets it in `slot` of the session."""
    done, total = task.progress.done, task.progress.total
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.progress(done / total if total else 0.0, text=as_label(doing, 100))
        if st.button("Cancel", key=key, icon=":material/close:"):
            with st.spinner("Ending …"):
                task.cancel()
            del st.session_state[slot]
            st.rerun(scope="app")
