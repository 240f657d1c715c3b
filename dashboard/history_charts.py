"""The charts of one prompt over the steps of a run: share of right answers, reward, length and KL. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from dashboard.charts import Chart
from dashboard.plot_parts import Figure, figure_of
from engine.glossary import METRICS, TERMS

HEIGHT = 160
NOT_MEASURED = "Not measured in the groups of this prompt."


@dataclass(frozen=True)
class _Look:
    column: str
    title: str
    metric: str
    axis: str
    is_share: bool = False


LOOKS = (
    _Look("pass_rate", "Right answers to this prompt", "pass_rate", "share right", is_share=True),
    _Look("mean", "Reward for this prompt", "reward", "mean reward"),
    _Look("mean_length", "Length of the answers", "completions/mean_length", "tokens"),
    _Look("mean_kl", "KL to the reference in the answers", "kl", "nats/token"),
)


def prompt_charts(course: pd.DataFrame, shown_step: int) -> list[Chart]:
    """A small chart for each number. course: rows of RunReader.prompt_course; the shown step has a vertical line."""
    return [_chart(look, course, shown_step) for look in LOOKS]


def held_out_course(steps: Sequence[int], shares: ArrayLike) -> Chart:
    """The share of right answers to one held-out prompt, by the step after which it was asked. NaN: not decided."""
    title, term = "Right answers to this held-out prompt", TERMS["eval/pass_at_1"]
    values = np.asarray(shares, dtype=np.float64)
    if not np.isfinite(values).any():
        return Chart("prompt-held-out", title, term.look_for, None, sentence="No reward decides right or wrong here.")
    figure = _figure(np.asarray(steps), values, "share right")
    figure["layout"]["yaxis"] |= {"range": [-0.05, 1.05], "tickformat": ".0%"}
    return Chart("prompt-held-out", title, "Rises as the model learns; a fall: it forgets.", figure, HEIGHT, wide=True)


def _chart(look: _Look, course: pd.DataFrame, shown_step: int) -> Chart:
    key, metric = f"prompt-{look.column}", METRICS[look.metric]
    values = course[look.column].to_numpy(dtype=np.float64)
    if not np.isfinite(values).any():
        return Chart(key, look.title, metric.look_for, None, sentence=NOT_MEASURED)
    figure = _figure(course["step"].to_numpy(), values, look.axis)
    figure["data"][0]["customdata"] = course[["group_index"]].to_numpy() + 1
    figure["layout"]["shapes"] = [
        {
            "type": "line", "x0": shown_step, "x1": shown_step, "y0": 0, "y1": 1, "yref": "paper",
            "line": {"color": "var(--lab-muted)", "width": 1.5, "dash": "dot"},
        }
    ]  # fmt: skip
    if look.is_share:
        figure["layout"]["yaxis"] |= {"range": [-0.05, 1.05], "tickformat": ".0%"}
    return Chart(key, look.title, metric.look_for, figure, HEIGHT)


def _figure(steps: NDArray[np.int64], values: NDArray[np.float64], axis: str) -> Figure:
    trace = {
        "type": "scatter", "mode": "lines+markers", "x": steps, "y": values, "connectgaps": True,
        "line": {"color": "var(--lab-band-inner)", "width": 1.5}, "marker": {"color": "var(--lab-blue)", "size": 7},
        "hovertemplate": "step %{x:,d}: %{y:.3~g}<extra></extra>",
    }  # fmt: skip
    figure = figure_of([trace], "step", axis)
    figure["layout"] |= {"hovermode": "closest", "showlegend": False}
    return figure
