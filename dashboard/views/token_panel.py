"""The token view of one completion: which one, what its tokens are coloured by, and all their numbers."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.text import one_line
from dashboard.views.box import text_box
from dashboard.views.completion_table import by_reward
from dashboard.views.shown_group import ShownGroup
from dashboard.views.token_strip import Measure, largest_words, measures, token_frame, token_strip
from dashboard.wording import number
from engine.runs.reader import Tokens


def token_panel(shown: ShownGroup) -> None:
    """The token view of the completion that the URL names, or of the best one."""
    ordered = by_reward(shown.completions).set_index("completion_index")
    chosen = _choose(ordered, shown.step, shown.index)
    tokens = shown.reader.tokens(shown.step, shown.index, chosen)
    if tokens is None:
        st.caption("The tokens of this completion are not stored.")
        return
    found = measures(tokens)
    if not found:
        st.caption("Log-probabilities, KL and entropy are not measured: this group was discarded.")
        st.html(token_strip(tokens, None))
    else:
        _coloured(tokens, found)
    with st.expander("All tokens as a table, and the whole text"):
        st.dataframe(token_frame(tokens), height=300)
        text_box("", ordered.loc[chosen, "text"])


def _coloured(tokens: Tokens, found: Mapping[str, Measure]) -> None:
    """The token strip, with the choice of what it is coloured by."""
    name = st.segmented_control(
        "Colour tokens by", list(found), required=True, default=next(iter(found)), key="token_measure",
        format_func=lambda key: found[key].metric.label,
    )  # fmt: skip
    measure = found.get(name) or next(iter(found.values()))
    if "kl" not in found:
        st.caption("No KL here: this run keeps no reference.")
    unit = measure.metric.unit.partition("/")[0]
    full = f"{measure.full:g} {unit}".rstrip()
    st.caption(f"{measure.metric.help} {measure.metric.look_for} Full colour from {full} on.")
    st.html(token_strip(tokens, measure))
    st.text(f"Strongest: {largest_words(tokens, measure)}")


def _choose(ordered: pd.DataFrame, step: int, index: int) -> int:
    """The chosen completion_index, by a box above the strip."""
    asked = (state.number_in_url(state.COMPLETION) or 0) - 1
    options = ordered.index.tolist()
    key = f"completion_{step}_{index}"

    shown = asked if asked in options else options[0]
    st.session_state[key] = shown  # the URL decides: keys and links change it, too

    def choose() -> None:
        # Streamlit also reports the start value by itself when a live step replaces the box: nobody chose that.
        if (chosen := st.session_state[key]) != shown:
            state.set_in_url(step=step, group=index + 1, completion=chosen + 1)

    def label(place: int) -> str:
        row = ordered.loc[place]
        return f"#{place + 1} · reward {number(row['total'])} · {one_line(row['text'], 60)}"

    return int(st.selectbox("Tokens of completion", options, format_func=label, key=key, on_change=choose))
