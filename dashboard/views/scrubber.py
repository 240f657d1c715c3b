"""The step scrubber, shared by Run and Groups: which step is shown, and whether the newest is followed."""

import streamlit as st

from dashboard import state
from dashboard.style import asset

KEY = "step_scrubber"

_scrubber = st.components.v2.component("grpo_lab.scrubber", js=asset("scrubber.js"), isolate_styles=False)


def shown_step(newest: int, oldest: int = 1) -> int:
    """The step that the URL asks for, within those there are; without one the newest. 0 when there is no step.

    `oldest`: the first step of the run, which in a fork is the one after its parent's checkpoint.
    """
    asked = state.number_in_url(state.STEP)
    return newest if asked is None else min(max(asked, oldest), newest)


def scrubber(newest: int, *, oldest: int = 1, live: bool) -> None:
    """Show the scrubber; moving it puts the step into the URL, following takes it out."""
    follow = state.number_in_url(state.STEP) is None
    step = shown_step(newest, oldest)
    data = {"newest": newest, "oldest": max(1, oldest), "step": step, "follow": follow, "live": live}
    _scrubber(key=KEY, data=data, on_moved_change=_moved)


def _moved() -> None:
    match st.session_state[KEY].get("moved"):
        case {"follow": True}:
            state.show(None, None)
        case {"step": int(step)} if step > 0:
            state.show(step, None)
