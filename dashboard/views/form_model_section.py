"""The Model section of the New-run form: the picker, what is known about the chosen model, and why others cannot be."""

from collections.abc import Iterator

import streamlit as st

from dashboard.text import as_html, as_label, one_line
from dashboard.views.form import Placed, draw_fields, place, show_problems
from dashboard.views.form_model import short_number
from dashboard.views.form_sections import CONTROL, SECTIONS
from dashboard.views.form_state import FormState
from dashboard.wording import size
from engine.errors import ModelError, Problem
from engine.models.catalog import ModelChoice, cached_snapshot, list_models, model_facts, resolve_source
from engine.models.folder import ModelFacts

SOURCE = CONTROL["model.source"]
SECTION = next(section for section in SECTIONS if section.key == "model")
SHOWN_OTHERS = 2  # models that cannot be picked
CATALOG_TTL_S, LOOK_TTL_S = 15, 5  # a model that was just copied appears soon enough


def draw_model(form: FormState, placed: Placed) -> None:
    choices = _catalog()
    draw_picker(form, choices)
    show_problems(placed.get(SOURCE.path, []))
    if not placed.get(SOURCE.path):
        st.caption(as_label(" · ".join(look_at_model(str(form.value(SOURCE.path)))[1]), 1000))
    if not form.is_fixed(SOURCE.path):
        draw_others([choice for choice in choices if not choice.available and choice.source != form.value(SOURCE.path)])
    draw_fields(form, [c for c in SECTION.controls if c.path != SOURCE.path], placed, group="model")


def draw_others(others: list[ModelChoice]) -> None:
    """What was found and cannot be picked, with the reason of each; many of them behind a title."""
    lines = "".join(f"<div>{as_html(f'Not available: {other.label}. {other.reason}')}</div>" for other in others)
    box = f'<div class="lab-muted" style="font-size:.9em">{lines}</div>'
    if len(others) > SHOWN_OTHERS:
        with st.expander(f"{len(others)} models that are not available", key="new_run.models.others"):
            st.html(box)
    elif others:
        st.html(box)


def draw_picker(form: FormState, choices: list[ModelChoice]) -> None:
    """The models of this machine, and whatever else is typed: a path, a .gguf file, a Hub id."""
    labels = {choice.source: choice.label for choice in choices}
    current = str(form.value(SOURCE.path) or "")
    sources = [choice.source for choice in choices if choice.available]
    if current and current not in sources:
        sources.append(current)
    st.selectbox(
        "Model",
        sources,
        index=place(current, sources),
        key=form.key(SOURCE.path),
        format_func=lambda source: one_line(labels.get(str(source), str(source)), 80),
        accept_new_options=True,
        disabled=form.is_fixed(SOURCE.path),
        placeholder="Choose a model, or type a folder, a .gguf file or a Hub id",
        help="A model of this machine, what a run has learned, or type a local folder, a .gguf file, or the id of a "
        "model on the Hub.",
    )


def model_problems(source: str) -> list[Problem]:
    """What is wrong with a model source, as far as its files tell without loading it."""
    if not source:
        return []  # parse_config says that one is needed
    error = look_at_model(source)[0]
    return [Problem(SOURCE.path, *error)] if error else []


@st.cache_data(ttl=LOOK_TTL_S, max_entries=32, show_spinner=False)
def look_at_model(source: str) -> tuple[tuple[str, str] | None, list[str]]:
    """(what is wrong with a model and what to do about it, what it is in words), from its files alone."""
    try:
        resolved = resolve_source(source)
        if resolved.kind == "hub" and cached_snapshot(source) is None:
            return None, ["Not on this machine: the check or the run downloads it from the Hub."]
        return None, list(_facts(model_facts(source)))
    except ModelError as error:
        return (error.message, error.hint), []
    except OSError as error:
        return (f"{source!r} cannot be read: {error.strerror}.", "Check its permissions."), []


def _facts(facts: ModelFacts) -> Iterator[str]:
    if facts.parameters:
        yield f"{_millions(facts.parameters)} parameters"
    if facts.context_length:
        yield f"context of {short_number(facts.context_length)} tokens"
    if facts.dtype and facts.size_bytes is not None:
        yield f"{facts.dtype}, {size(facts.size_bytes)} on disk"
    if facts.parameters:
        yield f"licence {facts.licence or 'unknown'}"
    if facts.has_chat_template is not None:
        yield "with a chat template" if facts.has_chat_template else "no chat template: prompts are sent as they are"


def _millions(count: int) -> str:
    return f"{count / 1e9:.1f} billion" if count >= 1e9 else f"{count / 1e6:.1f} million"


@st.cache_data(ttl=CATALOG_TTL_S, show_spinner=False)
def _catalog() -> list[ModelChoice]:
    return list_models()
