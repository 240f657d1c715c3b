"""A box that shows a text as it is, scrolling when it is long."""

import streamlit as st

from dashboard.text import visible

LONG_TEXT = 500  # characters beyond which a box scrolls
LONG_LINES = 6
BOX_HEIGHT = 200  # pixels


def text_box(caption: str, text: str) -> None:
    """A text from a model or a dataset, every character visible, with a caption above it unless that is empty."""
    if caption:
        st.caption(caption)
    is_long = len(text) > LONG_TEXT or text.count("\n") > LONG_LINES
    st.code(visible(text), language=None, wrap_lines=True, height=BOX_HEIGHT if is_long else "content")
