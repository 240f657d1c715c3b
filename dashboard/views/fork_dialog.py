"""The fork dialog of the pages Run and Runs: which checkpoint, the settings that are changed most often, and Start.

Everything else is on the New-run page, which takes over what was changed here.
"""

import json
from typing import Final

import streamlit as st

from dashboard.state import FORK, NEW_RUN_PAGE, RUN_PAGE, go
from dashboard.text import as_label, one_line, visible
from dashboard.views.form import draw_field, draw_grid
from dashboard.views.form_fork import choose_checkpoint, fill_fork
from dashboard.views.form_model import place_problems
from dashboard.views.form_plan import differences, plan
from dashboard.views.form_sections import CONTROL, is_shown
from dashboard.views.form_state import FormState, collect, form_state
from engine.config import RunConfig
from engine.errors import LabError
from engine.runs.checkpoints import saved_steps
from engine.runs.fork import fork_run
from engine.runs.paths import RunPaths, read_config, runs_root

ASKED: Final = "fork.asked"  # (page, form): asked for somewhere on this page, opened by it, where it survives ticks
COUNT: Final = "fork.count"
PREFIX: Final = "fork"
QUICK: Final = (
    *("loss.beta", "optim.learning_rate", "optim.max_steps", "rollout.temperature"),
    *("rollout.num_generations", "loss.epsilon"),
)


def ask_fork(paths: RunPaths, step: int | None, page: str) -> None:
    """Have the page open the dialog for this run, at the checkpoint nearest to the step; None: the newest.

    Raises LabError when the settings of the run cannot be read.
    """
    config = read_config(paths)
    # Widgets are new each time, so that none remembers what was typed into the last dialog.
    st.session_state[COUNT] = count = st.session_state.get(COUNT, 0) + 100
    form = FormState({}, origin="", revision=count, parent=config, parent_id=paths.run_id, prefix=PREFIX)
    at = saved_steps(paths).nearest(step)
    if at is not None:
        fill_fork(form, paths.run_id, config, at)
    st.session_state[ASKED] = (page, form)


def open_fork_dialog(page: str) -> None:
    """Open the dialog that was asked for on this page, if one was."""
    asked, form = st.session_state.get(ASKED, ("", None))
    if form is not None and asked == page:
        fork_dialog(form)
    elif form is not None:  # of a page that was left
        close_fork()


def close_fork() -> None:
    st.session_state.pop(ASKED, None)


@st.dialog("Fork this run", width="medium", on_dismiss=close_fork)
def fork_dialog(form: FormState) -> None:
    if form.fork_step is None:
        without_checkpoint(form)
        return
    collect(form)
    st.text(f"“{one_line(form.parent.name if form.parent else form.parent_id, 100)}”")
    choose_checkpoint(form)
    config, problems = form.parsed()
    problems += form.fork_problems(config) if config is not None else []
    fields = [CONTROL[path] for path in QUICK if is_shown(CONTROL[path], form.draft)]
    placed, elsewhere = place_problems(problems, ["name", *(control.path for control in fields)])
    draw_grid(form, fields, placed)
    draw_field(form, CONTROL["name"], placed)
    with st.container(horizontal=True):
        wanted = st.button("Start fork", key="fork.start", type="primary", icon=":material/play_arrow:")
        if st.button("More settings…", key="fork.more", icon=":material/tune:", help="Opens all of them on New run."):
            all_settings(form)
        if st.button("Cancel", key="fork.cancel", on_click=close_fork):
            st.rerun()
    for problem in elsewhere:
        st.error(as_label(str(problem), 1000), icon=":material/error:")
    if config is None or placed or elsewhere:
        if wanted:
            st.error("Correct what is marked first.", icon=":material/error:")
        return
    if wanted:  # below the buttons, so that nothing moves under a click
        start(form, config)
    what_will_happen(form, config)


def what_will_happen(form: FormState, config: RunConfig) -> None:
    """What differs from the parent, and how far it goes."""
    rows = differences(form.parent, config) if form.parent is not None else []
    changes = "; ".join(f"{label} {old} → {new}" for label, old, new in rows)
    st.text(visible(f"Changed: {changes[:1000]}" if changes else "The same settings: it does what the parent did."))
    st.caption(plan(config, form.fork_step or 0)[0])


def start(form: FormState, config: RunConfig) -> None:
    """Make the fork and go to its page."""
    try:
        with st.spinner("Copying the checkpoint …"):
            launched = fork_run(runs_root(), form.parent_id, form.fork_step or 0, config)
    except LabError as error:
        st.error(as_label(str(error), 1000), icon=":material/error:")
        return
    close_fork()
    go(RUN_PAGE, run=launched.run_id)


def all_settings(form: FormState) -> None:
    """Go on with this draft on the New-run page."""
    page = form_state()
    if form.parent is not None:
        page.load_child(form.parent, f"{FORK}:{form.parent_id}", form.parent, form.parent_id, form.fork_step)
        page.draft = json.loads(json.dumps(form.draft))
    close_fork()
    go(NEW_RUN_PAGE, fork=form.parent_id, step=form.fork_step or 0)


def without_checkpoint(form: FormState) -> None:
    st.write(
        "This run has no checkpoint to go on from. One is saved every so many steps, as its settings say, when it is "
        "stopped, and at its end. A clone trains with its settings from the beginning."
    )
    with st.container(horizontal=True):
        if st.button("Clone", key="fork.clone", type="primary", icon=":material/content_copy:"):
            close_fork()
            go(NEW_RUN_PAGE, clone=form.parent_id)
        if st.button("Cancel", key="fork.cancel", on_click=close_fork):
            st.rerun()
