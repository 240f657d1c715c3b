"""Compare two: the word diff of any two completions, of one group or, with one of them held, across steps and runs."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.text import as_label, one_line
from dashboard.views.comparison import Side, comparison
from dashboard.views.completion_table import by_reward
from dashboard.views.shown_group import ShownGroup
from dashboard.wording import number
from engine.errors import LabError
from engine.runs.reader import RunReader

HELD_KEY = "held_completion"
HELD = -1  # among the options of A, beside completion indices


@dataclass(frozen=True)
class Held:
    """A completion that stays chosen while the page moves on. group and completion count from 0."""

    run: str
    step: int
    group: int
    completion: int


def diff_panel(shown: ShownGroup) -> None:
    """Two boxes to choose A and B, best and worst at first, and their comparison."""
    ordered = by_reward(shown.completions).set_index("completion_index", drop=False)
    places = ordered.index.tolist()
    held = held_side(shown)
    if len(places) == 1 and held is None:
        st.info("This group has one completion, so there is nothing to compare it with.", icon=":material/info:")
        _hold_button(shown, places[0])
        return
    key = f"{shown.paths.run_id}_{shown.step}_{shown.index}"

    def label(place: int) -> str:
        return f"held: {held.label}" if place == HELD and held is not None else option(ordered.loc[place])

    left, right, side = st.columns([2, 2, 1], vertical_alignment="bottom")
    with left:
        options = [*([HELD] if held is not None else []), *places]
        asked = (state.number_in_url(state.COMPLETION) or 0) - 1
        start = options.index(asked) if asked in places and held is None else 0
        a = int(st.selectbox("A", options, start, format_func=label, key=f"diff_a_{key}_{held is not None}_{asked}"))
    with right:
        same = _held_here(shown) if a == HELD else a
        other = max((at for at, place in enumerate(places) if place != same), default=0)
        b = int(st.selectbox("B", places, other, format_func=label, key=f"diff_b_{key}_{held is not None}_{asked}"))
    with side:
        _hold_button(shown, a)
    before = held if a == HELD and held is not None else Side(f"#{a + 1}", ordered.loc[a].to_dict())
    comparison(before, Side(f"#{b + 1}", ordered.loc[b].to_dict()), key="diff")


def option(row: pd.Series) -> str:
    """A completion in a box of choices."""
    return f"#{row['completion_index'] + 1} · reward {number(row['total'])} · {one_line(row['text'], 50)}"


def held_side(shown: ShownGroup) -> Side | None:
    """The held completion, read from its run; None, and no longer held, when it is not there any more."""
    kept = st.session_state.get(HELD_KEY)
    if kept is None:
        return None
    held = Held(**kept)
    row = _row_of(held, shown)
    if row is None:
        del st.session_state[HELD_KEY]
        st.caption("The completion that was held is not stored any more.")
        return None
    where = f"step {held.step:,}, group {held.group + 1}, #{held.completion + 1}"
    other = "" if held.run == shown.paths.run_id else f" of {held.run}"
    return Side(where + other, row)


def _held_here(shown: ShownGroup) -> int | None:
    """The held completion's index where it is one of this group."""
    held = Held(**st.session_state[HELD_KEY])
    here = (shown.paths.run_id, shown.step, shown.index)
    return held.completion if (held.run, held.step, held.group) == here else None


def _row_of(held: Held, shown: ShownGroup) -> dict[str, Any] | None:
    paths = shown.paths if held.run == shown.paths.run_id else state.find_run(held.run)
    if paths is None:
        return None
    try:
        rows = RunReader(paths.db).completions(held.step, held.group)
    except LabError:
        return None
    rows = rows[rows["completion_index"] == held.completion]
    return None if rows.empty else {str(name): value for name, value in rows.iloc[0].to_dict().items()}


def _hold_button(shown: ShownGroup, a: int) -> None:
    if a == HELD:
        st.button("Let go of A", icon=":material/keep_off:", key="diff_release", on_click=_release)
        return
    help_text = "Keep this completion as A while you go to another group, step or run."
    held = Held(shown.paths.run_id, shown.step, shown.index, a)
    name = as_label(f"Hold #{a + 1} as A")
    st.button(name, icon=":material/keep:", key="diff_hold", help=help_text, on_click=_hold, args=(held,))


def _hold(held: Held) -> None:
    st.session_state[HELD_KEY] = asdict(held)


def _release() -> None:
    st.session_state.pop(HELD_KEY, None)
