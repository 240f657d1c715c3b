"""The run that a page is about: from the URL, else the one last looked at, else a choice."""

import streamlit as st

from dashboard import state
from dashboard.text import as_label
from dashboard.views.problem import show_problem
from dashboard.views.status_chip import chip_text
from engine.errors import LabError, RunNotFoundError
from engine.preflight.folder import is_preflight
from engine.runs.manage import run_summary
from engine.runs.paths import RunPaths, list_runs, runs_root

LAST_RUN = "last_run"
NUM_OFFERED = 20


def required_run(page: str) -> RunPaths:
    """The run of this page. Stops the script with a choice of runs, or a sentence, when there is none."""
    try:
        paths = state.chosen_run(or_preflight=page == "Groups")
    except RunNotFoundError as error:
        st.title(page)
        show_problem(error)
        st.page_link(state.RUNS_PAGE, label="All runs", icon=":material/list:")
        st.stop()
    if paths is None and (last := st.session_state.get(LAST_RUN)):
        paths = state.find_run(last)
        if paths is not None:
            state.set_in_url(run=paths.run_id)
    if paths is None:
        _offer(page)
        st.stop()
    if not is_preflight(paths):
        st.session_state[LAST_RUN] = paths.run_id
    return paths


def _offer(page: str) -> None:
    st.title(page)
    runs = list_runs(runs_root())[:NUM_OFFERED]
    if not runs:
        st.write("There is no run yet.")
        st.page_link(state.RUNS_PAGE, label="Start the demo on the page Runs", icon=":material/play_arrow:")
        st.page_link(state.NEW_RUN_PAGE, label="Set up a run of your own", icon=":material/add:")
        return
    st.write("Which run?")
    here = state.RUN_PAGE if page == "Run" else state.GROUPS_PAGE
    for paths in runs:  # buttons, as st.page_link does nothing on the page that it leads to
        if st.button(_line(paths), key=f"offered.{paths.run_id}", type="tertiary"):
            state.go(here, run=paths.run_id)


def _line(paths: RunPaths) -> str:
    try:
        summary = run_summary(paths)
    except LabError as error:
        return f"{as_label(paths.run_id)} · {as_label(error.message)}"
    return f"{chip_text(summary.status.state)} · {as_label(summary.name)} · step {summary.status.step:,}"
