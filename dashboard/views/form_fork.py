"""The New-run form as a fork: a run that goes on from the checkpoint of another one, with some settings fixed by it."""

import streamlit as st

from dashboard.state import CLONE, FORK, STEP, find_run, set_in_url
from dashboard.text import one_line
from dashboard.views.form_import import IMPORT_PROBLEMS
from dashboard.views.form_model import set_value
from dashboard.views.form_state import FormState
from engine.analysis.gains import measure_value, measure_words
from engine.config import RunConfig
from engine.errors import ConfigError, LabError, Problem
from engine.runs.checkpoints import Saved, saved_steps
from engine.runs.imported import refuse_imported
from engine.runs.naming import names_in_use, next_name
from engine.runs.paths import read_config, runs_root

HOW = (
    "Training goes on from the checkpoint, with its weights, its optimizer state and its reference; the first step is "
    "the one after it. Everything can be changed but the model and its adapter. A schedule of the learning rate counts "
    "steps from the beginning of the parent."
)


def settings_of(run_id: str, what: str) -> RunConfig | None:
    """The settings of a run; None, and a problem for the page to show, when they cannot be had. `what` is wanted."""
    paths = find_run(run_id)
    problems: list[Problem] = []
    try:
        if paths is not None:
            st.session_state.pop(IMPORT_PROBLEMS, None)
            refuse_imported(paths)
            return read_config(paths)
        problems = [Problem(what, "there is no such run.")]
    except ConfigError as error:
        problems = error.problems
    except LabError as error:
        problems = [Problem(what, error.message, error.hint)]
    st.session_state[IMPORT_PROBLEMS] = (run_id, problems)
    return None


def follow_fork(form: FormState, run_id: str, step: int | None) -> None:
    """Make the form a fork of this run, once: of its checkpoint nearest to the step, at or below it if there is one."""
    if form.origin == f"{FORK}:{run_id}":
        return
    form.origin = f"{FORK}:{run_id}"
    config, paths = settings_of(run_id, "fork"), find_run(run_id)
    if config is None or paths is None:
        return
    at = saved_steps(paths).nearest(step)
    if at is None:
        no_checkpoint = Problem("fork", "it has no checkpoint to go on from.", "Clone it to train from the beginning.")
        st.session_state[IMPORT_PROBLEMS] = (run_id, [no_checkpoint])
        return
    fill_fork(form, run_id, config, at)
    set_in_url(**{STEP: at})


def fill_fork(form: FormState, run_id: str, config: RunConfig, step: int) -> None:
    """Fill the form with the settings of a fork: the parent's, another name, and steps to do."""
    named = config.model_copy(update={"name": next_name(config.name, names_in_use(runs_root()))})
    form.load_child(named, f"{FORK}:{run_id}", config, run_id, step)
    make_room(form)


def make_room(form: FormState) -> None:
    """When the parent has done all its steps at the checkpoint: as many again."""
    steps, step = form.value("optim.max_steps"), form.fork_step or 0
    if form.parent is not None and isinstance(steps, int) and steps <= step:
        set_value(form.draft, "optim.max_steps", step + form.parent.optim.max_steps)
        form.redraw()


def draw_fork_start(form: FormState) -> None:
    """Which checkpoint is gone on from, and the way out of forking."""
    name = form.parent.name if form.parent else form.parent_id
    st.text(f"A fork of “{one_line(name, 100)}”", width="stretch")
    st.caption(HOW)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choose_checkpoint(form)
        st.button(
            "Train from the beginning instead", key="new_run.as_clone", icon=":material/content_copy:",
            on_click=turn_into_clone, args=(form,), help="A clone: these settings, the model before any training.",
        )  # fmt: skip


def choose_checkpoint(form: FormState) -> None:
    """A choice among the checkpoints that the parent has now; the form's own is kept in it."""
    paths = find_run(form.parent_id)
    saved = saved_steps(paths) if paths is not None else Saved((), None)
    current = form.fork_step or 0
    steps = sorted({*saved.steps, current}, reverse=True)
    key = f"{form.prefix}.checkpoint"

    def choose() -> None:
        form.fork_step = st.session_state[key]
        if form.prefix == "new_run":
            set_in_url(**{STEP: form.fork_step})
        make_room(form)

    st.session_state[key] = current
    st.selectbox(
        "From the checkpoint of", steps, key=key, on_change=choose, format_func=lambda step: step_words(step, saved),
        width=330,
    )  # fmt: skip


def step_words(step: int, saved: Saved) -> str:
    """Step 50, or with what its evaluation was best in."""
    if saved.best is None or saved.best.step != step:
        return f"step {step:,}"
    best = saved.best
    return one_line(
        f"step {step:,}, the best held-out {measure_words(best.metric)}: {measure_value(best.metric, best.value)}",
        100,
    )


def leave_fork(form: FormState) -> None:
    """Keep the settings, and leave the checkpoint: the form is that of a clone."""
    form.fork_step, form.origin = None, f"{CLONE}:{form.parent_id}"
    form.redraw()


def turn_into_clone(form: FormState) -> None:
    leave_fork(form)
    set_in_url(**{FORK: None, STEP: None, CLONE: form.parent_id})
