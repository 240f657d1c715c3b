"""Further sources of the New-run form: each with its weight, and what share of the prompts each gets."""

import streamlit as st

from dashboard.text import as_html, as_label, one_line
from dashboard.views.form import Placed, draw_grid, show_problems
from dashboard.views.form_data_look import shares, source_label
from dashboard.views.form_data_source import draw_source, source_controls
from dashboard.views.form_state import FormState, collect
from dashboard.wording import percent
from engine.config import DataConfig
from engine.config_data import DataSource
from engine.data.tasks.registry import TASKS, default_task_params

MIXTURE = "data.mixture"
MOST = next(item.max_length for item in DataConfig.model_fields["mixture"].metadata if hasattr(item, "max_length"))


def draw_mixture(form: FormState, placed: Placed) -> None:
    """The list of what is mixed in, and a button for one more."""
    entries = form.value(MIXTURE, [])
    show_problems(placed.get(MIXTURE, []))
    if entries:
        st.html(shares_html(shares(form)))
        draw_grid(form, [source_controls("data")["weight"]], placed)
    for index, _ in enumerate(entries):
        with st.container(border=True, gap="small"):
            draw_entry(form, index, placed)
    st.button(
        "Mix with another source", key=form.key(f"{MIXTURE}.add"), icon=":material/add:", on_click=add_source,
        args=(form,), disabled=len(entries) >= MOST,
        help="Each step draws prompts from all sources, in proportion to their weights.",
    )  # fmt: skip


def draw_entry(form: FormState, index: int, placed: Placed) -> None:
    prefix = f"{MIXTURE}[{index}]"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Mixed in: {as_label(source_label(form.value(f'{prefix}.source')))}**")
        st.space("stretch")
        st.button(
            "Remove", key=form.key(f"{prefix}.remove"), icon=":material/close:", type="tertiary",
            on_click=remove_source, args=(form, index),
        )  # fmt: skip
    draw_grid(form, [source_controls(prefix)["weight"]], placed)
    draw_source(form, prefix, placed)
    show_problems(placed.get(prefix, []))


def add_source(form: FormState) -> None:
    """Put a source at the end of the list: a built-in task that is not in it yet, to be changed."""
    collect(form)
    entries = list(form.value(MIXTURE, []))
    used = {form.value("data.source"), *(entry.get("source") for entry in entries)}
    name = next((task for task in TASKS if task not in used), next(iter(TASKS)))
    entries.append(DataSource(source=name, params=default_task_params(name)).model_dump(mode="json"))
    form.draft.setdefault("data", {})["mixture"] = entries
    form.redraw()


def remove_source(form: FormState, index: int) -> None:
    """Take a source off the list. What was remembered about the places of others is forgotten: they move up."""
    collect(form)
    entries = list(form.value(MIXTURE, []))
    del entries[index : index + 1]
    form.draft["data"]["mixture"] = entries
    for remembered in (form.data_kinds, form.notes):
        for prefix in [prefix for prefix in remembered if prefix.startswith(MIXTURE)]:
            del remembered[prefix]
    form.redraw()


def shares_html(parts: list[tuple[str, float]]) -> str:
    """Of the prompts, what share each source gets, as a bar and in words; nothing while a weight is wrong."""
    if not parts:
        return ""
    colours = ("blue", "green", "orange", "purple", "grey")
    bar = "".join(
        f'<div style="width:{share:.2%};background:var(--lab-soft-{colours[i % len(colours)]})"></div>'
        for i, (_, share) in enumerate(parts)
    )
    words = " · ".join(f"{percent(share)} {one_line(name)}" for name, share in parts)
    return (
        f'<div aria-hidden="true" style="display:flex;height:.5rem;border-radius:4px;overflow:hidden">{bar}</div>'
        f'<div style="font-size:.9em;margin-top:.25rem;overflow-wrap:anywhere">Prompts: {as_html(words)}</div>'
    )
