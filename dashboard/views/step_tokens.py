"""The tokens of one step: which of them, which pieces of the vocabulary and which places carry its KL, or the like."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.live_plot import live_charts
from dashboard.style import asset
from dashboard.text import one_line
from dashboard.token_charts import place_chart
from dashboard.token_measures import Measure, measures
from dashboard.token_pool import Pool, pool_of
from dashboard.views.group_rows import advantage_reach
from dashboard.views.measure_choice import chosen_measure, measure_caption, measure_notes
from dashboard.views.token_strip import NUM_EXTREME, shown_piece, value_words
from dashboard.wording import percent, plural
from engine.analysis.token_totals import by_piece, by_place
from engine.config import RunConfig
from engine.config_loss import has_scaled_advantages
from engine.runs.reader import RunReader

MOST_PIECES = 200
AROUND = 8  # tokens of context on either side
CACHE = "step_tokens_cache"
LIST_KEY = "step_token_list"

_list = st.components.v2.component("grpo_lab.token_list", js=asset("token_list.js"), isolate_styles=False)


def step_tokens(reader: RunReader, config: RunConfig, step: int) -> None:
    """The view of a step's tokens, by the measure that the URL names."""
    pool, reach = _cached(reader, config, step)
    found = measures(pool.numbers, reach)
    if not found:
        st.info("The tokens of this step are not stored, or nothing of them was measured.", icon=":material/info:")
        return
    measure = found[chosen_measure(list(found))]
    notes = ["Discarded groups are not measured, and not among these."] if config.rollout.dynamic_sampling else []
    measure_caption(measure, [*measure_notes(measure, config), *notes])
    pieces = by_piece(pool.ids, measure.values, np.abs(measure.size))
    largest = measure.most_extreme(NUM_EXTREME)
    if not largest:
        label = measure.look.metric.label
        st.info(f"{label} is nothing out of the ordinary for every token of this step.", icon=":material/info:")
        return
    st.subheader(_headline(pool, measure, largest), anchor=False)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _extreme_list(pool, measure, largest, step)
    with right:
        _piece_table(pool, measure, pieces)
    _charts(pool, measure)


def _cached(reader: RunReader, config: RunConfig, step: int) -> tuple[Pool, float]:
    """The pool of a step and the |advantage| of full colour; kept while the same step is shown, which may tick."""
    replaced = reader.change_token()[1]  # a step changes only when a replay replaces it
    key = (str(reader.path), step, replaced)
    if st.session_state.get(CACHE, (None,))[0] != key:
        with reader.snapshot() as moment:
            completions = moment.completions(step)
            pool = pool_of(moment.step_tokens(step), completions, config.loss)
        reach = advantage_reach(completions["advantage"], scaled=has_scaled_advantages(config.loss))
        st.session_state[CACHE] = (key, pool, reach)
    _, pool, reach = st.session_state[CACHE]
    return pool, reach


def _headline(pool: Pool, measure: Measure, largest: list[int]) -> str:
    """How much of the sum a few tokens carry."""
    size = np.abs(measure.size)
    whole, label = float(size.sum()), _carried(measure)
    ten = percent(float(size[largest].sum()) / whole)
    completions = plural(len(pool.keys), "completion")
    return (
        f"{plural(len(largest), 'token')} of {len(pool.ids):,} in {completions} carry {ten} of the step's {label}, "
        f"the first alone {percent(float(size[largest[0]]) / whole)}"
    )


def _carried(measure: Measure) -> str:
    """What shares are shares of: of numbers with a sign their sizes, or they would cancel."""
    label = measure.look.metric.label
    return "KL" if measure.key == "kl" else f"{label[0].lower()}{label[1:]} (sizes, without signs)"


def _extreme_list(pool: Pool, measure: Measure, largest: list[int], step: int) -> None:
    """The most extreme single tokens. A click opens one at the step it was shown for: a newer one may be shown now."""
    whole = float(np.abs(measure.size).sum())
    rows = [_row(pool, measure, token, whole) for token in largest]
    title = f"Most extreme tokens: {measure.look.metric.label}"
    data = {"title": title, "step": step, "rows": rows, "headings": ["value", "share", "token, in its text", "where"]}

    def picked() -> None:
        match st.session_state[LIST_KEY].get("picked"):
            case {"step": int(at), "group": int(group), "completion": int(completion), "token": int(token)}:
                state.show(at, group, completion, token, view=None, panel="tokens", measure=measure.key)
                st.rerun()  # another view, and so the whole page

    _list(key=LIST_KEY, data=data, on_picked_change=picked)


def _row(pool: Pool, measure: Measure, token: int, whole: float) -> dict[str, Any]:
    (group, completion), place = pool.owner(token)
    tokens = pool.tokens[group, completion]

    def text(first: int, last: int) -> str:
        pieces = (
            shown_piece(tokens, at).replace("⏎\n", "⏎") for at in range(max(first, 0), min(last, len(tokens.ids)))
        )
        return "".join(pieces)

    return {
        "value": value_words(measure.key, float(measure.values[token])),
        "share": percent(float(abs(measure.size[token])) / whole),
        "sign": ("+" if measure.size[token] > 0 else "-") if measure.look.above else "",
        "before": one_line(text(place - AROUND, place)[-60:], 60),
        "text": one_line(text(place, place + 1), 40),
        "after": one_line(text(place + 1, place + 1 + AROUND), 60),
        "where": f"group {group + 1} · completion {completion + 1} · token {place + 1}",
        "group": group + 1, "completion": completion + 1, "token": place + 1,
    }  # fmt: skip


def _piece_table(pool: Pool, measure: Measure, pieces: pd.DataFrame) -> None:
    """The pieces of the vocabulary with their share of the step's sum."""
    shown = pieces.head(MOST_PIECES)
    texts = []
    for place in shown["place"].tolist():
        key, at = pool.owner(place)
        texts.append(one_line(shown_piece(pool.tokens[key], at).replace("⏎\n", "⏎"), 40))
    frame = pd.DataFrame({"piece": texts, "share": shown["share"], "times": shown["count"]})
    for name in ("mean", "largest"):
        frame[name] = shown[name].round(7)  # sums of opposites leave rounding errors behind
    st.markdown(f"**By piece of the vocabulary**: share of {_carried(measure)}")
    st.dataframe(
        frame, hide_index=True, height=420, alt="Pieces of the vocabulary with their share of the step",
        column_config={
            "piece": st.column_config.TextColumn("token"),
            "share": st.column_config.ProgressColumn("share", format="percent", min_value=0.0, max_value=1.0),
            "mean": st.column_config.NumberColumn("mean", format="%.4g"),
            "largest": st.column_config.NumberColumn("largest", format="%.4g"),
        },
    )  # fmt: skip
    if len(pieces) > MOST_PIECES:
        st.caption(f"The first {MOST_PIECES} of {len(pieces):,}.")


def _charts(pool: Pool, measure: Measure) -> None:
    values = measure.values
    charts = [
        place_chart(by_place(places, values), measure.key, from_end=from_end)
        for places, from_end in ((pool.places, False), (pool.places_from_end, True))
    ]
    live_charts(charts, key="token_charts", on_click=lambda _: None)
