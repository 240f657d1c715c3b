"""A box that shows a text as it is, scrolling when it is long.

Not st.code: that loads the highlighters of all its languages first, 0.2 s of a page's opening.
"""

import streamlit as st

from dashboard.text import as_html

LONG_TEXT = 500  # characters beyond which a box scrolls
LONG_LINES = 6


def text_box(caption: str, text: str) -> None:
    """A text from a model or a dataset, every character visible, with a caption above it unless that is empty."""
    if caption:
        st.caption(caption)
    is_long = len(text) > LONG_TEXT or text.count("\n") > LONG_LINES
    focusable = f' data-long tabindex="0" role="region" aria-label="{as_html(caption) or "Text"}"' if is_long else ""
    st.html(f'<div class="lab-box lab-mono"{focusable}>{as_html(text)}</div>')
