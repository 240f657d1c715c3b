"""Every completion of a run. Views: the groups of one step, one of them in full with rewards, advantages and tokens."""

from collections.abc import Callable

import streamlit as st

from dashboard import state
from dashboard.live_run import live_run
from dashboard.views.problem import explained
from dashboard.views.run_choice import required_run
from dashboard.views.run_header import group_header_html
from dashboard.views.scrubber import scrubber, shown_step
from dashboard.views.step_groups import step_groups
from dashboard.views.step_tokens import step_tokens
from engine.runs.paths import read_config
from engine.runs.status import run_status

TICK_S = 1.0
VIEW_KEY = "groups_view"

paths = required_run("Groups")
config = read_config(paths)
shown = run_status(paths)
run = live_run(paths)


def follow(draw: Callable[[int], None]) -> None:
    """Draw a view of one step below the scrubber, which may follow the newest."""
    with explained():
        if run_status(paths).state != shown.state:
            st.rerun()
        newest = run.reader.last_step()
        if newest == 0:
            st.info("No step is finished yet. The first groups appear here.", icon=":material/hourglass_top:")
            return
        scrubber(newest, live=shown.is_live)
        draw(shown_step(newest))


@st.fragment(run_every=TICK_S if shown.is_live else None)
def of_a_step() -> None:
    follow(lambda step: step_groups(paths, run.reader, config, step))


@st.fragment(run_every=TICK_S if shown.is_live else None)
def tokens_of_a_step() -> None:
    follow(lambda step: step_tokens(run.reader, config, step))


# What the page can show: key in the URL, label, icon, and who draws it.
VIEWS: dict[str, tuple[str, str, Callable[[], None]]] = {
    "step": ("Groups of a step", ":material/grid_view:", of_a_step),
    "tokens": ("Tokens of the step", ":material/abc:", tokens_of_a_step),
}


def choose_view() -> str:
    """The view that the URL names, with the choice between them; the first is not in the URL."""
    first = next(iter(VIEWS))
    asked = st.query_params.get(state.VIEW, first)
    st.session_state[VIEW_KEY] = current = asked if asked in VIEWS else first

    def choose() -> None:
        chosen = st.session_state[VIEW_KEY]
        state.set_in_url(**{state.VIEW: None if chosen == first else chosen})

    st.segmented_control(
        "View", list(VIEWS), key=VIEW_KEY, required=True, on_change=choose, label_visibility="collapsed",
        format_func=lambda key: f"{VIEWS[key][1]} {VIEWS[key][0]}",
    )  # fmt: skip
    return current


st.html(group_header_html(config, shown))
with st.container(horizontal=True, vertical_alignment="center"):
    back = {"run": paths.run_id}
    st.page_link(state.RUN_PAGE, label="Back to the run", icon=":material/arrow_back:", query_params=back)
    view = choose_view()
with st.container(key="live"):
    VIEWS[view][2]()
