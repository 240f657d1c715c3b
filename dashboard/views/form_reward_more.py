"""What a reward counts for, beyond its weight: a weight that changes, a condition, limits."""

from typing import Any

import streamlit as st

from dashboard.text import one_line
from dashboard.views.form import Placed, draw_grid, place, show_problems
from dashboard.views.form_model import Control, controls
from dashboard.views.form_state import FormState
from engine.config import RewardSpec

SHAPES = ("final_weight", "gate", "clip_low", "clip_high")  # the others mean something only beside these


def draw_more(form: FormState, index: int, placed: Placed, others: list[str], params: list[Control]) -> None:
    """Schedule, gate and limits behind a switch, which is on where one of them is set. others: names of the list;
    params: settings of the function that few people need.
    """
    path = f"rewards[{index}]"
    fields = {c.path.rpartition(".")[2]: c for c in controls(RewardSpec, path) if c.advanced}
    key = form.key(f"{path}.more")
    if any(c.path in placed for c in (*fields.values(), *params)) or _is_shaped(form, path):
        st.session_state.setdefault(key, True)
    if not st.toggle("More: schedule, condition, limits", key=key):
        return
    _draw_gate(form, fields["gate"], placed, others)
    shown = ["gate_at"] if form.value(f"{path}.gate") else []
    shown += ["clip_low", "clip_high", "final_weight"]
    shown += ["weight_from", "weight_until"] if form.value(f"{path}.final_weight") is not None else []
    draw_grid(form, [fields[name] for name in shown] + params, placed)


def _is_shaped(form: FormState, path: str) -> bool:
    return any(form.value(f"{path}.{name}") not in ("", None) for name in SHAPES)


def _draw_gate(form: FormState, control: Control, placed: Placed, others: list[str]) -> None:
    now: Any = form.value(control.path) or ""
    options = ["", *others, *([now] if now and now not in others else [])]
    st.selectbox(
        control.label, options, index=place(now, options), key=form.key(control.path), help=control.help,
        format_func=lambda name: one_line(name, 80) if name else control.empty,
    )  # fmt: skip
    show_problems(placed.get(control.path, []), control.help)
