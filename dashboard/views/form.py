"""Drawing the New-run form: one widget for each Control, its problem beside it, in sections that open and close."""

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.text import as_html
from dashboard.views.form_model import TRISTATE, Control, sentence, to_widget
from dashboard.views.form_sections import FormSection, is_shown, under_headings
from dashboard.views.form_state import FormState, section_key
from engine.errors import Problem

Placed = dict[str, list[Problem]]  # anchor of the form → what is wrong there

_HEADER_LINE = "position:relative;height:0;z-index:1;pointer-events:none"
_OVER_HEADER = (
    "position:absolute;top:.5rem;left:7.5rem;right:1rem;font-size:.9rem;"
    "white-space:nowrap;overflow:hidden;text-overflow:ellipsis"
)
_SMALL_HEADING = "font-size:.85rem;font-weight:600;margin:.25rem 0 -.5rem;padding:0"
FIXED_HELP = " A fork keeps what its checkpoint was made with."
LINES_HELP = r" One a line; `\n` stands for a line break, `\t` for a tab."
FIELD_WIDTH = 190  # pixels; narrower fields cut their labels


def draw_section(form: FormState, section: FormSection, placed: Placed) -> DeltaGenerator:
    """An expander with the section's summary on its header.

    The summary is laid over the header: as part of the label, each change of it would make a new, closed expander.
    """
    with st.container(gap=None):
        note = header_note(form, section, placed)
        st.html(f'<div style="{_HEADER_LINE}"><div style="{_OVER_HEADER}">{note}</div></div>')
        return st.expander(f"**{section.title}**", key=section_key(section.key), icon=section.icon, on_change="rerun")


def header_note(form: FormState, section: FormSection, placed: Placed) -> str:
    """The section in one line of HTML, or the number of its problems."""
    count = sum(len(found) for anchor, found in placed.items() if section.holds(anchor))
    if count:
        return f'<span style="color:var(--lab-bad)">✕ {count} to correct</span>'
    return f'<span class="lab-muted">{as_html(section.summary(form.draft))}</span>'


def draw_fields(form: FormState, fields: list[Control], placed: Placed, *, group: str) -> None:
    """The plain fields of a section in a grid, those that few people need behind a switch."""
    fields = [control for control in fields if is_shown(control, form.draft)]
    first = [control for control in fields if not control.advanced]
    more = [control for control in fields if control.advanced]
    draw_grid(form, first, placed)
    if not more:
        return
    key = f"new_run.more.{group}"
    if any(control.path in placed for control in more):
        st.session_state[key] = True
    if st.toggle("More settings", key=key, persist_state="session"):
        for heading, controls in under_headings(more):
            if heading:
                st.html(f'<h4 class="lab-muted" style="{_SMALL_HEADING}">{as_html(heading)}</h4>')
            draw_grid(form, controls, placed)


def draw_grid(form: FormState, fields: list[Control], placed: Placed) -> None:
    """Fields side by side as the room allows; texts of several lines take the whole width."""
    short = [control for control in fields if control.kind not in ("paragraph", "lines")]
    if short:
        grid = st.grid("auto", min_column_width=FIELD_WIDTH, gap="small")
        for control in short:
            with grid.cell():
                draw_field(form, control, placed)
    for control in fields:
        if control.kind in ("paragraph", "lines"):
            draw_field(form, control, placed)


def draw_field(form: FormState, control: Control, placed: Placed) -> None:
    """One field with its help, and what is wrong with it below."""
    draw_widget(form, control)
    show_problems(placed.get(control.path, []), control.help)


def draw_widget(form: FormState, control: Control) -> None:
    """The widget starts from the draft's value, and falls back to it when the browser loses what was in it."""
    key, label, help_line = form.key(control.path), control.label, control.help.replace("<", r"\<")  # it is Markdown
    fixed = form.is_fixed(control.path)
    help_line += FIXED_HELP if fixed else ""
    shown = to_widget(control, form.value(control.path))
    if control.kind in ("choice", "tristate"):
        options = list(TRISTATE) if control.kind == "tristate" else list(control.choices)
        st.selectbox(
            label, options, index=place(shown, options), key=key, help=help_line, format_func=control.word,
            placeholder=control.empty or None, disabled=fixed,
        )  # fmt: skip
    elif control.kind == "switch":
        st.toggle(label, value=shown, key=key, help=help_line, disabled=fixed)
    elif control.kind == "integer":
        # None makes a field that can be cleared, which is right only where the setting may be missing.
        value = 0 if shown is None and not control.optional else shown
        st.number_input(
            label, value=value, step=1, key=key, help=help_line, placeholder=control.empty or None, disabled=fixed
        )
    elif control.kind in ("paragraph", "lines"):
        help_line += LINES_HELP if control.kind == "lines" else ""
        st.text_area(
            label, value=shown, key=key, help=help_line, height=80, placeholder=control.empty or None, disabled=fixed
        )
    else:
        st.text_input(label, value=shown, key=key, help=help_line, placeholder=control.empty or None, disabled=fixed)


def place(value: Any, options: Sequence[Any]) -> int | None:
    """Where a value stands among the options of a select box, None for one that does not."""
    return options.index(value) if value in options else None


def show_problems(problems: list[Problem], help_line: str = "") -> None:
    """What is wrong with a field, right below it. A hint that only repeats the field's help is left out."""
    for problem in problems:
        alert(sentence(problem, help_line))


def alert(text: str) -> None:
    """One sentence in red, as text."""
    st.html(f'<div role="alert" style="color:var(--lab-bad);font-size:.85em;margin-top:-.4rem">✕ {as_html(text)}</div>')
