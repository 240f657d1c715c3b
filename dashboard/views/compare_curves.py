"""The curves of compared runs over each other: which ones, over what, and how smooth, with all of it in the URL."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, unquote

import streamlit as st

from dashboard import state
from dashboard.compare_charts import AXES, FUNCTION, metric_words, overlay, reward_over_kl
from dashboard.live_plot import Click, live_charts
from dashboard.text import as_label, one_line
from dashboard.views.compare_runs import ComparedRun
from dashboard.views.compare_series import DEFAULT_METRICS, kl_paths, metric_choices, series_of
from dashboard.wording import number
from engine.analysis.compare import turned
from engine.analysis.logged import LOGGED

MAX_METRICS: Final = 4
METRICS_KEY, AXIS_KEY, SMOOTH_KEY = "compare_metrics", "compare_axis", "compare_smoothing"
AXIS_LABELS = {"step": "steps", "tokens": "tokens", "time": "time"}
WEIGHTS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
DEFAULT_WEIGHT = 0.9
SLIDER_WIDTH = 260  # pixels


def curve_choices(runs: Sequence[ComparedRun]) -> None:
    """What is drawn, over what, and how smooth."""
    _choose_metrics(metric_choices(runs))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        _choose_axis()
        _choose_smoothing()


def smoothing_choice(_: Sequence[ComparedRun]) -> None:
    """How smooth the lines are."""
    _choose_smoothing()


def curves(runs: Sequence[ComparedRun]) -> None:
    """Up to four metrics, a chart each."""
    keys, x, weight = shown_metrics(metric_choices(runs)), shown_axis(), shown_smoothing()
    found = series_of(runs, keys, x)
    live_charts([overlay(key, found[key], x, weight) for key in keys], key="compare_charts", on_click=_ignore)
    if not keys:
        st.caption("Choose a metric above.")


def reward_kl(runs: Sequence[ComparedRun]) -> None:
    """The way of each run over reward and KL, and in words where a monitor has turned."""
    paths, weight = kl_paths(runs), shown_smoothing()
    live_charts([reward_over_kl(paths, weight)], key="compare_kl", on_click=_ignore)
    for path in paths:
        for name, values in path.monitors.items():
            turn = turned(path.steps, path.kl, path.reward, values, max(weight, DEFAULT_WEIGHT))
            if turn is None:
                continue
            where = "" if turn.kl != turn.kl else f", at KL {number(turn.kl, 4)}"
            st.warning(
                f"{as_label(path.look.label)}: the monitor {as_label(name)} was at its best around step {turn.step:,}"
                f"{where}. Since then it fell from {number(turn.monitor_then)} to {number(turn.monitor_now)}, while "
                f"the trained reward rose from {number(turn.reward_then)} to {number(turn.reward_now)}. Unless a fall "
                "of this monitor is what you want, the reward is being over-optimised.",
                icon=":material/trending_down:",
            )
    if not any(path.monitors for path in paths):
        st.caption(
            "None of these runs has a monitor. A reward function with weight 0 is one: it is recorded and never "
            "trained on, so it shows whether the trained reward still means what it should."
        )


def shown_metrics(choices: Sequence[str]) -> list[str]:
    """The metrics that the URL names and that there are; the usual four when it names none."""
    if state.METRIC not in st.query_params:
        return [key for key in DEFAULT_METRICS if key in choices]
    asked = dict.fromkeys(map(unquote, st.query_params[state.METRIC].split(",")))
    return [key for key in asked if key in choices][:MAX_METRICS]


def shown_axis() -> str:
    asked = st.query_params.get(state.AXIS, "step")
    return asked if asked in AXES else "step"


def shown_smoothing() -> float:
    """The weight in the URL if it is one of those offered, else the usual one."""
    try:
        asked = float(st.query_params.get(state.SMOOTHING, DEFAULT_WEIGHT))
    except ValueError:
        return DEFAULT_WEIGHT
    return asked if asked in WEIGHTS else DEFAULT_WEIGHT


def _choose_metrics(choices: Sequence[str]) -> None:
    st.session_state[METRICS_KEY] = shown_metrics(choices)

    def choose() -> None:
        # What a reward logs may have a comma in its name.
        st.query_params[state.METRIC] = ",".join(quote(key, safe="/ ") for key in st.session_state[METRICS_KEY])

    st.multiselect(
        "Curves", choices, key=METRICS_KEY, max_selections=MAX_METRICS, on_change=choose, format_func=_metric_label,
        placeholder=f"Choose up to {MAX_METRICS}",
    )  # fmt: skip


def _metric_label(key: str) -> str:
    """The name in the glossary, with the key, by which people who know TRL look for it."""
    label = metric_words(key)[0]
    if key.startswith(LOGGED):
        return one_line(key)
    return one_line(label if key.startswith((FUNCTION, "eval/")) else f"{label} · {key}")


def _choose_axis() -> None:
    st.session_state[AXIS_KEY] = shown_axis()

    def choose() -> None:
        chosen = st.session_state[AXIS_KEY]
        state.set_in_url(**{state.AXIS: None if chosen == "step" else chosen})

    st.segmented_control(
        "Over", list(AXES), key=AXIS_KEY, required=True, on_change=choose, format_func=AXIS_LABELS.__getitem__
    )


def _choose_smoothing() -> None:
    """0: as measured. The weight of what came before in a debiased exponential mean."""
    st.session_state[SMOOTH_KEY] = shown_smoothing()

    def choose() -> None:
        chosen = st.session_state[SMOOTH_KEY]
        state.set_in_url(**{state.SMOOTHING: None if chosen == DEFAULT_WEIGHT else f"{chosen:g}"})

    st.select_slider(
        "Smoothing", WEIGHTS, key=SMOOTH_KEY, on_change=choose, width=SLIDER_WIDTH, format_func="{:g}".format,
        help="Weight of what came before in an exponential mean without the bias of its beginning, as in TensorBoard: "
        "0 draws what was measured; 0.9 averages about the last 10 steps, 0.99 the last 100.",
    )  # fmt: skip


def _ignore(_click: Click) -> None:
    """A click on a curve does nothing."""
