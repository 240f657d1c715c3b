"""One run, live: how it is doing, what its rewards, groups and policy do, its newest groups, its log."""

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.live_plot import Click, kpi_row, live_charts
from dashboard.live_run import live_run
from dashboard.views.fork_dialog import open_fork_dialog
from dashboard.views.group_rows import Pick, advantage_reach, group_row_list, group_rows
from dashboard.views.held_out_answers import held_out_answers
from dashboard.views.imported_run import import_facts, imported_line, recorded_charts, recorded_kpis
from dashboard.views.keys import keys
from dashboard.views.lineage_line import lineage_line
from dashboard.views.problem import explained
from dashboard.views.run_board import run_charts, run_kpis
from dashboard.views.run_choice import required_run
from dashboard.views.run_header import header_html, progress_html
from dashboard.views.run_log import run_log, run_settings
from dashboard.views.run_state import monitor_notices, run_buttons, run_notice
from dashboard.views.scrubber import scrubber, shown_step
from engine.config_loss import has_scaled_advantages
from engine.runs.imported import read_imported
from engine.runs.paths import read_config
from engine.runs.status import run_status

TICK_S = 1.0
MAX_ROWS = 12

paths = required_run("Run")
config = read_config(paths)
shown = run_status(paths)
imported = read_imported(paths)
run = live_run(paths)
tick = st.fragment(run_every=TICK_S if shown.is_live else None)


@tick
def head() -> None:
    with explained():
        status = run_status(paths)
        if status.state != shown.state:
            st.rerun()  # other buttons, other notices, and no more ticks once it has ended
        st.html(header_html(config, status, run.course(), imported_line(config, imported)))


@tick
def progress() -> None:
    with explained():
        status = run_status(paths)
        st.html(progress_html(status))
        run_notice(paths, status)
        monitor_notices(run.reader)


@tick
def body() -> None:
    with explained():
        course = run.course()
        kpi_row(recorded_kpis(run_kpis(config, course), imported), key="run_kpis")
        step = shown_step(course.last_step, course.first_step)
        groups, completions = run.reader.groups(step), run.reader.completions(step)
        trained = completions[~completions["group_index"].isin(groups["group_index"][groups["discarded"].notna()])]
        drawn = recorded_charts(run_charts(config, course, step, trained), imported)
        live_charts(drawn, key="run_charts", on_click=follow_click)
        if step:
            scrubber(course.last_step, oldest=course.first_step, live=shown.is_live)
            keys(course.last_step, oldest=course.first_step)
        newest_groups(step, groups, completions)


def follow_click(click: Click) -> None:
    """A click on a column of the heat map shows its step; one on an advantage opens its group."""
    if click.chart == "reward-heatmap" and click.x >= 1:
        state.show(int(click.x), None)
    elif click.chart == "advantages" and len(click.data) == 4:
        group, _, _, of_step = click.data
        open_group(Pick(int(of_step), int(group)))


def open_group(pick: Pick) -> None:
    state.go(state.GROUPS_PAGE, run=paths.run_id, step=pick.step, group=pick.group)


def newest_groups(step: int, groups: pd.DataFrame, completions: pd.DataFrame) -> None:
    """The groups that the step trained on, those with signal first; then those that it discarded."""
    num_discarded = int(groups["discarded"].notna().sum())
    order = groups.assign(last=groups["discarded"].notna(), flat=groups["kind"] != "mixed")
    groups = groups.loc[order.sort_values(["last", "flat"], kind="stable").index]
    reach = advantage_reach(completions["advantage"], scaled=has_scaled_advantages(config.loss))
    rows = group_row_list(groups, completions, reach)[:MAX_ROWS]
    fewer = f" The first {MAX_ROWS} of {len(groups)}: the page Groups has all." if len(groups) > MAX_ROWS else ""
    discarded = f" {num_discarded} of {len(groups)} were discarded by dynamic sampling." if num_discarded else ""
    st.caption(
        f"Groups of step {step:,}: a dot per completion, best reward first; a row opens its group.{discarded}{fewer}"
        if step
        else "The groups of the first step will appear here."
    )
    group_rows(rows, key="run_groups", step=step, layout="grid", on_pick=open_group)


live = st.container(key="live")
top = live.container(horizontal=True, vertical_alignment="top")
left, right = top.container(width="stretch"), top.container(width="content")
with right:
    run_buttons(paths, shown)
open_fork_dialog(state.RUN_PAGE)  # before the charts, which take longer
with left:
    head()
    lineage_line(paths)
with live:
    progress()
    body()
with st.expander("Held-out answers", icon=":material/quiz:", key="run_held_out", on_change="rerun") as held_out:
    if held_out.open:
        tick(explained()(held_out_answers))(run.reader)
with st.expander("Log", icon=":material/notes:", key="run_log", on_change="rerun") as log:
    if log.open:
        tick(explained()(run_log))(paths, run.reader)
with st.expander("Settings", icon=":material/settings:"):
    if imported is None:
        run_settings(paths, config)
    else:
        import_facts(config, imported)
