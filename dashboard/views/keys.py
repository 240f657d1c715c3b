"""Keys that move through steps, groups and completions (assets/keys.js), and what they do to the URL."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.style import asset
from dashboard.views.scrubber import shown_step

KEY = "keys"
SEEN_KEY = "keys_seen"  # the report that was last obeyed
SEARCH_VIEW = "search"

_keys = st.components.v2.component("grpo_lab.keys", js=asset("keys.js"), isolate_styles=False)


@dataclass(frozen=True)
class Shown:
    """What a page shows of a step, as pages count, from 1. Orders are those of the page: the next is the one below.

    completion: None where the page shows no single one.
    """

    group: int
    groups: Sequence[int]
    completion: int | None = None
    completions: Sequence[int] = ()


def keys(
    newest: int, look: Callable[[int, int | None], Shown] | None = None, *, oldest: int = 1, search: bool = False
) -> None:
    """Listen to keys, and say in a line which there are. Moves through steps alone without `look`.

    newest, oldest: the steps of the run that there are. look: what the page shows of a step, and of one of its groups,
    or of the one that it opens by itself.
    search: whether the page has a view to search in.
    """
    step = shown_step(newest, oldest)
    shown = look(step, state.number_in_url(state.GROUP)) if look is not None and step else None
    data = {
        "step": step, "newest": newest, "oldest": max(1, oldest), "follow": state.number_in_url(state.STEP) is None,
        "group": shown and shown.group, "groups": list(shown.groups) if shown else [],
        "completion": shown and shown.completion, "completions": list(shown.completions) if shown else [],
        "has": _kinds(shown, search), "seen": st.session_state.get(SEEN_KEY, ""),
    }  # fmt: skip

    def pressed() -> None:
        obey(st.session_state[KEY].get("pressed"), look)

    _keys(key=KEY, data=data, on_pressed_change=pressed, width="content")


def obey(report: Any, look: Callable[[int, int | None], Shown] | None) -> None:
    """Put the place that was reported into the URL. Anything that keys.js does not say is ignored."""
    match report:
        case {"id": str(name)}:
            st.session_state[SEEN_KEY] = name
            _go(report, look)


def _go(place: dict[str, Any], look: Callable[[int, int | None], Shown] | None) -> None:
    match place:
        case {"search": True}:
            state.set_in_url(view=SEARCH_VIEW)
        case {"follow": True}:
            state.show(None, None)
        case {"step": int(step), "down": int(down), "next": int(forth)} if step > 0:
            group, completion = _number(place.get("group")), _number(place.get("completion"))
            if look is not None and down:
                opened = look(step, group)
                group = beside(opened.groups, opened.group, down)
            if look is not None and forth:
                opened = look(step, group)
                group, completion = opened.group, beside(opened.completions, opened.completions[0], forth)
            state.show(step, group, completion)


def beside(order: Sequence[int], start: int, moves: int) -> int:
    """The place `moves` after `start`, at most the last and at least the first."""
    at = order.index(start) if start in order else 0
    return order[min(max(at + moves, 0), len(order) - 1)] if order else start


def _kinds(shown: Shown | None, search: bool) -> list[str]:
    kinds = {"group": shown is not None, "completion": bool(shown and shown.completions), "search": search}
    return [kind for kind, there in kinds.items() if there]


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
