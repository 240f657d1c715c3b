"""The Rewards section of the New-run form: a list of reward functions, each with its weight and settings."""

from itertools import chain, count
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.text import as_label, visible
from dashboard.views.form import Placed, alert, draw_grid, show_problems
from dashboard.views.form_model import controls
from dashboard.views.form_reward_absent import absence
from dashboard.views.form_reward_help import draw_help
from dashboard.views.form_reward_more import draw_more
from dashboard.views.form_state import FormState, collect, draft_info, params_controls
from engine.config import RewardSpec
from engine.config_io import default_params
from engine.rewards.info import RewardInfo
from engine.rewards.registry import REWARDS

LIST = "rewards"
KIND_COLORS = {"task": "blue", "format": "violet", "penalty": "orange"}
KIND_HELP = {
    "task": "Judges whether the answer is right.",
    "format": "Judges the form of the completion, whatever its answer.",
    "penalty": "Only takes away.",
}


def draw_rewards(form: FormState, placed: Placed) -> None:
    specs: list[Any] = form.value(LIST, [])
    st.caption(
        "A completion's total reward is the weighted sum of these. Weight 0 makes a monitor: recorded, not trained on."
    )
    show_problems(placed.get(LIST, []))
    for index, spec in enumerate(specs):
        with st.container(border=True, gap="small"):
            draw_reward(form, index, spec, placed)
    draw_adder(form)


def draw_reward(form: FormState, index: int, spec: dict[str, Any], placed: Placed) -> None:
    """One reward: what it is, its weight, its settings, and the button that takes it off the list."""
    path, info = f"{LIST}[{index}]", draft_info(spec)
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            draw_name(info, spec)
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
            draw_ways_on(form, index, info, spec)
    if info:
        st.caption(as_label(info.help, 500))
        if reason := absence(info):
            alert(f"It cannot be used here. {reason}")
    weight = [control for control in controls(RewardSpec, path) if control.path == f"{path}.weight"]
    by_pattern = form.value(f"{path}.params.extract") == "regex"  # only then does a pattern say where the answer is
    params = [c for c in params_controls(index, spec) if by_pattern or not c.path.endswith(".answer_pattern")]
    draw_grid(form, weight + [control for control in params if not control.advanced], placed)
    others = [other["name"] for other in form.value(LIST, []) if other["name"] != spec["name"]]
    draw_more(form, index, placed, others, [control for control in params if control.advanced])
    show_problems(placed.get(path, []))


def draw_name(info: RewardInfo | None, spec: dict[str, Any]) -> None:
    """What it is, how charts and config files call it, and what kind it is."""
    st.text(info.label if info else visible(spec["name"]), width="content")
    if info:
        st.caption(as_label(spec["name"]), width="content")
        st.badge(info.kind, color=KIND_COLORS[info.kind], help=KIND_HELP[info.kind])  # type: ignore[arg-type]
    if spec.get("weight") == 0:
        st.badge("monitor", color="gray", help="Recorded at every step, but not trained on.")


def draw_ways_on(form: FormState, index: int, info: RewardInfo | None, spec: dict[str, Any]) -> None:
    """To its explanation, to its check, and off the list."""
    if info:
        draw_help(info)
        st.page_link(
            state.REWARDS_PAGE, label="Check", icon=":material/fact_check:",
            query_params={state.VIEW: "check", state.REWARD: str(spec["name"])},
            help="What it says to right answers and to attempts to cheat it, on these data.",
        )  # fmt: skip
    st.button(
        "Remove", key=form.key(f"{LIST}[{index}].remove"), icon=":material/close:", type="tertiary",
        on_click=remove_reward, args=(form, index),
    )  # fmt: skip


def draw_adder(form: FormState) -> None:
    """A menu of the rewards of the library; choosing one adds it. Those that cannot be used here stand below."""
    key = form.key(f"{LIST}.add")
    absent = {name: reason for name, info in REWARDS.items() if (reason := absence(info))}
    st.selectbox(
        "Add a reward",
        [name for name in REWARDS if name not in absent],
        index=None,
        key=key,
        format_func=lambda name: f"{REWARDS[name].label}: {REWARDS[name].help}",
        placeholder="Choose a reward function to add",
        on_change=lambda: add_reward(form, st.session_state[key]),
    )
    st.page_link(
        state.REWARDS_PAGE, label="Write a reward of your own", icon=":material/edit:",
        help="A Python function in the browser; it is checked there and comes back to this form.",
    )  # fmt: skip
    for name, reason in absent.items():
        st.caption(as_label(f"{REWARDS[name].label}: {reason}", 500))


def add_reward(form: FormState, function: str | None) -> None:
    """Put a reward of the library at the end of the list, with its defaults; the second of a kind gets another name."""
    if function not in REWARDS:
        return
    collect(form)
    name = free_name(function, {spec["name"] for spec in form.value(LIST, [])})
    other = {"function": function} if name != function else {}
    form.draft[LIST] = [
        *form.value(LIST, []), {"name": name, **other, "weight": 1.0, "params": default_params(function)}
    ]  # fmt: skip
    form.redraw()


def free_name(wanted: str, listed: set[str]) -> str:
    """The wanted name, or the first of wanted_2, wanted_3, … that no reward of the list has."""
    return next(name for name in chain([wanted], (f"{wanted}_{n}" for n in count(2))) if name not in listed)


def remove_reward(form: FormState, index: int) -> None:
    """Take a reward off the list, and out of the field that names the deciding one."""
    collect(form)
    specs = list(form.value(LIST, []))
    gone = specs.pop(index)["name"] if index < len(specs) else None
    form.draft[LIST] = specs
    if form.value("evaluation.pass_reward") == gone:
        form.draft["evaluation"]["pass_reward"] = None
    form.redraw()
