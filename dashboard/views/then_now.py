"""Then and now: what the model said to one prompt on two occasions, word by word."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.views.comparison import Side, comparison
from dashboard.views.completion_table import by_reward
from dashboard.wording import number, plural

AGO = 50  # steps
PAIRS = {"ends": "first and newest", "ago": f"about {AGO} steps ago", "choose": "any two"}
WHICH = {"best": "best", "typical": "typical", "worst": "worst"}


@dataclass(frozen=True)
class Occasion:
    """A time at which a prompt was asked. `completions` reads its rows of RunReader.completions, or some like them.

    group: group_index, as a step may ask a prompt twice.
    """

    step: int
    label: str
    completions: Callable[[], pd.DataFrame]
    group: int = 0


def then_and_now(occasions: Sequence[Occasion], here: int, *, key: str, prompt: str) -> None:
    """Choose two of at least two occasions, ordered by step, and compare a completion of each.

    here: the shown one. prompt: its id; what is chosen among its occasions is about this prompt alone.
    """
    left, right = st.columns([3, 2])
    with left:
        pair = st.segmented_control(
            "Then and now", list(PAIRS), key=f"then_now_{key}", default="ends", required=True, wrap=True,
            format_func=PAIRS.__getitem__,
        )  # fmt: skip
    with right:
        which = st.segmented_control(
            "Completion", list(WHICH), key=f"then_now_which_{key}", default="typical", required=True,
            help="By reward. Typical: the one in the middle.",
        )  # fmt: skip
    if pair == "choose":
        then, now = _choose(occasions, here, f"{key}_{prompt}")
    elif pair == "ago":
        then, now = sorted((steps_ago([occasion.step for occasion in occasions], here), here))
        st.caption(_distance_words(occasions[then].step, occasions[now].step, occasions[here].step))
    else:
        then, now = 0, len(occasions) - 1
    sides = [_side(occasions[place], str(which)) for place in (then, now)]
    if sides[0] is None or sides[1] is None:
        st.info("The completions of one of these steps are not stored.", icon=":material/info:")
        return
    comparison(sides[0], sides[1], key=f"then_now_{key}")


def steps_ago(steps: Sequence[int], here: int, ago: int = AGO) -> int:
    """The place of the step that is nearest to `ago` steps before the one at `here`, and is not that one itself."""
    away = np.abs(np.asarray(steps) - (steps[here] - ago)).astype(np.float64)
    away[here] = np.inf
    return int(away.argmin())


def picked(completions: pd.DataFrame, which: str) -> pd.Series:
    """The best, the worst, or by reward the middle one."""
    ordered = by_reward(completions)
    return ordered.iloc[{"best": 0, "typical": (len(ordered) - 1) // 2, "worst": len(ordered) - 1}[which]]


def _choose(occasions: Sequence[Occasion], here: int, key: str) -> tuple[int, int]:
    places = {(one.step, one.group): place for place, one in enumerate(occasions)}

    def label(at: tuple[int, int]) -> str:
        return occasions[places[at]].label

    left, right = st.columns(2)
    with left:
        then = st.selectbox("Then", list(places), 0, format_func=label, key=f"then_{key}")
    with right:
        now = st.selectbox("Now", list(places), here, format_func=label, key=f"now_{key}")
    return places[then], places[now]


def _distance_words(then: int, now: int, here: int) -> str:
    """How far the two steps lie apart, since the prompt was hardly asked exactly AGO steps ago."""
    other = now if then == here else then
    apart = f"{plural(abs(here - other), 'step')} {'before' if other < here else 'after'} step {here:,}"
    return f"Step {other:,}, {apart}: the nearest to {AGO} steps ago."


def _side(occasion: Occasion, which: str) -> Side | None:
    completions = occasion.completions()
    if completions.empty:
        return None
    row = picked(completions, which)
    label = f"{occasion.label.partition(' · ')[0]}, #{int(row['completion_index']) + 1} ({number(row['total'])})"
    return Side(label, {str(name): value for name, value in row.to_dict().items()})
