"""The first rows of a source in the New-run form: what becomes prompt, answer, and neither."""

from collections.abc import Sequence
from typing import Final

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from dashboard.text import as_html, as_label, one_line, visible
from dashboard.views.form import Placed, place, show_problems
from dashboard.views.form_data_look import PREVIEW_ROWS, look_at
from dashboard.views.form_model import Control, controls, set_value
from dashboard.views.form_state import FormState
from dashboard.wording import MISSING, plural
from engine.config_data import DataSource
from engine.data.columns import FilePreview
from engine.data.shapes import Shape
from engine.data.tasks.registry import sample_items

SHOWN_COLUMNS: Final = 30  # of the rows as they are; more would only slow the page
NAMED_COLUMNS: Final = 8  # others in a sentence
SHOWN_PROBLEMS: Final = 6
NAMES: Final = ("prompt_column", "answer_column")


def draw_task_examples(form: FormState, prefix: str) -> None:
    """What the built-in task asks, with its settings as they are; nothing while they are wrong."""
    params = form.value(f"{prefix}.params", {})
    try:
        items = sample_items(str(form.value(f"{prefix}.source")), params, PREVIEW_ROWS)
    except (ValidationError, TypeError, ValueError):
        return
    st.html(mapped_table([(item.question, item.answer) for item in items]))
    columns = list(dict.fromkeys(name for item in items for name in item.columns))
    st.caption(as_label(other_columns(columns), 500))


def draw_look(form: FormState, prefix: str, source: DataSource, placed: Placed) -> None:
    """The rows of a source that has some: a sentence about their form, the mapping to confirm, the first of them."""
    preview = look_at(source)
    if preview.note:
        st.caption(as_label(preview.note, 500))
    if not preview.rows:
        return
    if prefix == "data" and not preview.problems:  # of a file with wrong rows, what is there is not all of it
        leave_rows_to_train_on(form, preview.num_rows)
    counts = f"{plural(preview.num_rows, 'row')}, {plural(len(preview.columns), 'column')}."
    st.text(visible(f"{counts} {preview.shape.sentence}" if preview.shape else counts))
    draw_mapping(form, prefix, preview, placed)
    if preview.shape is not None:
        found = preview.shape
        answer = found.answer or ("its last turn" if found.answer_in_prompt else "")
        st.html(mapped_table(preview.examples, found.prompt, answer))
        st.caption(as_label(other_columns(others(preview.columns, found)), 500))
    with st.expander("The rows as they are", key=f"new_run.{prefix}.rows"):
        draw_rows(preview)


def leave_rows_to_train_on(form: FormState, num_rows: int) -> None:
    """Hold out a fifth of the rows where the form, made for other data, would hold out all of them; and say so.

    A mixture has other rows too, and the check counts those. What was lowered for other rows, and not changed since by
    hand, is what it was before.
    """
    there, asked = form.value("data.held_out"), form.value("evaluation.num_prompts")
    if not (isinstance(there, int) and isinstance(asked, int)) or num_rows < 2 or form.value("data.mixture"):
        return
    wanted = there
    if form.lowered is not None and form.lowered[2] == there:
        wanted, asked, _ = form.lowered
    held_out = wanted if wanted < num_rows else max(1, num_rows // 5)
    if held_out == there:
        return
    form.lowered = (wanted, asked, held_out) if held_out < wanted else None
    set_value(form.draft, "data.held_out", held_out)
    set_value(form.draft, "evaluation.num_prompts", min(asked, held_out))
    form.redraw()
    fifth = f": a fifth of the {num_rows:,} rows, instead of {wanted:,}" if held_out < wanted else " again"
    st.toast(f"{plural(held_out, 'example')} held out{fifth}.")
    st.rerun()


def draw_mapping(form: FormState, prefix: str, preview: FilePreview, placed: Placed) -> None:
    fields = {control.path.rpartition(".")[2]: control for control in controls(DataSource, prefix)}
    found = (preview.prompt_column, preview.answer_column)
    for column, name, guess in zip(st.columns(2), NAMES, found, strict=True):
        with column:
            draw_column(form, fields[name], preview.columns, guess)
            show_problems(placed.get(fields[name].path, []))


def draw_column(form: FormState, control: Control, columns: list[str], guess: str | None) -> None:
    """Which column holds prompt or answer: left empty, the one that was found. A place inside of one is kept."""
    chosen = form.value(control.path)
    options = [*columns, *([chosen] if chosen and chosen not in columns else [])]
    st.selectbox(
        control.label, options, index=place(chosen, options), key=form.key(control.path), format_func=one_line,
        placeholder=one_line(f"{guess} (found)") if guess else "Choose a column", help=control.help,
    )  # fmt: skip


def mapped_table(examples: Sequence[tuple[str, str | None]], prompt: str = "", answer: str = "") -> str:
    """(prompt, answer) of the first rows as HTML, each under the column where it comes from, if there is one."""
    heads = [
        f"{what}, from {one_line(column, 40)}" if column else what
        for what, column in (("Prompt", prompt), ("Reference answer", answer))
    ]
    rows = "".join(
        f"<tr>{_cell(prompt)}{_cell(MISSING if answer is None else answer)}</tr>" for prompt, answer in examples
    )
    widths = ("64%", "36%")
    head = "".join(
        f'<th style="width:{w};white-space:normal">{as_html(h)}</th>' for w, h in zip(widths, heads, strict=True)
    )
    style = "table-layout:fixed" if examples else "display:none"
    return f'<table class="lab-table" style="{style}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _cell(text: str) -> str:
    return f'<td class="lab-text"><div class="lab-mono" style="max-height:7.5rem">{as_html(text)}</div></td>'


def others(columns: Sequence[str], shape: Shape) -> list[str]:
    """The columns that are neither prompt nor answer."""
    used = (shape.prompt, shape.answer, shape.input)
    return [column for column in columns if column not in used]


def other_columns(columns: Sequence[str]) -> str:
    if not columns:
        return "No other columns."
    named = ", ".join(one_line(column, 40) for column in columns[:NAMED_COLUMNS])
    more = f" and {len(columns) - NAMED_COLUMNS:,} more" if len(columns) > NAMED_COLUMNS else ""
    return f"For the rewards and the prompt template also: {named}{more}."


def draw_rows(preview: FilePreview) -> None:
    shown = preview.columns[:SHOWN_COLUMNS]
    frame = pd.DataFrame([[visible(row[name]) for name in shown] for row in preview.rows], columns=shown)
    st.dataframe(frame, hide_index=True, width="stretch", alt="First rows of the data")
    if len(preview.columns) > len(shown):
        st.caption(f"The first {len(shown)} of {len(preview.columns):,} columns.")
