"""By which number tokens are coloured and ranked: one choice for every token view, kept in the URL."""

from collections.abc import Sequence

import streamlit as st

from dashboard import state
from dashboard.token_measures import LOOKS, Measure, push_caveat
from engine.config import RunConfig
from engine.config_loss import updates_per_batch

KEY = "token_measure"


def chosen_measure(options: Sequence[str]) -> str:
    """The key of LOOKS that the URL names, with the choice between these; else KL, or entropy without a reference."""
    asked = st.query_params.get(state.MEASURE, "")
    st.session_state[KEY] = current = next(key for key in (asked, "kl", "entropy") if key in options)

    def choose() -> None:
        state.set_in_url(**{state.MEASURE: st.session_state[KEY]})

    st.segmented_control(
        "Colour tokens by", options, key=KEY, required=True, on_change=choose, wrap=True,
        format_func=lambda key: LOOKS[key].metric.label,
    )  # fmt: skip
    if "kl" not in options:
        st.caption("No KL here: this run keeps no reference.")
    return current


def measure_caption(measure: Measure, notes: Sequence[str]) -> None:
    """What the number is, what to look for, and what the colours mean."""
    metric = measure.look.metric
    words = " ".join((metric.help, metric.look_for, *filter(None, notes)))
    st.caption(f"{words}  \n{measure.colours_in_words()}")


def measure_notes(measure: Measure, config: RunConfig) -> list[str]:
    """What else a reader has to know of this measure in this run."""
    if measure.key == "ratio" and updates_per_batch(config.loss) == 1:
        return ["This run makes one update for each batch, so every ratio is exactly 1."]
    if measure.key == "push" and (caveat := push_caveat(config.loss)):
        return [caveat]
    return []
