"""The groups of one step: a list of them, and one in full beside it. What the Groups page shows first."""

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import GROUP_KINDS
from dashboard.views.group_detail import group_detail
from dashboard.views.group_rows import advantage_reach, group_row_list, group_rows
from dashboard.wording import plural
from engine.config import RunConfig
from engine.config_loss import has_scaled_advantages
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader

ALL = "every group"
DISCARDED = "discarded"
ROWS_PER_PAGE = 60
LIST_HEIGHT = 720


def step_groups(paths: RunPaths, reader: RunReader, config: RunConfig, step: int) -> None:
    """List the groups of a step; the one that the URL names, or the first with signal, in full."""
    groups = reader.groups(step)
    if groups.empty:
        st.info(f"Step {step:,} is not stored.")
        return
    place = min(state.number_in_url(state.GROUP) or first_of_interest(groups), len(groups))
    left, right = st.columns([1, 2], gap="medium")
    with left:
        list_groups(reader, config, step, groups, place)
    with right:
        group_detail(paths, reader, config, groups.iloc[place - 1], len(groups))


def first_of_interest(groups: pd.DataFrame) -> int:
    """The group shown when none was chosen: the first with signal, else the first."""
    mixed = groups.index[groups["kind"] == "mixed"]
    return int(mixed[0]) + 1 if len(mixed) else 1


def list_groups(reader: RunReader, config: RunConfig, step: int, groups: pd.DataFrame, place: int) -> None:
    chosen = choose_kind(config.rollout.dynamic_sampling)
    discarded = groups["discarded"].notna()
    st.caption(counts_in_words(groups["kind"], int(discarded.sum())))
    completions = reader.completions(step)
    reach = advantage_reach(completions["advantage"], scaled=has_scaled_advantages(config.loss))
    order = groups.assign(last=discarded).sort_values(["last", "mean"], kind="stable").index
    rows = group_row_list(groups.loc[order], completions, reach)
    wanted = [row for row in rows if chosen in (ALL, row.kind) or (chosen == DISCARDED and row.discarded)]
    with st.container(height=LIST_HEIGHT, border=False):
        group_rows(
            wanted[:ROWS_PER_PAGE], key="groups_list", step=step, selected=place,
            on_pick=lambda pick: state.set_in_url(step=pick.step, group=pick.group, completion=None),
        )  # fmt: skip
        if len(wanted) > ROWS_PER_PAGE:
            st.caption(f"The first {ROWS_PER_PAGE} of {len(wanted)}; narrow the choice above to see others.")


def choose_kind(dynamic: bool) -> str:
    """Which groups to list. The choice has one more option, and is another widget, in a run with dynamic sampling."""
    options = [ALL, *GROUP_KINDS, *([DISCARDED] if dynamic else [])]
    return st.segmented_control(
        "Show groups", options, default=ALL, required=True, wrap=True,
        key="group_filter_dynamic" if dynamic else "group_filter",
        format_func=lambda name: GROUP_KINDS[name][0] if name in GROUP_KINDS else name,
    )  # fmt: skip


def counts_in_words(kinds: pd.Series, num_discarded: int) -> str:
    counts = kinds.value_counts()
    words = ", ".join(f"{counts[name]} {look[0]}" for name, look in GROUP_KINDS.items() if name in counts)
    last = f" {num_discarded} of them were discarded by dynamic sampling, and come last." if num_discarded else ""
    return f"{plural(len(kinds), 'group')}: {words}. Lowest mean reward first.{last}"
