"""Groups as rows of dots: one dot per completion, sorted by reward, coloured by advantage. A row opens its group.

Filled dots are above their group's mean, rings below, small grey ones carry no signal: the colour says it twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.charts import GROUP_KINDS
from dashboard.style import asset
from dashboard.text import one_line
from dashboard.wording import number

MAX_DOTS = 64
SHARED = 12  # characters; a shorter common beginning is not worth hiding
LEVELS = 20  # shades between 0 and full colour

_rows = st.components.v2.component("grpo_lab.group_rows", js=asset("group_rows.js"), isolate_styles=False)


@dataclass(frozen=True)
class GroupRow:
    """A group as a row shows it. `group` counts from 1; `levels` are advantages in −1…1 of full colour, by reward."""

    group: int
    prompt: str
    levels: tuple[float, ...]
    mean: float
    kind: str


def advantage_reach(advantages: Sequence[float] | pd.Series, *, scaled: bool) -> float:
    """The |advantage| of full colour: 2 for advantages in standard deviations, else the largest of the step."""
    largest = float(np.nanmax(np.abs(advantages))) if len(advantages) else 0.0
    return 2.0 if scaled or largest == 0 else largest


def group_row_list(groups: pd.DataFrame, completions: pd.DataFrame, reach: float) -> list[GroupRow]:
    """Rows for the groups of one step, in the order given."""
    by_group = dict(iter(completions.groupby("group_index")))
    prompts = distinct_parts(list(groups["prompt"]))
    return [
        GroupRow(index + 1, prompt, dot_levels(by_group.get(index, completions.iloc[:0]), reach), mean, kind)
        for index, prompt, mean, kind in zip(
            groups["group_index"], prompts, groups["mean"], groups["kind"], strict=True
        )
    ]


def distinct_parts(prompts: Sequence[str]) -> list[str]:
    """Prompts without the beginning that all of them share, such as instructions or examples, up to a whole word."""
    first, last = min(prompts, default=""), max(prompts, default="")  # what these two share, all in between share
    same = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    cut = max(first[:same].rfind(" "), first[:same].rfind("\n")) + 1
    return [f"…{prompt[cut:]}" for prompt in prompts] if cut >= SHARED else list(prompts)


def dot_levels(completions: pd.DataFrame, reach: float) -> tuple[float, ...]:
    """Advantages from highest to lowest reward as −1…1, at most MAX_DOTS evenly spaced ones; missing rewards last."""
    ordered = completions.sort_values(["total", "advantage"], ascending=False, na_position="last", kind="stable")
    levels = np.clip(ordered["advantage"].to_numpy(dtype=np.float64) / reach, -1, 1)
    if len(levels) > MAX_DOTS:
        levels = levels[np.linspace(0, len(levels) - 1, MAX_DOTS).round().astype(int)]
    rounded = np.round(levels * LEVELS) / LEVELS
    faint = (rounded == 0) & (levels != 0)  # a small advantage must not look like none
    return tuple(np.where(faint, np.sign(levels) / LEVELS, rounded).tolist())


def group_rows(
    rows: Sequence[GroupRow],
    *,
    key: str,
    label: str,
    selected: int | None = None,
    layout: Literal["list", "grid"] = "list",
    on_pick: Callable[[int], None] | None = None,
) -> int | None:
    """Show the rows. Returns the group whose click caused this run of the script, if any.

    `on_pick` hears of it before the script runs.
    """
    data = {"label": label, "layout": layout, "rows": [_item(row, row.group == selected) for row in rows]}

    def picked() -> None:
        group = _picked(st.session_state[key].get("picked"))
        if on_pick is not None and group is not None:
            on_pick(group)

    return _picked(_rows(key=key, data=data, on_picked_change=picked).picked)


def _item(row: GroupRow, selected: bool) -> dict[str, Any]:
    word = GROUP_KINDS[row.kind][0]
    prompt = one_line(row.prompt, 120)
    return {
        "group": row.group, "prompt": prompt, "dots": list(row.levels), "mean": number(row.mean, 2), "kind": row.kind,
        "word": word, "selected": selected,
        "title": f"Group {row.group}: {prompt} · mean reward {number(row.mean, 3)} · {word}",
    }  # fmt: skip


def _picked(reported: Any) -> int | None:
    match reported:
        case {"group": int(group)} if group > 0:
            return group
    return None
