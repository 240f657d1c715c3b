"""Recipes on the New-run page: the published settings of papers, one click away, and what is another one here."""

from collections.abc import Callable, Iterable

import streamlit as st

from dashboard.text import as_html
from dashboard.views.form_sections import CONTROL, shown_setting
from dashboard.views.form_state import FormState
from engine.config import RunConfig
from engine.recipe import Comparison, Recipe, compared
from engine.recipes import RECIPES

ARXIV = "https://arxiv.org/abs/"


def draw_recipes(form: FormState, use: Callable[[FormState, Recipe], None], missing: Callable[[Recipe], str]) -> None:
    """A button for each paper, and below them what the chosen one publishes.

    `use` fills the form; `missing` says what has to be installed first, and is empty when nothing has to be.
    """
    st.caption("Or from a paper: its method with its published settings, made small enough for this machine.")
    with st.container(horizontal=True, gap="small"):
        for recipe in RECIPES:
            st.button(
                recipe.title,
                key=f"new_run.recipe.{recipe.key}",
                type="primary" if form.origin == origin(recipe) else "secondary",
                help=f"{recipe.story} arXiv:{recipe.arxiv}",
                on_click=use,
                args=(form, recipe),
            )
    chosen = next((recipe for recipe in RECIPES if form.origin == origin(recipe)), None)
    if chosen is not None:
        with st.container(border=True):
            draw_paper(chosen, form.parsed()[0] or chosen.config, missing(chosen))


def origin(recipe: Recipe) -> str:
    """What a form that was filled with this recipe remembers."""
    return f"recipe:{recipe.key}"


def draw_paper(recipe: Recipe, config: RunConfig, missing: str) -> None:
    st.text(recipe.story)
    st.caption(f"*{recipe.paper}*, [arXiv:{recipe.arxiv}]({ARXIV}{recipe.arxiv}), {recipe.where}")
    rows = compared(recipe.published, config)
    differing = [row for row in rows if row.reason]
    if differing:
        st.html(_table(differing, config))
    kept = [row for row in rows if not row.reason]
    if kept:
        settings = " · ".join(f"{label(row.field, config)} {shown_setting(row.field, row.here)}" for row in kept)
        st.html(f'<div class="lab-muted"><b>As published:</b> {as_html(settings)}</div>')
    notes = [f"{label(row.field, config)}: {row.origin}." for row in rows if row.origin]
    lines = "".join(f"<li>{as_html(note)}</li>" for note in (*notes, *recipe.no_setting))
    if lines:
        with st.expander("Where these numbers come from, and what else the paper does"):
            st.html(f'<ul class="lab-muted">{lines}</ul>')
    if missing:
        st.html(f'<div style="color:var(--lab-warn)">Not ready here. {as_html(missing[:200])}</div>')


def label(field: str, config: RunConfig) -> str:
    """What a setting is called in the form; of a reward, with the reward's name."""
    if field in CONTROL:
        return CONTROL[field].label
    place, _, rest = field.removeprefix("rewards[").partition("].")
    if place.isdigit() and int(place) < len(config.rewards):
        return f"{config.rewards[int(place)].name}, {rest.removeprefix('params.')}"
    return field


def _table(rows: Iterable[Comparison], config: RunConfig) -> str:
    cells = "".join(
        f"<tr><td>{as_html(label(row.field, config))}</td>"
        f"<td class='lab-num'>{as_html(shown_setting(row.field, row.published))}</td>"
        f"<td class='lab-num'><b>{as_html(shown_setting(row.field, row.here))}</b></td>"
        f"<td class='lab-muted'>{as_html(row.reason)}</td></tr>"
        for row in rows
    )
    head = "".join(f"<th style='text-align:left;font-weight:600'>{name}</th>" for name in ("", "Published", "Here", ""))
    return f"<table style='border-spacing:.9rem .1rem;margin-left:-.9rem'><tr>{head}</tr>{cells}</table>"
