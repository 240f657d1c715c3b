"""Where a run came from and what came from it, as links in one line under its head."""

import streamlit as st

from dashboard.state import RUN, RUN_PAGE, STEP, find_run
from dashboard.text import as_label, one_line
from engine.errors import LabError
from engine.runs.lineage import Origin, children, origins
from engine.runs.manage import run_summary, trashed_ids
from engine.runs.paths import RunPaths, list_runs, runs_root

MAX_CHILDREN = 6
NAME_LIMIT = 40


def lineage_line(paths: RunPaths) -> None:
    """The parent, and the newest forks and clones of this run; nothing for a run without either."""
    known = origins(list_runs(runs_root()))
    origin, young = known.get(paths.run_id), children(paths.run_id, known)
    if origin is None and not young:
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lineage"):
        if origin is not None:
            parent_link(origin)
        for run_id, came in young[:MAX_CHILDREN]:
            words = f"fork at step {came.step:,}" if came.kind == "fork" else "clone"
            label = f"{words}: {as_label(run_name(run_id), NAME_LIMIT)}"
            st.page_link(RUN_PAGE, label=label, icon=":material/subdirectory_arrow_right:", query_params={RUN: run_id})
        if len(young) > MAX_CHILDREN:
            st.caption(f"and {len(young) - MAX_CHILDREN:,} more, on the page Runs")


def parent_link(origin: Origin) -> None:
    """A link to the parent at the step that was gone on from, or words when it is there no longer."""
    if origin.kind == "import" or find_run(origin.parent) is None:
        st.caption(as_label(origin_words(origin), 300))
        return
    label = as_label(run_name(origin.parent, origin.parent_name), NAME_LIMIT)
    where = {RUN: origin.parent, **({STEP: str(origin.step)} if origin.step else {})}
    words = f"fork of {label} at step {origin.step:,}" if origin.kind == "fork" else f"clone of {label}"
    st.page_link(RUN_PAGE, label=words, icon=":material/call_split:", query_params=where)


def origin_words(origin: Origin) -> str:
    """Where a run came from whose parent is not there."""
    name = one_line(origin.parent_name or origin.parent, NAME_LIMIT)
    if origin.kind == "import":
        return f"imported from {name}"
    gone = "in the trash" if origin.parent in trashed_ids(runs_root()) else "deleted"
    how = f"fork of {name} at step {origin.step:,}" if origin.kind == "fork" else f"clone of {name}"
    return f"{how} ({gone})"


def run_name(run_id: str, otherwise: str = "") -> str:
    """What a run is called now, as far as it can be read."""
    paths = find_run(run_id)
    try:
        return run_summary(paths).name if paths is not None else otherwise or run_id
    except LabError:
        return otherwise or run_id
