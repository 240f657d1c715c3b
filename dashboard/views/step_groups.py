"""The groups of one step: a list of them, and one in full beside it. What the Groups page shows first."""

from collections.abc import Callable
from functools import lru_cache

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import state
from dashboard.charts import GROUP_KINDS
from dashboard.views.completion_table import by_reward
from dashboard.views.group_detail import group_detail
from dashboard.views.group_rows import advantage_reach, group_row_list, group_rows
from dashboard.views.keys import Shown
from dashboard.views.shown_group import ShownGroup
from dashboard.wording import number, plural
from engine.config import RunConfig
from engine.config_loss import has_scaled_advantages
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader

ALL = "every group"
DISCARDED = "discarded"
COMPLETION_PANELS = ("tokens", "diff")  # about one completion, which keys can change; the first is shown at first
ROWS_PER_PAGE = 60
LIST_HEIGHT = 720


Rows = Callable[[int], tuple[pd.DataFrame, pd.DataFrame]]  # step → its groups and its completions


def rows_of(reader: RunReader) -> Rows:
    """What a page reads of a step, kept for the time that it is drawn: the keys and the page ask for the same."""
    return lru_cache(maxsize=1)(lambda step: (reader.groups(step), reader.completions(step)))


def step_groups(
    paths: RunPaths, reader: RunReader, rows: Rows, config: RunConfig, step: int, line: DeltaGenerator
) -> None:
    """List the groups of a step; the one that the URL names, or the first with signal, in full.

    line: a container above, where the best and the worst completion of the step are named.
    """
    groups, completions = rows(step)
    if groups.empty:
        logged = step in reader.steps(after=step - 1, columns=())["step"].tolist()[:1]
        what = "has numbers, but none of its completions were recorded" if logged else "is not stored"
        st.info(f"Step {step:,} {what}.")
        return
    place = shown_place(groups, state.number_in_url(state.GROUP))
    with line:
        best_and_worst(step, completions)
    left, right = st.columns([1, 2], gap="medium")
    with left:
        list_groups(config, step, groups, completions, place)
    with right:
        group = groups.iloc[place - 1]
        members = completions[completions["group_index"] == group["group_index"]].reset_index(drop=True)
        group_detail(ShownGroup(paths, reader, config, group, members), len(groups))


def look(rows: Rows, config: RunConfig, step: int, group: int | None) -> Shown:
    """What the keys move through: the groups as they are listed, and the completions of one by reward.

    Single completions only with a panel that is about one.
    """
    groups, completions = rows(step)
    if groups.empty:
        return Shown(1, ())
    place = shown_place(groups, group)
    chosen = st.session_state.get(filter_key(config.rollout.dynamic_sampling)) or ALL
    order = (listed(groups, chosen)["group_index"] + 1).tolist()[:ROWS_PER_PAGE]
    if st.query_params.get(state.PANEL, COMPLETION_PANELS[0]) not in COMPLETION_PANELS:
        return Shown(place, order)
    members = completions[completions["group_index"] == place - 1]
    ordered = (by_reward(members)["completion_index"] + 1).tolist()
    asked = state.number_in_url(state.COMPLETION)
    return Shown(place, order, asked if asked in ordered else next(iter(ordered), None), ordered)


def shown_place(groups: pd.DataFrame, asked: int | None) -> int:
    """The group that is shown, from 1: the one asked for, at most the last; without one the first of interest."""
    return min(asked or first_of_interest(groups), len(groups))


def best_and_worst(step: int, completions: pd.DataFrame) -> None:
    """The completions of highest and lowest reward of the step, as buttons that open them. Nothing without a reward."""
    totals = completions["total"]
    if not totals.notna().any():
        return
    with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
        for word, at in (("Best", totals.idxmax()), ("Worst", totals.idxmin())):
            row = completions.loc[at]
            group, place = int(row["group_index"]) + 1, int(row["completion_index"]) + 1
            alike = int((totals == row["total"]).sum()) - 1
            st.button(
                f"{word} of the step: {number(row['total'])}, #{place} of group {group}",
                key=f"open_{word}", type="tertiary", icon=":material/open_in_full:",
                help=f"{plural(alike, 'other completion')} of the step have the same reward." if alike else None,
                on_click=state.show, args=(step, group, place),
            )  # fmt: skip


def first_of_interest(groups: pd.DataFrame) -> int:
    """The group shown when none was chosen: the first with signal, else the first."""
    mixed = groups.index[groups["kind"] == "mixed"]
    return int(mixed[0]) + 1 if len(mixed) else 1


def list_groups(config: RunConfig, step: int, groups: pd.DataFrame, completions: pd.DataFrame, place: int) -> None:
    chosen = choose_kind(config.rollout.dynamic_sampling)
    discarded = groups["discarded"].notna()
    st.caption(counts_in_words(groups["kind"], int(discarded.sum())))
    reach = advantage_reach(completions["advantage"], scaled=has_scaled_advantages(config.loss))
    wanted = group_row_list(listed(groups, chosen), completions, reach)
    if not wanted:
        word = GROUP_KINDS[chosen][0] if chosen in GROUP_KINDS else chosen
        st.caption(f"No group of step {step:,} is “{word}”.")
        return
    with st.container(height=LIST_HEIGHT, border=False):
        group_rows(
            wanted[:ROWS_PER_PAGE], key="groups_list", step=step, selected=place,
            on_pick=lambda pick: state.show(pick.step, pick.group),
        )  # fmt: skip
        if len(wanted) > ROWS_PER_PAGE:
            st.caption(f"The first {ROWS_PER_PAGE} of {len(wanted)}; narrow the choice above to see others.")


def listed(groups: pd.DataFrame, chosen: str) -> pd.DataFrame:
    """The groups of a kind, or all, as they are listed: by mean reward, discarded ones last."""
    discarded = groups["discarded"].notna()
    order = groups.assign(last=discarded).sort_values(["last", "mean"], kind="stable").index
    wanted = groups["kind"] == chosen if chosen not in (ALL, DISCARDED) else discarded | (chosen == ALL)
    return groups.loc[[index for index in order if wanted[index]]]


def filter_key(dynamic: bool) -> str:
    return "group_filter_dynamic" if dynamic else "group_filter"


def choose_kind(dynamic: bool) -> str:
    """Which groups to list. The choice has one more option, and is another widget, in a run with dynamic sampling."""
    options = [ALL, *GROUP_KINDS, *([DISCARDED] if dynamic else [])]
    return st.segmented_control(
        "Show groups", options, default=ALL, required=True, wrap=True,
        key=filter_key(dynamic),
        format_func=lambda name: GROUP_KINDS[name][0] if name in GROUP_KINDS else name,
    )  # fmt: skip


def counts_in_words(kinds: pd.Series, num_discarded: int) -> str:
    counts = kinds.value_counts()
    words = ", ".join(f"{counts[name]} {look[0]}" for name, look in GROUP_KINDS.items() if name in counts)
    last = f" {num_discarded} of them were discarded by dynamic sampling, and come last." if num_discarded else ""
    return f"{plural(len(kinds), 'group')}: {words}. Lowest mean reward first.{last}"
