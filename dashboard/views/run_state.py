"""What the state of a run asks for: buttons that fit it, and, where something ended badly, what to do next."""

import time

import streamlit as st

from dashboard import state
from dashboard.text import as_label, visible
from dashboard.views.fork_dialog import ask_fork
from dashboard.wording import duration
from engine.errors import LabError
from engine.runs import launch
from engine.runs.paths import RunPaths, runs_root
from engine.runs.process import read_launch
from engine.runs.reader import RunReader
from engine.runs.records import MONITOR_FAILS
from engine.runs.status import RunStatus, log_tail

LOADING = "loading"  # the engine's word for what comes before the first step
TAIL_LINES = 30
FEW_LINES = 8
TAIL_HEIGHT = 200  # pixels


def run_buttons(paths: RunPaths, status: RunStatus) -> None:
    """Stop, Resume or Start, Fork, Clone, Groups and Compare, in one row."""
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if status.is_live:
            stopping = status.state == "stopping"
            label = "Stopping…" if stopping else "Stop"
            if st.button(label, icon=":material/stop:", disabled=stopping, help="Saves a checkpoint, then ends."):
                launch.stop_run(paths)
                st.rerun()
            if status.state in ("stopping", "stalled"):
                _end_now(paths)
        elif status.can_resume:
            label = "Start" if status.state == "new" else "Resume"
            help_text = "Continues from the newest checkpoint. Stored steps stay."
            if st.button(label, icon=":material/play_arrow:", type="primary", help=help_text):
                _resume(paths)
        if status.state == "imported":
            _look_buttons(paths)
            return
        fork_help = "Goes on from a checkpoint with other settings, in a run of its own."
        if st.button("Fork…", key="run.fork", icon=":material/call_split:", help=fork_help):
            ask_fork(paths, state.number_in_url(state.STEP), state.RUN_PAGE)
        if st.button("Clone", icon=":material/content_copy:", help="Opens New run with these settings."):
            state.go(state.NEW_RUN_PAGE, clone=paths.run_id)
        _look_buttons(paths)


def _look_buttons(paths: RunPaths) -> None:
    if st.button("Groups", icon=":material/grid_view:", help="Every completion of a step, with its arithmetic."):
        state.go(state.GROUPS_PAGE, run=paths.run_id)
    if st.button("Compare", icon=":material/compare_arrows:", help="This run beside its relatives or another run."):
        state.go(state.COMPARE_PAGE, run=paths.run_id)


def run_notice(paths: RunPaths, status: RunStatus) -> None:
    """A box for states that need words; nothing for a run that goes well."""
    match status.state:
        case "starting" | "running" if is_loading(status):
            st.info(f"The engine is starting. {waiting(paths, status)}", icon=":material/hourglass_top:")
        case "stalled":
            st.warning(as_label(status.detail, 500), icon=":material/warning:")
            st.caption("It may be in a very slow step. If it does not go on, end it and resume from the checkpoint.")
        case "interrupted":
            st.warning(as_label(status.detail, 500), icon=":material/warning:")
            stored = f"the steps stored here, up to step {status.step:,}, stay as they are"
            st.caption(f"Resume continues from the newest checkpoint; {stored}.")
        case "failed":
            sentence, _, errors = status.detail.partition("\n\n")  # below: the tracebacks of the user's own reward
            st.error(as_label(sentence, 4000), icon=":material/error:")
            if errors:
                st.code(visible(errors), language=None, wrap_lines=True, height=TAIL_HEIGHT)
            st.caption("Clone the run to change its settings, or resume it as it is. The engine's last words:")
            words = log_tail(paths, TAIL_LINES)
            is_long = len(words) > FEW_LINES
            text = visible("\n".join(words)) or "(nothing)"
            st.code(text, language=None, wrap_lines=True, height=TAIL_HEIGHT if is_long else "content")
        case "finished" if status.stopped_early:
            st.info(as_label(status.detail, 500), icon=":material/flag:")
            st.caption("Nothing is left to do. Clone the run to train on with more patience.")
        case "imported":
            st.caption(as_label(status.detail, 500))
        case "new":
            st.info("This run has not been started yet.", icon=":material/info:")


def monitor_notices(reader: RunReader) -> None:
    """A box for each monitor that failed too often. A run with one goes well: nothing is learned from it."""
    for message in reader.messages(MONITOR_FAILS):
        st.warning(as_label(message, 1000), icon=":material/visibility_off:")


def is_loading(status: RunStatus) -> bool:
    """Whether the engine has not come so far as to train."""
    return status.state == "starting" or (status.heartbeat is not None and status.heartbeat.phase == LOADING)


def waiting(paths: RunPaths, status: RunStatus) -> str:
    """How long the engine has been starting, and what it is loading."""
    started = read_launch(paths)
    words = f"{duration(time.time() - started.at)} so far." if started else ""
    beat = status.heartbeat
    if beat is not None and (started is None or beat.at > started.at):
        words += f" Now: {as_label(beat.phase)} {as_label(beat.detail)}"
    return words


def _resume(paths: RunPaths) -> None:
    try:
        launch.resume_run(runs_root(), paths.run_id)
    except LabError as error:
        st.error(as_label(str(error), 500))
        return
    st.rerun()


def _end_now(paths: RunPaths) -> None:
    with st.popover("End now", icon=":material/power_settings_new:"):
        st.write("Ends the engine process. Steps since its newest checkpoint are computed again when it is resumed.")
        if st.button("End the engine", type="primary"):
            with st.spinner("Ending…"):
                ended = launch.kill_run(paths)
            if not ended:
                st.error("No living process is provably the engine of this run, so nothing was ended.")
                return
            st.rerun()
