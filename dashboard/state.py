"""Where a page's state lives: run, step, group and completion in the URL, so that a link or a reload shows the same.

No step in the URL means: follow the newest. Groups and completions count from 1 in the URL, as they do on the page.
"""

from typing import Final

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from engine.errors import RunNotFoundError
from engine.preflight.folder import is_preflight_id, open_preflight
from engine.runs.paths import RunPaths, open_run, runs_root

RUN: Final = "run"
STEP: Final = "step"
GROUP: Final = "group"
COMPLETION: Final = "completion"
VIEW: Final = "view"  # Groups: what it shows of the run
RUNS: Final = "runs"  # Compare: which runs, their ids with commas between them
METRIC: Final = "metric"  # Compare: which curves, with commas between them
AXIS: Final = "x"  # Compare: what the curves stand over
SMOOTHING: Final = "smoothing"  # Compare: how much they are smoothed
PROMPT: Final = "prompt"  # Compare: the prompt whose answers are shown
PANEL: Final = "panel"  # Groups: what is looked at below a group's completions
QUERY: Final = "q"  # Groups, Search: the phrase
FILTERS: Final = "filters"  # Groups, Search: the filters as JSON
TOKEN: Final = "token"  # Groups: one token of the completion; means nothing without `completion`
MEASURE: Final = "measure"  # Groups: by which number tokens are coloured and ranked
CLONE: Final = "clone"  # New run: the run whose settings fill the form
CHANGES: Final = "set"  # New run: settings in which the clone differs, as JSON: dotted field → value
REWARD: Final = "reward"  # Rewards: which reward of the draft is checked
FILE: Final = "file"  # Rewards: which of the saved files is open
FORK: Final = "fork"  # New run: the run that is gone on from, after the step of STEP

GOING: Final = "going"  # in the session: (page, keys of its URL) that the next run of the script leaves for
RUNS_PAGE: Final = "app_pages/runs.py"
NEW_RUN_PAGE: Final = "app_pages/new_run.py"
RUN_PAGE: Final = "app_pages/run.py"
GROUPS_PAGE: Final = "app_pages/groups.py"
COMPARE_PAGE: Final = "app_pages/compare.py"
REWARDS_PAGE: Final = "app_pages/rewards.py"


def chosen_run(*, or_preflight: bool = False) -> RunPaths | None:
    """The run that the URL names, or None when it names none. Raises RunNotFoundError for one that does not exist.

    or_preflight: it may be a pre-flight, too.
    """
    run_id = st.query_params.get(RUN)
    if or_preflight and run_id and is_preflight_id(run_id):
        return open_preflight(runs_root(), run_id)
    return open_run(runs_root(), run_id) if run_id else None


def find_run(run_id: str) -> RunPaths | None:
    """The run with this id, or None."""
    try:
        return open_run(runs_root(), run_id)
    except RunNotFoundError:
        return None


def number_in_url(key: str) -> int | None:
    """A positive whole number from the URL; None when it is missing or something else."""
    text = st.query_params.get(key, "")
    return (int(text) or None) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def set_in_url(**values: str | int | None) -> None:
    """Set or, with None, remove keys of the URL. The others stay."""
    for key, value in values.items():
        if value is None:
            st.query_params.pop(key, None)
        else:
            st.query_params[key] = str(value)


def show(
    step: int | None, group: int | None, completion: int | None = None, token: int | None = None, **others: str | None
) -> None:
    """Put a place into the URL, from 1, and nothing of the place before: a token means its own completion alone."""
    set_in_url(step=step, group=group, completion=completion, token=token, **others)


def go(page: str, **values: str | int) -> None:
    """Leave for another page with this state: from a page, a fragment or a callback. Does not return.

    A page that is switched from inside a fragment that ticks may stay blank: Streamlit then draws what the fragment
    still sends, or what its next tick asks for, into the new page. So the whole app runs again, and `follow` switches.
    """
    st.session_state[GOING] = (page, {key: str(value) for key, value in values.items()})
    st.rerun(scope="app")


def follow() -> None:
    """Switch to the page that `go` has asked for, if it has: at the start of the script, outside of every fragment.

    The fragments of the page that is left are forgotten first. A tick that the browser sent before it heard of the
    other page would else run after that one, take the session back to the page that was left, and leave it blank;
    Streamlit drops a tick of a fragment that it does not know.
    """
    if GOING in st.session_state:
        if (run := get_script_run_ctx()) is not None:
            run.fragment_storage.clear()
        page, query = st.session_state.pop(GOING)
        st.switch_page(page, query_params=query)
