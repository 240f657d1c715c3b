"""Charts of a step's tokens. Pure: no Streamlit, no clock, no theme."""

import pandas as pd

from dashboard.charts import Chart
from dashboard.plot_parts import figure_of, line
from dashboard.token_measures import Look

HEIGHT = 260


def place_chart(frame: pd.DataFrame, look: Look, *, from_end: bool) -> Chart:
    """Mean and 90 % quantile by place in the completion; frame: of analysis.token_totals.by_place, whose places count
    from 1, or from_end from −1 backwards.
    """
    label, unit = look.metric.label, look.metric.unit.partition("/")[0]
    where = "from the end" if from_end else "from the start"
    axis = "place from the end (−1: last token)" if from_end else "place (1: first token)"
    look_for = (
        "A rise at −1: completions end in another way than the reference's."
        if from_end
        else "A spike at one place, such as the first token, carries what the mean over all tokens hides."
    )
    title = f"{label} by place, {where}"
    key = "token-places-end" if from_end else "token-places"
    if frame.empty:
        return Chart(key, title, look_for, None, HEIGHT, sentence="Nothing is measured in this step.")
    traces = [
        line(frame["place"], frame["high"], "90 % quantile", "var(--lab-orange)", dash="dot"),
        line(frame["place"], frame["mean"], "mean", "var(--lab-blue)", width=2),
    ]
    return Chart(key, title, look_for, figure_of(traces, axis, f"{label} ({unit})" if unit else label), HEIGHT)
