"""Groups as rows of dots: one dot per completion, sorted by reward, coloured by advantage. A row opens its group.

Filled dots are above their group's mean, rings below, small grey ones carry no signal: the colour says it twice.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, takewhile
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.charts import GROUP_KINDS
from dashboard.style import asset
from dashboard.text import one_line
from dashboard.wording import number

MAX_DOTS = 64
SHARED = 12  # characters; less that is common to all prompts is not worth hiding
PROMPT_LIMIT = 300  # characters, more than two lines of any row
BESIDE_DOTS = {"list": 14, "grid": 24}  # characters of a prompt that fit before its dots; longer ones go above them
LEVELS = 20  # shades between 0 and full colour

_rows = st.components.v2.component("grpo_lab.group_rows", js=asset("group_rows.js"), isolate_styles=False)


@dataclass(frozen=True)
class GroupRow:
    """A group as a row shows it. `group` counts from 1; `levels` are advantages in −1…1 of full colour, by reward.

    `discarded`: dynamic sampling left it out of the update.
    """

    group: int
    prompt: str
    levels: tuple[float, ...]
    mean: float
    kind: str
    discarded: bool = False


def advantage_reach(advantages: Sequence[float] | pd.Series, *, scaled: bool) -> float:
    """The |advantage| of full colour: 2 for advantages in standard deviations, else the largest of the step."""
    largest = float(np.nanmax(np.abs(advantages))) if len(advantages) else 0.0
    return 2.0 if scaled or largest == 0 else largest


def group_row_list(groups: pd.DataFrame, completions: pd.DataFrame, reach: float) -> list[GroupRow]:
    """Rows for the groups of one step, in the order given."""
    by_group = dict(iter(completions.groupby("group_index")))
    prompts = distinct_parts(list(groups["prompt"]))
    return [
        GroupRow(index + 1, prompt, dot_levels(by_group.get(index, completions.iloc[:0]), reach), mean, kind, discarded)
        for index, prompt, mean, kind, discarded in zip(
            groups["group_index"], prompts, groups["mean"], groups["kind"], groups["discarded"].notna(), strict=True
        )
    ]


def distinct_parts(prompts: Sequence[str]) -> list[str]:
    """Prompts with … for what all of them share, such as instructions, examples, or the words of a template.

    Whole words, at the beginning and the end; in prompts of equally many words, between those that differ, too.
    """
    return list(_distinct_parts(tuple(prompts)))


@lru_cache(maxsize=8)  # a page that ticks asks again and again, and 64 prompts of 30,000 characters take 0.1 s
def _distinct_parts(prompts: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(prompts)) < 2:
        return prompts
    words = [re.findall(r"\S+\s*|^\s+", prompt) for prompt in prompts]
    fewest = min(map(len, words))
    lead = _num_alike(words, fewest - 1)
    trail = _num_alike([found[::-1] for found in words], fewest - 1 - lead)
    shared = [[place < lead or place >= len(found) - trail for place in range(len(found))] for found in words]
    if all(len(found) == fewest for found in words):
        shared = [[len(set(column)) == 1 for column in zip(*words, strict=True)]] * len(words)
    return tuple(_shortened(found, alike) for found, alike in zip(words, shared, strict=True))


def _num_alike(words: Sequence[Sequence[str]], most: int) -> int:
    """How many words from the first on are the same in all of these, at most `most`."""
    columns = takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))
    return max(0, min(sum(1 for _ in columns), most))


def _shortened(words: Sequence[str], shared: Sequence[bool]) -> str:
    """The words, with … for each long run of shared ones."""
    pairs = zip(shared, words, strict=True)
    runs = [(same, "".join(word for _, word in run)) for same, run in groupby(pairs, key=lambda pair: pair[0])]
    return "".join("…" if same and len(text) >= SHARED else text for same, text in runs)


def dot_levels(completions: pd.DataFrame, reach: float) -> tuple[float, ...]:
    """Advantages from highest to lowest reward as −1…1, at most MAX_DOTS evenly spaced ones; missing rewards last."""
    ordered = completions.sort_values(["total", "advantage"], ascending=False, na_position="last", kind="stable")
    levels = np.clip(ordered["advantage"].to_numpy(dtype=np.float64) / reach, -1, 1)
    if len(levels) > MAX_DOTS:
        levels = levels[np.linspace(0, len(levels) - 1, MAX_DOTS).round().astype(int)]
    rounded = np.round(levels * LEVELS) / LEVELS
    faint = (rounded == 0) & (levels != 0)  # a small advantage must not look like none
    return tuple(np.where(faint, np.sign(levels) / LEVELS, rounded).tolist())


class Pick(NamedTuple):
    """A row that was clicked: its group, as pages count them, and the step that it was shown for."""

    step: int
    group: int


def group_rows(
    rows: Sequence[GroupRow],
    *,
    key: str,
    step: int,
    selected: int | None = None,
    layout: Literal["list", "grid"] = "list",
    on_pick: Callable[[Pick], None],
) -> None:
    """Show the groups of a step. `on_pick` hears of a click before the script runs, which may show another step."""
    data = {
        "label": f"Groups of step {step}", "step": step, "layout": layout,
        "rows": [_item(row, row.group == selected) for row in rows],
        "stacked": any(len(row.prompt) > BESIDE_DOTS[layout] for row in rows),
    }  # fmt: skip

    def picked() -> None:
        pick = _picked(st.session_state[key].get("picked"))
        if pick is not None:
            on_pick(pick)

    _rows(key=key, data=data, on_picked_change=picked)


def _item(row: GroupRow, selected: bool) -> dict[str, Any]:
    kind = GROUP_KINDS[row.kind][0]
    word, reason = ("discarded", f" ({kind})") if row.discarded else (kind, "")
    prompt = one_line(row.prompt, PROMPT_LIMIT)
    return {
        "group": row.group, "prompt": prompt, "dots": list(row.levels), "mean": number(row.mean),
        "kind": "discarded" if row.discarded else row.kind,
        "word": word, "selected": selected,
        "title": f"Group {row.group}: {prompt} · mean reward {number(row.mean, 3)} · {word}{reason}",
    }  # fmt: skip


def _picked(reported: Any) -> Pick | None:
    match reported:
        case {"step": int(step), "group": int(group)} if step > 0 and group > 0:
            return Pick(step, group)
    return None
