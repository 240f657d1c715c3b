"""The Data section of the New-run form: where examples come from, which are used, and what is odd about them."""

from collections.abc import Iterator

import streamlit as st

from dashboard.text import as_label
from dashboard.views.form import Placed, draw_fields
from dashboard.views.form_data_findings import draw_findings, filters_sentence
from dashboard.views.form_data_keep import keep_pass_rates, measured_prompts
from dashboard.views.form_data_look import draft_source, look_at, report
from dashboard.views.form_data_mixture import MIXTURE, draw_mixture
from dashboard.views.form_data_source import draw_source
from dashboard.views.form_model import set_value
from dashboard.views.form_sections import CONTROL, SECTIONS, is_shown
from dashboard.views.form_state import FormState, collect
from dashboard.wording import plural
from engine.config_data import DataSource
from engine.data.tasks.registry import is_task
from engine.errors import LabError, Problem

SECTION = next(section for section in SECTIONS if section.key == "data")
RATES = CONTROL["data.pass_rates"]
MORE_KEY = "new_run.more.data"  # of form.draw_fields


def draw_data(form: FormState, placed: Placed) -> None:
    draw_source(form, "data", placed)
    draw_mixture(form, placed)
    st.divider()
    found = report(form)
    draw_findings(form, found)
    draw_rates(form)
    draw_fields(form, [c for c in SECTION.controls if not is_of_source(c.path)], placed, group="data")
    if found is not None and st.session_state.get(MORE_KEY) and (words := filters_sentence(form, found)):
        st.caption(as_label(words, 1000))


def is_of_source(path: str) -> bool:
    """Whether a field says where examples come from, and not which of them are used."""
    return path.removeprefix("data.") in DataSource.model_fields


def draw_rates(form: FormState) -> None:
    """What the last pre-flight of this form measured, one click away from choosing prompts by it."""
    count = measured_prompts(form) if is_shown(RATES, form.draft) else 0
    if not count:
        return
    st.button(
        f"Use the pass rates of the pre-flight ({plural(count, 'prompt')})", key=form.key("data.use_rates"),
        icon=":material/flight_takeoff:", on_click=use_rates, args=(form,),
        help="For the order, or to leave out prompts that are always or never answered right.",
    )  # fmt: skip


def use_rates(form: FormState) -> None:
    """Name a copy of the measured pass rates, and show the settings that use them."""
    collect(form)
    try:
        set_value(form.draft, RATES.path, str(keep_pass_rates(form)))
    except LabError as error:
        form.notes["data"] = [str(error)]
    else:
        st.session_state[MORE_KEY] = True
    form.redraw()


def data_problems(form: FormState) -> list[Problem]:
    """What is wrong with the data, as far as a look at them tells; parse_config says where a source is missing."""
    prefixes = ["data", *(f"{MIXTURE}[{index}]" for index, _ in enumerate(form.value(MIXTURE, [])))]
    problems = [problem for prefix in prefixes for problem in _source_problems(form, prefix)]
    found = None if problems else report(form)
    return problems if found is None or found.problem is None else [found.problem]


def _source_problems(form: FormState, prefix: str) -> Iterator[Problem]:
    source = draft_source(form, prefix)
    if source is None or is_task(source.source):
        return
    preview = look_at(source)
    yield from (Problem(f"{prefix}.source", text) for text in preview.problems)
    if preview.rows and not preview.problems and preview.shape is None:
        yield Problem(f"{prefix}.prompt_column", "no column is called like a question.", "Choose the prompt column.")
