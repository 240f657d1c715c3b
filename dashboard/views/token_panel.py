"""The token view of one completion: which one, what its tokens are coloured by, and all their numbers."""

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.text import one_line
from dashboard.token_measures import is_counted, measures, token_numbers
from dashboard.views.box import text_box
from dashboard.views.completion_table import by_reward
from dashboard.views.group_rows import advantage_reach
from dashboard.views.measure_choice import chosen_measure, measure_caption, measure_notes
from dashboard.views.shown_group import ShownGroup
from dashboard.views.token_strip import strip_data, token_frame, token_strip
from dashboard.wording import number
from engine.config_loss import has_scaled_advantages
from engine.runs.imported import is_imported

NO_TOKENS = "TRL records the text of a completion and not its tokens, so there is nothing to colour. The whole text:"


def token_panel(shown: ShownGroup) -> None:
    """The token view of the completion that the URL names, or of the best one."""
    ordered = by_reward(shown.completions).set_index("completion_index")
    chosen = _choose(ordered, shown.step, shown.index)
    tokens = shown.reader.tokens(shown.step, shown.index, chosen)
    if tokens is None:
        st.caption(NO_TOKENS if is_imported(shown.paths) else "The tokens of this completion are not stored.")
        text_box("", ordered.loc[chosen, "text"])
        return
    loss, row = shown.config.loss, ordered.loc[chosen]
    counted = is_counted(row["finish_reason"], loss)
    numbers = token_numbers(tokens, float(row["advantage"]), counted=counted, loss=loss)
    measure = None
    if numbers:
        reach = advantage_reach(shown.completions["advantage"], scaled=has_scaled_advantages(loss))
        found = measures(numbers, reach)
        measure = found[chosen_measure(list(found))]
        measure_caption(measure, measure_notes(measure, shown.config))
        if not counted:
            st.caption("Cut off, and this run leaves such completions out of the loss: nothing is pushed.")
    else:
        st.caption("Log-probabilities, KL and entropy are not measured: this group was discarded.")
    place = state.number_in_url(state.TOKEN) if state.number_in_url(state.COMPLETION) == chosen + 1 else None
    name = f"completion #{chosen + 1} of group {shown.index + 1}, step {shown.step:,}"
    token_strip(
        strip_data(tokens, numbers, measure, name=name, selected=place), key="token_strip",
        on_pick=lambda token: state.show(shown.step, shown.index + 1, chosen + 1, token),
    )  # fmt: skip
    with st.expander("All tokens as a table, and the whole text", key="token_table", on_change="rerun") as table:
        if table.open:
            alt = "Every token of the completion with its numbers"
            st.dataframe(token_frame(tokens, numbers), height=300, alt=alt)
            text_box("", row["text"])


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
            state.show(step, index + 1, chosen + 1)

    def label(place: int) -> str:
        row = ordered.loc[place]
        return f"#{place + 1} · reward {number(row['total'])} · {one_line(row['text'], 60)}"

    return int(st.selectbox("Tokens of completion", options, format_func=label, key=key, on_change=choose))
