"""What the rows of a table stood for when they were shown: in a run that grows, others stand there a query later."""

from collections.abc import Sequence
from typing import Any, TypeVar

import streamlit as st

Place = TypeVar("Place")


def picked_place(event: Any, places: Sequence[Place], *, key: str) -> Place | None:
    """The place of the selected row of a table: of those that were shown before this run of the script, if any were.

    event: of st.dataframe with this key; places: what its rows stand for now.
    """
    before: Sequence[Place] = st.session_state.get(f"{key}.places", places)
    st.session_state[f"{key}.places"] = places
    rows = event["selection"]["rows"]
    return before[rows[0]] if rows and rows[0] < len(before) else None
