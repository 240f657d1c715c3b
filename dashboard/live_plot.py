"""The one live component: a board of KPI cards and Plotly charts that keep zoom, pan and legend while data arrives.

st.plotly_chart makes a new chart of every change, and what the user had set is gone; here Plotly.react changes the
chart that is there (assets/live_plot.js). plotly.js comes from our own server (security.routes).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson
import streamlit as st

from dashboard.charts import Chart
from dashboard.plot_parts import Figure
from dashboard.style import asset

Tone = Literal["good", "bad", ""]

_board = st.components.v2.component("grpo_lab.live_plot", js=asset("live_plot.js"), isolate_styles=False)


@dataclass(frozen=True)
class Kpi:
    """One number with its recent course. `tone` colours `change`, whose words or sign say the same."""

    key: str
    label: str
    value: str
    change: str = ""
    tone: Tone = ""
    note: str = ""
    help: str = ""
    points: tuple[str, ...] = ()  # of charts.sparkline


@dataclass(frozen=True)
class Click:
    """A point of a chart that was clicked: its x, and the numbers that the chart attached to it."""

    chart: str
    x: float
    data: tuple[float, ...]


def live_charts(charts: Sequence[Chart], *, key: str, on_click: Callable[[Click], None]) -> None:
    """Show charts in two columns, one on narrow pages. `on_click` hears of a click before the script runs."""
    items = [
        {
            "key": chart.key, "title": chart.title, "note": chart.look_for, "sentence": chart.sentence,
            "wide": chart.wide, "height": chart.height, "alt": _alternative(chart),
            "figure": _json(chart.figure),
        }
        for chart in charts
    ]  # fmt: skip

    def clicked() -> None:
        if click := _click(st.session_state[key].get("clicked")):
            on_click(click)

    _board(key=key, data={"layout": "charts", "items": items}, on_clicked_change=clicked)


def kpi_row(kpis: Sequence[Kpi], *, key: str) -> None:
    """Show numbers in one row that wraps."""
    items = [
        {
            "kpi": True, "key": kpi.key, "title": kpi.label, "value": kpi.value, "change": kpi.change,
            "tone": kpi.tone, "note": kpi.note, "help": kpi.help, "points": list(kpi.points),
            "alt": f"Course of {kpi.label}",
        }
        for kpi in kpis
    ]  # fmt: skip
    _board(key=key, data={"layout": "kpis", "items": items})


def _alternative(chart: Chart) -> str:
    """What a screen reader says instead of the picture."""
    return f"{chart.title}. {chart.sentence or chart.look_for}"


def _json(figure: Figure | None) -> str | None:
    """NaN becomes null, which plotly draws as a gap."""
    return None if figure is None else orjson.dumps(figure, np.ndarray.tolist, orjson.OPT_SERIALIZE_NUMPY).decode()


def _click(reported: Any) -> Click | None:
    match reported:
        case {"chart": str(chart), "x": float(x) | int(x), "data": list(data)}:
            return Click(chart, float(x), tuple(float(value) for value in data if isinstance(value, int | float)))
    return None
