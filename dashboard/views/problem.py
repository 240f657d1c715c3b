"""Errors in words: what happened and what to do next, instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from dashboard.text import as_label, visible
from engine.errors import LabError


@contextmanager
def explained() -> Iterator[None]:
    """Show a LabError as a sentence where the page stops. Anything else is a fault of ours and keeps its traceback."""
    try:
        yield
    except LabError as error:
        show_problem(error)


def show_problem(error: LabError) -> None:
    st.error(as_label(error.message, limit=2000), icon=":material/error:")
    if error.hint:
        st.text(visible(error.hint))
