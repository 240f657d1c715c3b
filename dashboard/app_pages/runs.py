"""Runs, the home page: every run with what matters about it, and what can be done with it."""

import streamlit as st

from dashboard.state import NEW_RUN_PAGE, RUN_PAGE, go
from dashboard.views.problem import explained
from dashboard.views.run_actions import attempt, draw_actions, draw_notices, draw_trash, open_dialog
from dashboard.views.run_table import FILTERS, draw_table, matching, read_rows
from engine.presets import preset
from engine.runs.launch import start_run
from engine.runs.paths import list_runs, runs_root

TICK_S = 2.0
DEMO = "learn-to-add"


def draw_starters() -> None:
    """The two ways to a new run."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Start the demo", key="runs.demo", type="primary", icon=":material/play_arrow:",
            help=preset(DEMO).story,
        ):  # fmt: skip
            started = []
            if attempt(lambda: started.append(start_run(runs_root(), preset(DEMO).config))):
                go(RUN_PAGE, run=started[0].run_id)
        if st.button("New run", key="runs.new", icon=":material/add:"):
            go(NEW_RUN_PAGE)
        draw_trash()


def draw_welcome() -> None:
    with st.container(width=640):
        st.space("large")
        st.title("GRPO Lab", anchor=False)
        st.write(
            "Train a language model by comparing its own answers: it writes several completions to each prompt, reward "
            "functions score them, and the better ones become likelier. Here you watch every one of them."
        )
        st.space("small")
        draw_starters()
        st.caption(f"The demo: {preset(DEMO).story}")
        draw_notices()


def draw_filters() -> tuple[str, list[str]]:
    with st.container(horizontal=True, vertical_alignment="center"):
        search = st.text_input(
            "Search", key="runs.search", type="search", live=True, label_visibility="collapsed", width=320,
            placeholder="Search name, model, data, reward", persist_state="session",
        )  # fmt: skip
        statuses = st.pills(
            "Status", list(FILTERS), selection_mode="multi", key="runs.status", label_visibility="collapsed",
            persist_state="session",
        )  # fmt: skip
    return search or "", list(statuses)


def draw_runs(search: str, statuses: list[str], was_live: bool) -> None:
    """The table and the actions for its selected run; ticks while a run is live, and no longer."""
    rows = read_rows(list_runs(runs_root()))
    if any(row.is_live for row in rows) != was_live:
        st.rerun(scope="app")
    shown = matching(rows, search, statuses)
    if not shown:
        st.caption("No run matches the search and the statuses.")
    actions = st.container()
    selected = draw_table(shown) if shown else None
    with actions:
        draw_actions(selected)


runs = list_runs(runs_root())
if not runs:
    draw_welcome()
else:
    live = any(row.is_live for row in read_rows(runs))
    st.title("Runs", anchor=False)
    draw_starters()
    draw_notices()
    search, statuses = draw_filters()
    st.fragment(run_every=TICK_S if live else None)(explained()(draw_runs))(search, statuses, live)
open_dialog()
