"""Re-score: other rewards on the stored completions of a run, what that changes, and the run that starts with them."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.live_plot import live_charts
from dashboard.rescore_charts import before_after_chart
from dashboard.text import as_label, one_line, visible
from dashboard.views.form_fork import settings_of
from dashboard.views.form_state import form_state
from dashboard.views.rescore_choice import choose, problem_words, with_rewards
from dashboard.views.rescore_html import (
    AS_THEY_WERE,
    list_change,
    newly_missing,
    passes_html,
    read_html,
    rewards_html,
    sentence,
    signal_words,
)
from dashboard.views.run_choice import LAST_RUN, NUM_OFFERED
from dashboard.views.task_progress import task_progress
from dashboard.wording import ago, plural
from engine.child_task import ChildTask
from engine.config import RewardSpec, RunConfig
from engine.config_io import parse_config, pass_reward
from engine.errors import ConfigError, LabError
from engine.rescore_client import (
    ReadRow,
    Rescored,
    RescoreRequest,
    list_rescored,
    read_rows,
    start_rescore,
    stored_rescore,
)
from engine.rewards.python_file import NAME as PYTHON_FILE
from engine.rewards.registry import deciding_reward
from engine.runs.imported import is_imported
from engine.runs.naming import names_in_use, next_name
from engine.runs.paths import RunPaths, list_runs, read_config, runs_root
from engine.runs.process import started_in

TASK: Final = "rescore.task"  # (run id, key of the question, task) of the one under way
FOUND: Final = "rescore.found"  # (run id, key of the question, result) of the last one
TICK_S: Final = 0.5
WHAT: Final = (
    "Scores completions that the run has stored once more, and sets what they would have earned beside what they "
    "earned. Nothing is trained, and the run stays as it is."
)


def rescore_view() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        paths = _choose_run()
        config = None if paths is None else read_config(paths)
        earlier = None if paths is None or config is None else _choose_earlier(paths, config)
    if paths is None or config is None:
        st.info("There is no run yet whose completions could be scored.", icon=":material/info:")
        st.page_link(state.NEW_RUN_PAGE, label="Set up a run", icon=":material/add:")
        return
    try:
        request = choose(paths, config)
    except ConfigError as error:
        st.error(problem_words(error.problems), icon=":material/error:")
        request = None
    if TASK in st.session_state:
        _progress()
        return
    found, is_of_this = _answer(paths, request)
    _draw_button(paths, request, again=is_of_this and found is not None)
    _draw_answer(paths, config, earlier or found, earlier is not None or is_of_this)


def _choose_run() -> RunPaths | None:
    """The run that the URL names, else the one last looked at, else the newest."""
    runs = {paths.run_id: paths for paths in list_runs(runs_root())[:NUM_OFFERED]}
    asked = st.query_params.get(state.RUN) or st.session_state.get(LAST_RUN, "")
    if asked and asked not in runs:
        if (found := state.find_run(asked)) is not None:
            runs[asked] = found
        elif st.query_params.get(state.RUN):
            st.warning(f"There is no run {as_label(asked)}.", icon=":material/warning:")
    if not runs:
        return None
    key = "rescore.run"
    st.session_state[key] = asked if asked in runs else next(iter(runs))
    run_id: str = st.selectbox(
        "Run", list(runs), key=key, format_func=one_line, width=340,
        on_change=lambda: state.set_in_url(**{state.RUN: st.session_state[key]}),
    )  # fmt: skip
    st.session_state[LAST_RUN] = run_id
    return runs[run_id]


def question(request: RescoreRequest) -> str:
    return hashlib.sha256(json.dumps(asdict(request), sort_keys=True).encode()).hexdigest()


def _draw_button(paths: RunPaths, request: RescoreRequest | None, *, again: bool) -> None:
    st.button(
        "Re-score again" if again else "Re-score", key="rescore.start", icon=":material/calculate:",
        type="secondary" if again else "primary", disabled=request is None, on_click=_start, args=(paths, request),
    )  # fmt: skip


def _start(paths: RunPaths, request: RescoreRequest | None) -> None:
    if request is None or TASK in st.session_state:  # a second click, before the button is gone
        return
    st.session_state.pop(earlier_key(paths), None)
    key = question(request)
    try:
        st.session_state[TASK] = (paths.run_id, key, start_rescore(request, cwd=started_in(paths)))
    except LabError as error:
        st.session_state[FOUND] = (paths.run_id, key, Rescored(paths.run_id, problem=str(error)))


def earlier_key(paths: RunPaths) -> str:
    return f"rescore.{paths.run_id}.earlier"


@st.fragment(run_every=TICK_S)
def _progress() -> None:
    """How far it is, twice a second, until it has ended."""
    if TASK not in st.session_state:
        st.rerun(scope="app")
    run_id, key, task = st.session_state[TASK]
    if task.finished:
        _finish(run_id, key, task)
    done, total = task.progress.done, task.progress.total
    doing = f"{task.progress.doing}, {done:,} of {total:,} steps done" if total else "Starting a process"
    task_progress(task, doing, TASK, "rescore.cancel")


def _finish(run_id: str, key: str, task: ChildTask[Rescored]) -> None:
    st.session_state[FOUND] = (run_id, key, task.result())
    st.session_state.pop(TASK, None)
    st.rerun(scope="app")


def _draw_answer(paths: RunPaths, config: RunConfig, found: Rescored | None, is_of_this: bool) -> None:
    """The answer to what is asked, or the last one as what it is."""
    if found is None:
        st.caption(WHAT)
        return
    if not is_of_this:
        st.warning(
            "What follows is of an earlier re-score: the reward, its settings, its file or the run changed since.",
            icon=":material/history:",
        )
    _draw(paths, config, found)


def _answer(paths: RunPaths, request: RescoreRequest | None) -> tuple[Rescored | None, bool]:
    """What is known of this run, and whether it is what is asked."""
    run_id, key, found = st.session_state.get(FOUND, ("", "", None))
    found = found if run_id == paths.run_id else None
    if request is None:
        return found, False
    if found is not None and key == question(request) and (found.problem or not found.file):
        return found, True
    try:
        stored = stored_rescore(request, cwd=started_in(paths))
    except LabError as error:
        return Rescored(paths.run_id, problem=str(error)), True
    return (stored, True) if stored is not None else (found, False)


def _choose_earlier(paths: RunPaths, config: RunConfig) -> Rescored | None:
    """One of those that were asked before."""
    there = {found.file: found for found in list_rescored(paths)}
    if not there:
        return None
    key = earlier_key(paths)
    if st.session_state.get(key) not in there:
        st.session_state.pop(key, None)
    now = time.time()
    chosen = st.selectbox(
        "Earlier re-scores of this run", list(there), index=None, key=key, width=400,
        placeholder=f"Choose one of {len(there):,}", format_func=lambda file: one_line(
            f"{list_change(there[file].rewards, config)} · {ago(now - there[file].at)}", 90
        ),
    )  # fmt: skip
    return there.get(chosen) if chosen else None


def _draw(paths: RunPaths, config: RunConfig, found: Rescored) -> None:
    if found.problem or found.summary is None:
        st.error(as_label(found.problem or "Nothing was scored.", 1000), icon=":material/error:")
        return
    summary = found.summary
    tone = st.info if newly_missing(summary) is None else st.warning
    tone(as_label(sentence(summary), 500), icon=":material/compare_arrows:")
    st.caption(
        as_label(
            f"{list_change(found.rewards, config)}. {plural(summary.num_completions, 'completion')} of {found.words}, "
            f"{found.seconds:.1f} s. {signal_words(summary)}",
            1000,
        )
    )
    is_other = list_change(found.rewards, config) != AS_THEY_WERE
    if is_other and not is_imported(paths):
        st.button(
            "Start a run with this reward", key="rescore.use", icon=":material/rocket_launch:",
            on_click=start_with, args=(paths, found),
            help="Opens the form for a new run: this run cloned, with this list.",
        )  # fmt: skip
    left, right = st.columns([1, 2], gap="large")
    with left:
        after = [RewardSpec.model_validate(spec) for spec in found.rewards]
        wanted = config.evaluation.pass_reward
        decides = deciding_reward(wanted if wanted in {spec.name for spec in after} else None, after)
        st.html(passes_html(summary.passes, pass_reward(config), decides))
    with right:
        st.html(rewards_html(summary.rewards, found.scored))
    if found.traceback:
        with st.expander("The first failure of your reward", icon=":material/bug_report:"):
            st.code(visible(found.traceback[:4000]), language=None)
    _draw_charts(found)
    _draw_reading(paths, "whose total rises most", found.raised)
    _draw_reading(paths, "whose total falls most", found.lowered)


def _draw_charts(found: Rescored) -> None:
    if not found.file:
        st.caption("Not all steps were scored in time, so that single values were not kept, and there is no chart.")
        return
    if found.summary is not None and not found.summary.changed and not any(c.changed for c in found.summary.rewards):
        return  # every dot would lie on the line
    rows = _rows(found.file, found.at, found)
    changed = next((one.name for one in (found.summary.rewards if found.summary else ()) if one.changed), None)
    drawn = [before_after_chart(rows)]
    drawn += [before_after_chart(rows, changed)] if changed is not None else []
    live_charts(drawn, key="rescore_charts", on_click=lambda _: None)


@st.cache_data(max_entries=8, show_spinner=False)
def _rows(file: str, at: float, _found: Rescored) -> pd.DataFrame:
    """The values of every completion, of a file written at this time."""
    rows = read_rows(_found)
    return rows[[name for name in rows if name.startswith(("before/", "after/", "total_"))]]


def _draw_reading(paths: RunPaths, what: str, rows: Sequence[ReadRow]) -> None:
    """Completions side by side, and below them a link to the group of each."""
    if not rows:
        return
    st.subheader(f"Completions {what}", anchor=False)
    st.html(read_html(rows, f"Completions {what}"))
    with st.container(horizontal=True, gap="small"):
        for place, row in enumerate(rows, start=1):
            st.page_link(
                state.GROUPS_PAGE, label=f"{place}: step {row.step:,}, group {row.group_index + 1}",
                query_params={
                    state.RUN: paths.run_id, state.STEP: str(row.step), state.GROUP: str(row.group_index + 1),
                    state.COMPLETION: str(row.completion_index + 1),
                },
            )  # fmt: skip


def start_with(paths: RunPaths, found: Rescored) -> None:
    """A callback: fill the form with a clone of this run that has this list of rewards, and go there."""
    before = settings_of(paths.run_id, "clone")
    if before is None:
        return
    form = form_state()
    try:
        after = parse_config(with_rewards(before, tuple(map(unpinned, found.rewards))))
    except ConfigError as error:
        st.session_state[FOUND] = (paths.run_id, "", Rescored(paths.run_id, problem=problem_words(error.problems)))
        return
    named = after.model_copy(update={"name": next_name(before.name, names_in_use(runs_root()))})
    form.load_child(named, f"{state.CLONE}:{paths.run_id}", before, paths.run_id, None)
    form.to_open.append("rewards")
    st.session_state[state.GOING] = (state.NEW_RUN_PAGE, {state.CLONE: paths.run_id})


def unpinned(spec: Any) -> dict[str, Any]:
    """A file as it is when the new run is made; a run's own copy, which no saved file has any more, stays pinned."""
    if (spec.get("function") or spec.get("name")) != PYTHON_FILE or not Path(spec["params"]["path"]).is_file():
        return dict(spec)
    return {**spec, "params": {**spec["params"], "sha256": ""}}
