"""Several runs beside each other: curves, settings, reward over KL, answers to one prompt, and evaluations, tested."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.text import as_label, visible
from dashboard.views.compare_answers import answers_view
from dashboard.views.compare_curves import curve_choices, curves, reward_kl, smoothing_choice
from dashboard.views.compare_evaluations import evaluation_choices, evaluations_view
from dashboard.views.compare_runs import ComparedRun, chosen_runs, legend_html, open_runs, picker
from dashboard.views.compare_settings import settings_view
from dashboard.views.problem import explained
from dashboard.views.view_choice import chosen_view
from engine.runs.paths import list_runs, runs_root
from engine.runs.status import run_status

TICK_S = 3.0
VIEW_KEY = "compare_view"

Draw = Callable[[Sequence[ComparedRun]], None]


@dataclass(frozen=True)
class View:
    """`choices` are its widgets, above it; `follows`: it changes while a run is live, and so renews itself."""

    label: str
    icon: str
    draw: Draw
    choices: Draw | None = None
    follows: bool = False


VIEWS: dict[str, View] = {
    "curves": View("Curves", ":material/show_chart:", curves, curve_choices, follows=True),
    "settings": View("Settings", ":material/tune:", settings_view),
    "kl": View("Reward over KL", ":material/timeline:", reward_kl, smoothing_choice, follows=True),
    "answers": View("Answers", ":material/forum:", answers_view),
    "evaluations": View("Evaluations", ":material/quiz:", evaluations_view, evaluation_choices, follows=True),
}


def head(runs: Sequence[ComparedRun]) -> None:
    """The legend; draws the whole page anew when a run has ended or begun."""
    statuses = [run_status(run.paths) for run in runs]
    if [status.state for status in statuses] != [run.status.state for run in runs]:
        st.rerun()
    st.html(legend_html(runs, statuses))


def beside_each_other(runs: Sequence[ComparedRun]) -> None:
    """The legend, the choice of a view, and the view."""
    live = any(run.status.is_live for run in runs)

    def ticking(draw: Draw) -> Any:
        return st.fragment(run_every=TICK_S if live else None)(explained()(draw))

    with st.container(key="live"):
        ticking(head)(runs)
    view = VIEWS[chosen_view({name: f"{one.icon} {one.label}" for name, one in VIEWS.items()}, key=VIEW_KEY)]
    if view.choices is not None:
        with explained():
            view.choices(runs)
    if view.follows:
        with st.container(key="live_view"):
            ticking(view.draw)(runs)
    else:
        st.fragment(explained()(view.draw))(runs)


known = list_runs(runs_root())
st.title("Compare", anchor=False)
if not known:
    st.write("There is no run yet.")
    st.page_link(state.RUNS_PAGE, label="Start the demo on the page Runs", icon=":material/play_arrow:")
    st.page_link(state.NEW_RUN_PAGE, label="Set up a run of your own", icon=":material/add:")
    st.stop()
asked = chosen_runs(known)
picker(known, asked)
runs, left_out = open_runs(asked)
for sentence in left_out:
    st.warning(as_label(visible(sentence), 500), icon=":material/warning:")
if len(runs) < 2:
    words = "Choose a second run above." if runs else "Choose at least two runs above."
    st.info(words if len(known) > 1 else "There is only one run so far; a second one can be compared with it.")
else:
    beside_each_other(runs)
