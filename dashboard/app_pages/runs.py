"""Runs, the home page: every run with what matters about it, and what can be done with it."""

from dataclasses import dataclass

import streamlit as st

from dashboard.state import NEW_RUN_PAGE, RUN_PAGE, go
from dashboard.text import one_line
from dashboard.views.import_run import draw_import_run
from dashboard.views.problem import explained
from dashboard.views.run_actions import attempt, draw_actions, draw_notices, draw_trash, open_dialog
from dashboard.views.run_table import FILTERS, Family, RunRow, draw_table, matching, read_rows, tags_in_use
from dashboard.views.run_tree import as_tree, parent_words, pinned_first
from engine.presets import preset
from engine.runs.launch import start_run
from engine.runs.manage import trashed_ids
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
        draw_import_run()
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


@dataclass(frozen=True)
class Filters:
    search: str
    statuses: list[str]
    tags: list[str]
    tree: bool


def draw_filters(rows: list[RunRow]) -> Filters:
    """Search and statuses; tags and the tree where there are any."""
    tags = tags_in_use(rows)
    with st.container(horizontal=True, vertical_alignment="center"):
        search = st.text_input(
            "Search", key="runs.search", type="search", live=True, label_visibility="collapsed", width=230,
            placeholder="Search name, model, tag, …", persist_state="session",
        )  # fmt: skip
        statuses = st.pills(
            "Status", list(FILTERS), selection_mode="multi", key="runs.status", label_visibility="collapsed",
            persist_state="session",
        )  # fmt: skip
        chosen = st.multiselect(
            "Tags", tags, key="runs.tags", label_visibility="collapsed", width=150, placeholder="Tags",
            format_func=one_line, persist_state="session",
        ) if tags else []  # fmt: skip
        tree = any(row.origin is not None for row in rows) and st.toggle(
            "As a tree", key="runs.tree", persist_state="session", help="Each run below the one it came from."
        )
    return Filters(search or "", list(statuses), [tag for tag in chosen if tag in tags], tree)


def draw_runs(filters: Filters, was_live: bool) -> None:
    """The table and the actions for its selected run; ticks while a run is live, and no longer."""
    rows = read_rows(list_runs(runs_root()))
    if any(row.is_live for row in rows) != was_live:
        st.rerun(scope="app")
    found = matching(rows, filters.search, filters.statuses, filters.tags)
    shown, marks = as_tree(found) if filters.tree else (pinned_first(found), {})
    if not shown:
        st.caption("No run matches the search, the statuses and the tags.")
    actions = st.container()
    names, trashed = {row.run_id: row.name for row in rows}, trashed_ids(runs_root())
    parents = {row.run_id: parent_words(row, names, trashed) for row in shown}
    selected = draw_table(shown, Family(marks, parents)) if shown else None
    with actions:
        draw_actions(selected)


runs = list_runs(runs_root())
if not runs:
    draw_welcome()
else:
    listed = read_rows(runs)
    live = any(row.is_live for row in listed)
    st.title("Runs", anchor=False)
    draw_starters()
    draw_notices()
    filters = draw_filters(listed)
    st.fragment(run_every=TICK_S if live else None)(explained()(draw_runs))(filters, live)
open_dialog()
