"""What charts.py builds its figures from: axes, lines, bands and stacks, thinned so that their extremes stay. Pure.

A figure is plotly's JSON as a dict: {"data": [traces], "layout": {…}}. plotly.graph_objects accepts it (the tests make
sure) but takes 20 ms to check one, too long for a page that draws ten of them every second. Colours are names of
assets/lab.css, such as "var(--lab-blue)"; live_plot.js turns them into the theme's values.
"""

import html
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from dashboard.text import one_line
from engine.analysis.downsample import average_runs, keep_extremes, run_starts
from engine.analysis.smoothing import trailing_mean

Figure = dict[str, Any]
Trace = dict[str, Any]

MAX_POINTS = 1000  # per line
MAX_COLUMNS = 150  # of a heat map or a stack; more steps than that are averaged
FEW = 30  # up to so many points a line also has markers, so that a single one is visible

CLEAR = {"paper_bgcolor": "var(--lab-clear)", "plot_bgcolor": "var(--lab-clear)"}
_LEGEND = {
    "orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 11}, "traceorder": "normal",
}  # fmt: skip
AXIS: dict[str, Any] = {
    "gridcolor": "var(--lab-grid)", "zeroline": False, "linecolor": "var(--lab-line)", "automargin": True,
    "tickfont": {"color": "var(--lab-muted)", "size": 11},
}  # fmt: skip


def plot_text(text: str) -> str:
    """Text that plotly, which reads some HTML in labels, shows as it is."""
    return html.escape(one_line(text))


def figure_of(traces: list[Trace], x_title: str, y_title: str) -> Figure:
    def axis(title: str) -> dict[str, Any]:
        font = {"color": "var(--lab-muted)", "size": 11}
        return AXIS | {"title": {"text": title, "font": font, "standoff": 6}}

    layout = {
        "hovermode": "x unified", "margin": {"l": 48, "r": 10, "t": 6, "b": 36},
        "font": {"color": "var(--lab-text)", "size": 12},
        "hoverlabel": {"bgcolor": "var(--lab-panel)", "bordercolor": "var(--lab-line)", "font": {"size": 12}},
        "legend": _LEGEND,
        "xaxis": axis(x_title) | {"tickformat": ",d"} | _whole_ticks(traces), "yaxis": axis(y_title),
    }  # fmt: skip
    return {"data": traces, "layout": layout | CLEAR}


def _whole_ticks(traces: list[Trace]) -> dict[str, int]:
    """No ticks at fractions of a step while there are only a few."""
    xs = np.concatenate([np.asarray(trace["x"], dtype=np.float64) for trace in traces])
    return {"dtick": 1} if xs.size and xs.max() - xs.min() <= 10 else {}


def line(x: ArrayLike, y: ArrayLike, name: str, colour: str, *, width: float = 1.6, dash: str = "solid") -> Trace:
    x, y = keep_extremes(x, y, MAX_POINTS)
    return {
        "type": "scatter", "mode": "lines+markers" if len(x) <= FEW else "lines", "name": name, "x": x, "y": y,
        "line": {"color": colour, "width": width, "dash": dash}, "marker": {"color": colour, "size": 5},
        "hovertemplate": "%{y:.3~g}",
    }  # fmt: skip


def raw_and_smooth(steps: pd.Series, values: pd.Series, name: str, window: int) -> list[Trace]:
    if window <= 1:
        return [line(steps, values, name, "var(--lab-blue)")]
    mean = line(steps, trailing_mean(values, window), f"{name}, mean of {window} steps", "var(--lab-blue)", width=1.8)
    return [line(steps, values, name, "var(--lab-band-inner)", width=1.2), mean]


def band(x: ArrayLike, low: ArrayLike, high: ArrayLike, name: str, colour: str) -> list[Trace]:
    """A filled band between two lines, with a mark at either end while there is nothing to fill between."""
    traces: list[Trace] = []
    for values in (low, high):
        thin_x, thin_y = keep_extremes(x, values, MAX_POINTS)
        mark = {"symbol": "line-ew-open", "size": 16, "color": colour, "line": {"width": 4}}
        traces.append(
            {
                "type": "scatter", "mode": "lines" if len(thin_x) > 1 else "markers", "x": thin_x, "y": thin_y,
                "name": name, "legendgroup": name, "showlegend": False, "line": {"width": 0, "color": colour},
                "marker": mark, "hoverinfo": "skip",
            }
        )  # fmt: skip
    traces[1] |= {"fill": "tonexty", "fillcolor": colour, "showlegend": True}
    return traces


def stack(steps: ArrayLike, values: NDArray[np.float64], looks: list[tuple[str, str]], hover: str) -> list[Trace]:
    """Areas on top of each other, the first at the bottom. values [steps, areas]; looks: (name, colour) of each."""
    starts = run_starts(steps, MAX_COLUMNS)
    x = np.append(starts, starts[-1:] + 1)  # a step is as wide as 1, so that a single one is an area, too
    return [
        {
            "type": "scatter", "mode": "lines", "name": name, "x": x, "y": np.append(column, column[-1:]),
            "line": {"width": 0, "shape": "hv"}, "fillcolor": colour, "stackgroup": "all", "hovertemplate": hover,
        }
        for (name, colour), column in zip(looks, average_runs(values, MAX_COLUMNS).T, strict=True)
    ]  # fmt: skip
