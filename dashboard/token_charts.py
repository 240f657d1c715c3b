"""Charts of a step's tokens. Pure: no Streamlit, no clock, no theme."""

from collections.abc import Mapping

import pandas as pd

from dashboard.charts import Chart
from dashboard.plot_parts import figure_of, line
from dashboard.token_measures import LOOKS

HEIGHT = 260

# By the keys of LOOKS: what to look for from the start, and from the end.
LOOK_FOR: Mapping[str, tuple[str, str]] = {
    "kl": (
        "A spike at one place, such as the first token, carries what the mean over all tokens hides.",
        "A rise at −1: completions end in another way than the reference's.",
    ),
    "change": (
        "Far from 0 at one place, such as the first token: there the policy has left the reference.",
        "Above 0 at −1: completions end more readily there than the reference's would; below 0: less readily.",
    ),
    "ratio": (
        "Far from 1 at one place: there the updates have moved the policy since it sampled.",
        "Far from 1 at −1: the updates have changed how readily completions end.",
    ),
    "push": (
        "Above 0: what stands at this place is made likelier on average. Below 0: less likely.",
        "Above 0 at −1: the ends of these completions are made likelier on average. Below 0: less likely.",
    ),
    "entropy": (
        "High where the policy still chooses between tokens. Near 0: it is sure of the next one.",
        "High at −1: the policy is unsure whether to end.",
    ),
    "logprob": (
        "Far below 0: what was sampled at this place was unlikely. Near 0: the policy was sure of it.",
        "Far below 0 at −1: completions end where the policy was unlikely to.",
    ),
    "advantage": (
        "Above 0: what stands at this place counts as better than the group's on average. Below 0: as worse.",
        "Above 0 at −1: the ends of completions count as better than the group's on average. Below 0: as worse.",
    ),
}


def place_chart(frame: pd.DataFrame, key: str, *, from_end: bool) -> Chart:
    """Mean and 90 % quantile by place in the completion; frame: of analysis.token_totals.by_place, whose places count
    from 1, or from_end from −1 backwards.
    """
    metric = LOOKS[key].metric
    label, unit = metric.label, metric.unit.partition("/")[0]
    where = "from the end" if from_end else "from the start"
    axis = "place from the end (−1: last token)" if from_end else "place (1: first token)"
    look_for = LOOK_FOR[key][from_end]
    title = f"{label} by place, {where}"
    key = "token-places-end" if from_end else "token-places"
    if frame.empty:
        return Chart(key, title, look_for, None, HEIGHT, sentence="Nothing is measured in this step.")
    traces = [
        line(frame["place"], frame["high"], "90 % quantile", "var(--lab-orange)", dash="dot"),
        line(frame["place"], frame["mean"], "mean", "var(--lab-blue)", width=2),
    ]
    return Chart(key, title, look_for, figure_of(traces, axis, f"{label} ({unit})" if unit else label), HEIGHT)
