"""Every completion of a run. Views: the groups of one step, one of them in full with rewards, advantages and tokens."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from dashboard import state
from dashboard.live_run import live_run
from dashboard.views.imported_run import NO_STEP_TOKENS
from dashboard.views.keys import keys
from dashboard.views.problem import explained
from dashboard.views.prompts_view import prompts_view
from dashboard.views.run_choice import required_run
from dashboard.views.run_header import group_header_html
from dashboard.views.scrubber import scrubber, shown_step
from dashboard.views.search_view import search_view
from dashboard.views.step_groups import look, rows_of, step_groups
from dashboard.views.step_tokens import step_tokens
from dashboard.views.view_choice import chosen_view
from engine.preflight.folder import is_preflight
from engine.runs.imported import is_imported
from engine.runs.paths import read_config
from engine.runs.status import run_status

TICK_S = 1.0
VIEW_KEY = "groups_view"
PREFLIGHT = (
    "This is a pre-flight, and not a run: what the model says to a few prompts before training. Step 1 holds all of "
    "them; the update that was measured with them was thrown away."
)

paths = required_run("Groups")
config = read_config(paths)
shown = run_status(paths)
run = live_run(paths)


def back_link(step: int | None) -> None:
    """To the Run page, at the step that is shown here; following the newest there when it is followed here."""
    if is_preflight(paths):
        st.page_link(state.NEW_RUN_PAGE, label="Back to the new run", icon=":material/arrow_back:")
        return
    here = {state.STEP: str(step)} if step and state.number_in_url(state.STEP) else {}
    values = {state.RUN: paths.run_id, **here}
    st.page_link(state.RUN_PAGE, label="Back to the run", icon=":material/arrow_back:", query_params=values)


def follow(draw: Callable[[int, int, int], None]) -> None:
    """Draw a view of one step below the scrubber, which may follow the newest. draw: of step, newest and oldest."""
    with explained():
        if run_status(paths).state != shown.state:
            st.rerun()
        newest, oldest = run.reader.last_step(), run.reader.first_step()
        with back:
            back_link(shown_step(newest, oldest))
        if newest == 0:
            st.info("No step is finished yet. The first groups appear here.", icon=":material/hourglass_top:")
            return
        scrubber(newest, oldest=oldest, live=shown.is_live)
        draw(shown_step(newest, oldest), newest, oldest)


@st.fragment(run_every=TICK_S if shown.is_live else None)
def of_a_step() -> None:
    follow(groups_of)


def groups_of(step: int, newest: int, oldest: int) -> None:
    line = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")
    rows = rows_of(run.reader)
    with line:
        keys(newest, partial(look, rows, config), oldest=oldest, search=True)
    step_groups(paths, run.reader, rows, config, step, line)


@st.fragment(run_every=TICK_S if shown.is_live else None)
def tokens_of_a_step() -> None:
    follow(tokens_of)


def tokens_of(step: int, newest: int, oldest: int) -> None:
    keys(newest, oldest=oldest, search=True)
    if is_imported(paths):
        st.info(NO_STEP_TOKENS, icon=":material/info:")
        return
    step_tokens(run.reader, config, step)


@st.fragment
def of_all_prompts() -> None:
    with explained():
        prompts_view(run.reader)


@st.fragment
def search_of_run() -> None:
    search_view(paths, run.reader)


# What the page can show: key in the URL, label, icon, and who draws it.
VIEWS: dict[str, tuple[str, str, Callable[[], None]]] = {
    "step": ("Groups of a step", ":material/grid_view:", of_a_step),
    "search": ("Search", ":material/search:", search_of_run),
    "prompts": ("Prompts", ":material/question_answer:", of_all_prompts),
    "tokens": ("Tokens of the step", ":material/abc:", tokens_of_a_step),
}


st.html(group_header_html(config, shown))
if is_preflight(paths):
    st.info(PREFLIGHT, icon=":material/flight_takeoff:")
with st.container(horizontal=True, vertical_alignment="center"):
    back = st.empty()  # a fragment that draws again replaces what is in it
    view = chosen_view({name: f"{icon} {label}" for name, (label, icon, _) in VIEWS.items()}, key=VIEW_KEY)
    if not is_preflight(paths):
        st.page_link(
            state.REWARDS_PAGE, label="Re-score with another reward", icon=":material/compare_arrows:",
            query_params={state.VIEW: "rescore", state.RUN: paths.run_id},
        )  # fmt: skip
if view != "step":
    with back:
        back_link(state.number_in_url(state.STEP))
with st.container(key="live"):
    VIEWS[view][2]()
