"""Pre-flight on the New-run page: the button, progress while it runs, and what was found, as far as it still fits.

What is shown is found on disk by the settings of the form, so that a reload, or another tab, shows the same.
"""

import time
from typing import Final

import streamlit as st

from dashboard.text import as_html, as_label
from dashboard.views.form_plan import differences
from dashboard.views.form_preflight_result import draw_result
from dashboard.views.form_state import FormState
from dashboard.wording import duration, plural
from engine.config import RunConfig
from engine.errors import LabError, RunNotFoundError
from engine.file_stamps import changed_words
from engine.preflight.folder import (
    PROMPTS,
    cancel_preflight,
    changed_files,
    find_preflight,
    open_preflight,
    relevant,
    result_path,
    start_preflight,
    with_contents,
)
from engine.preflight.result import read_result
from engine.runs.paths import RunPaths, read_config, runs_root
from engine.runs.process import read_launch
from engine.runs.status import RunStatus, run_status

TICK_S: Final = 1.0
PROMPT_CHOICES: Final = (8, 16, 32, 64)
WHAT: Final = (
    "Asks the model a few prompts of this run before anything is trained, scores the answers with these rewards, and "
    "makes one update that is thrown away: what to expect of the groups, the time and the memory."
)
PHASE_WORDS: Final = {
    "loading": "Loading", "rollout": "Sampling", "scoring": "Scoring", "update": "One update", "saving": "Saving",
}  # fmt: skip
MAX_SHOWN = 12  # settings that differ


def draw_preflight(form: FormState, config: RunConfig) -> None:
    st.subheader("Pre-flight", anchor=False)
    if form.fork_step is not None:
        st.caption("A fork goes on from a checkpoint, and a pre-flight looks at a model before training.")
        return
    try:
        _draw(form, config)
    except LabError as error:
        st.error(as_label(str(error), 1000), icon=":material/error:")


def _draw(form: FormState, config: RunConfig) -> None:
    config = with_contents(config)  # so that a reward file that was edited since counts as a change
    paths = _shown(form, config)
    status = None if paths is None else run_status(paths)
    if paths is not None and status is not None and status.is_live:
        _progress(paths)
        return
    _draw_button(form, config, again=paths is not None)
    if paths is None or status is None:
        st.caption(WHAT)
    elif status.state == "finished":
        _draw_differences(paths, config)
        draw_result(form, paths, read_result(result_path(paths)))
    elif status.state != "stopped":  # cancelled
        st.error(as_label(f"The pre-flight {status.state}: {status.detail}", 2000), icon=":material/error:")


def _shown(form: FormState, config: RunConfig) -> RunPaths | None:
    """The pre-flight of these settings, else the last one of this form, which is then about other ones."""
    found = find_preflight(runs_root(), config)
    if found is None and form.preflight:
        try:
            found = open_preflight(runs_root(), form.preflight)
        except RunNotFoundError:  # cleared away since
            form.preflight = ""
    if found is not None:
        form.preflight = found.run_id
    return found


def _draw_button(form: FormState, config: RunConfig, *, again: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.button(
            "Pre-flight again" if again else "Pre-flight", key="new_run.preflight", icon=":material/flight_takeoff:",
            help=WHAT, disabled=form.starting is not None,
        ):  # fmt: skip
            prompts = int(st.session_state["new_run.preflight_prompts"])
            form.preflight = start_preflight(runs_root(), config, prompts=prompts).run_id
            st.rerun()
        st.selectbox(
            "Prompts", PROMPT_CHOICES, index=PROMPT_CHOICES.index(PROMPTS), key="new_run.preflight_prompts", width=130,
            format_func=lambda count: f"{count} prompts", label_visibility="collapsed",
            help="More prompts take longer and narrow the forecast.",
        )  # fmt: skip


@st.fragment(run_every=TICK_S)
def _progress(paths: RunPaths) -> None:
    """What the process does now, once a second, until it has ended."""
    try:
        status = run_status(paths)
    except LabError:  # being removed
        st.rerun(scope="app")
    if not status.is_live:
        st.rerun(scope="app")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        launch = read_launch(paths)
        so_far = duration(time.time() - launch.at) if launch else ""
        st.html(f'<div role="status"><b>{as_html(so_far)}</b> {as_html(_doing(status))}</div>')
        if st.button("Cancel", key="new_run.preflight_cancel", icon=":material/close:"):
            try:
                with st.spinner("Ending …"):
                    cancel_preflight(runs_root(), paths)
            except LabError as error:  # a rerun of this part alone: nobody above catches it
                st.error(as_label(str(error), 1000), icon=":material/error:")
                return
            st.rerun(scope="app")


def _doing(status: RunStatus) -> str:
    beat = status.heartbeat
    if beat is None or status.state == "starting":
        return "Starting a process …"
    return f"{PHASE_WORDS.get(beat.phase, beat.phase)}: {beat.detail}"


def _draw_differences(paths: RunPaths, config: RunConfig) -> None:
    """Which settings, and which files of data and models, have changed since, of those that matter."""
    then = read_config(paths)
    rows = differences(relevant(then), relevant(config))
    if files := changed_files(paths, then):  # of its own settings: those of the form may name other files
        outdated = f"Outdated: {changed_words(files)} changed since this pre-flight."
        st.warning(as_label(outdated, 400), icon=":material/history:")
    if not rows:
        return
    st.warning(f"Outdated: {plural(len(rows), 'setting')} changed since this pre-flight.", icon=":material/history:")
    lines = "".join(
        f"<tr><td>{as_html(label)}</td><td class='lab-num'>{as_html(old[:200])} → <b>{as_html(new[:200])}</b></td></tr>"
        for label, old, new in rows[:MAX_SHOWN]
    )
    st.html(f"<table style='border-spacing:.75rem .1rem;margin-left:-.75rem'>{lines}</table>")
