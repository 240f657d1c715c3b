"""The charts of a what-if: groups without signal over steps, and which completions get the push. Pure."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dashboard.charts import Chart
from dashboard.plot_parts import figure_of, line
from engine.analysis.smoothing import trailing_mean
from engine.analysis.what_if_run import Change, PushByLength
from engine.glossary import METRICS, TERMS

BEFORE = ("before", "var(--lab-grey)")
AFTER = ("after", "var(--lab-blue)")
SMOOTH_ABOVE = 60  # steps; a shorter course is shown step by step
WINDOW = 10  # points that one of a smoothed course covers
NOTHING = "No step is finished yet."


def dead_course(changes: Sequence[Change]) -> Chart:
    """Share of groups without signal over steps, under the run's settings and under the changed ones."""
    steps = np.array([change.step for change in changes], dtype=np.float64)
    window = WINDOW if len(changes) > SMOOTH_ABOVE else 1
    pooled = f" Each point is the mean of {window} sampled steps." if window > 1 else ""
    look_for = f"After below before: more groups teach something. {METRICS['frac_reward_zero_std'].look_for}{pooled}"
    title = "Groups without signal, before and after"
    if not changes:
        return Chart("what-if-dead", title, look_for, None, sentence=NOTHING)
    looks = (("dead_after", *AFTER, "solid"), ("dead_before", "before", "var(--lab-text)", "dot"))  # the dots on top
    traces = [
        line(steps, _smooth([getattr(change, key) for change in changes], window), name, colour, width=1.8, dash=dash)
        | {"hovertemplate": "%{y:.0%}"}
        for key, name, colour, dash in looks
    ]
    figure = figure_of(traces, "step", "share of groups")
    figure["layout"]["yaxis"] |= {"range": [0, 1], "tickformat": ".0%"}
    return Chart("what-if-dead", title, look_for, figure)


def push_chart(pushes: PushByLength) -> Chart:
    """Share of all push by length of the completion, before and after, beside its share of the completions."""
    term = TERMS["push_by_length"]
    if not pushes.labels:
        return Chart("what-if-push", term.label, term.look_for, None, sentence=NOTHING)
    places = np.arange(len(pushes.labels), dtype=np.float64)
    looks = ((pushes.before, *BEFORE), (pushes.after, *AFTER))
    traces = [
        {
            "type": "bar", "x": places, "y": values, "name": name, "marker": {"color": colour},
            "hovertemplate": "%{y:.1%} of the push",
        }
        for values, name, colour in looks
    ]  # fmt: skip
    traces.append(
        {
            "type": "scatter", "mode": "markers", "x": places, "y": pushes.completions, "name": "share of completions",
            "marker": {"symbol": "line-ew-open", "size": 22, "color": "var(--lab-text)", "line": {"width": 2}},
            "hovertemplate": "%{y:.1%} of the completions",
        }
    )  # fmt: skip
    figure = figure_of(traces, "length of the completion, tokens", "share")
    figure["layout"] |= {"barmode": "group", "bargap": 0.3}
    figure["layout"]["yaxis"] |= {"tickformat": ".0%", "rangemode": "tozero"}
    figure["layout"]["xaxis"] |= {"tickvals": places, "ticktext": list(pushes.labels)}
    return Chart("what-if-push", term.label, term.look_for, figure)


def _smooth(values: list[float], window: int) -> pd.Series:
    return trailing_mean(pd.Series(values, dtype=np.float64), window)
