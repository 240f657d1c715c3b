"""Where a run came from and what came from it, as links in one line under its head."""

import streamlit as st

from dashboard.state import RUN_PAGE, STEP, find_run, go
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
            link(label, ":material/subdirectory_arrow_right:", f"lineage.{run_id}", run_id, 0)
        if len(young) > MAX_CHILDREN:
            st.caption(f"and {len(young) - MAX_CHILDREN:,} more, on the page Runs")


def parent_link(origin: Origin) -> None:
    """A link to the parent at the step that was gone on from, or words when it is there no longer."""
    if origin.kind == "import" or find_run(origin.parent) is None:
        st.caption(as_label(origin_words(origin), 300))
        return
    label = as_label(run_name(origin.parent, origin.parent_name), NAME_LIMIT)
    words = f"fork of {label} at step {origin.step:,}" if origin.kind == "fork" else f"clone of {label}"
    link(words, ":material/call_split:", "lineage.parent", origin.parent, origin.step)


def link(label: str, icon: str, key: str, run_id: str, step: int) -> None:
    """Leads to another run, at a step if it is not 0. A button: st.page_link does nothing on the page it leads to."""
    if st.button(label, key=key, icon=icon, type="tertiary"):
        go(RUN_PAGE, run=run_id, **({STEP: step} if step else {}))


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
