"""The choice between the views of a page, kept in the URL."""

from collections.abc import Mapping

import streamlit as st

from dashboard import state


def chosen_view(labels: Mapping[str, str], *, key: str) -> str:
    """The view that the URL names, with the buttons to choose another; the first is not in the URL.

    labels: name of the view in the URL → what its button says, an icon included.
    """
    first = next(iter(labels))
    asked = st.query_params.get(state.VIEW, first)
    st.session_state[key] = current = asked if asked in labels else first

    def choose() -> None:
        chosen = st.session_state[key]
        state.set_in_url(**{state.VIEW: None if chosen == first else chosen})

    st.segmented_control(
        "View", list(labels), key=key, required=True, on_change=choose, label_visibility="collapsed",
        format_func=labels.__getitem__,
    )  # fmt: skip
    return current
