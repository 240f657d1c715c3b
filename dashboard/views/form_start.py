"""Where a new run starts from: a preset, a paper's recipe, a config file, or a past run whose settings are cloned."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import streamlit as st

from dashboard.state import CHANGES, CLONE, FORK, STEP, number_in_url, set_in_url
from dashboard.text import as_label, one_line
from dashboard.views.form import alert
from dashboard.views.form_fork import follow_fork, leave_fork, settings_of
from dashboard.views.form_import import FROM_FILE, IMPORT_PROBLEMS, draw_import, draw_translation
from dashboard.views.form_model import set_value
from dashboard.views.form_model_section import look_at_model
from dashboard.views.form_recipe import draw_recipes, origin
from dashboard.views.form_state import FormState
from dashboard.views.form_upload import FOLDER
from engine.errors import ConfigError, LabError
from engine.presets import PRESETS, Preset
from engine.recipe import Recipe
from engine.runs.imported import is_imported
from engine.runs.naming import names_in_use, next_name
from engine.runs.paths import list_runs, runs_root

RECENT_RUNS = 50
PRESETS_IN_A_ROW = 3  # six of them: two full rows, on a narrow page too
NO_CHANGES: Mapping[str, Any] = MappingProxyType({})


def draw_start(form: FormState) -> None:
    """The presets as cards, and below them the papers and the two other ways in."""
    st.caption("Start from an experiment that is known to be worth running, and change what you like.")
    with st.grid(PRESETS_IN_A_ROW, min_column_width=190, gap="small"):
        for preset in PRESETS:
            with st.container(border=True, height="stretch", gap="small"):
                draw_preset(form, preset)
    draw_recipes(form, use_recipe, what_is_missing)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.popover("From a config file", icon=":material/upload_file:"):
            draw_import(form)
        with st.popover("From a past run", icon=":material/history:"):
            draw_past_runs(form)
    show_import_problems()
    if form.translation is not None:
        draw_translation(form.translation)
    if form.origin.startswith(FROM_FILE):
        st.caption(f"Every setting below was read from {as_label(form.origin.removeprefix(FROM_FILE))}.")


def draw_preset(form: FormState, preset: Preset) -> None:
    chosen = form.origin == f"preset:{preset.key}"
    st.button(
        preset.title,
        key=f"new_run.preset.{preset.key}",
        type="primary" if chosen else "secondary",
        width="stretch",
        on_click=use_preset,
        args=(form, preset),
    )
    st.caption(preset.story)
    if missing := what_is_missing(preset):
        st.caption(f":orange[Not ready here.] {as_label(missing, 200)}")


def what_is_missing(preset: Preset | Recipe) -> str:
    """What has to be installed before this can run; empty when nothing is."""
    error = look_at_model(preset.config.model.source)[0]
    return error[1] if error else ""


def use_preset(form: FormState, preset: Preset) -> None:
    fill(form, preset, f"preset:{preset.key}")


def use_recipe(form: FormState, recipe: Recipe) -> None:
    fill(form, recipe, origin(recipe))


def fill(form: FormState, preset: Preset | Recipe, origin: str) -> None:
    """Fill the form. The data file is made if it can be; what only the user knows is left empty."""
    set_in_url(**{CLONE: None})
    form.load(preset.config, origin)
    if preset.make_data is not None:
        path = runs_root() / FOLDER / preset.config.data.source
        try:
            if not path.exists():
                preset.make_data(path)
        except LabError as error:
            form.failure = str(error)
        set_value(form.draft, "data.source", str(path))
    for field in preset.fill_in:
        set_value(form.draft, field, "")


def show_import_problems() -> None:
    if IMPORT_PROBLEMS not in st.session_state:
        return
    name, problems = st.session_state[IMPORT_PROBLEMS]
    st.error(f"{as_label(name)} was not loaded, because:", icon=":material/error:")
    for problem in problems:
        alert(str(problem))


def draw_past_runs(form: FormState) -> None:
    own = [paths for paths in list_runs(runs_root()) if not is_imported(paths)]
    ids = [paths.run_id for paths in own[:RECENT_RUNS]]
    key = form.key("past_run")
    if not ids:
        st.caption("There are no runs yet.")
        return
    st.selectbox(
        "Clone the settings of",
        ids,
        index=None,
        key=key,
        format_func=one_line,
        placeholder="Choose a run",
        on_change=lambda: clone(form, st.session_state[key]),
    )


def clone(form: FormState, run_id: str | None, changes: Mapping[str, Any] = NO_CHANGES) -> None:
    """Fill the form with the settings of a run, and remember them as the parent to compare with.

    changes: dotted settings in which the clone differs; when they cannot be, what is wrong is shown and none is made.
    """
    if run_id is None:
        return
    config = settings_of(run_id, "clone")
    if config is None:
        return
    st.query_params[CLONE] = run_id
    named = config.model_copy(update={"name": next_name(config.name, names_in_use(runs_root()))})
    form.load_child(named, f"{CLONE}:{run_id}", config, run_id, None)
    _change(form, changes, run_id)


def _change(form: FormState, changes: Mapping[str, Any], where: str) -> None:
    try:
        form.change(changes)
    except ConfigError as error:
        st.session_state[IMPORT_PROBLEMS] = (f"What was to be changed in {where}", error.problems)


def follow_url(form: FormState) -> None:
    """Load the run that the URL asks to clone or to fork, once, with the changes that it asks for."""
    wanted = st.query_params.get(CLONE)
    changes = st.query_params.pop(CHANGES, None)  # made once: a reload must not undo what was edited since
    if forked := st.query_params.get(FORK):
        follow_fork(form, forked, number_in_url(STEP))
        return
    if form.fork_step is not None:  # the page was left, and opened again for something new
        leave_fork(form)
    if wanted and (changes is not None or form.origin != f"{CLONE}:{wanted}"):
        form.origin = f"{CLONE}:{wanted}"
        clone(form, wanted, *([] if changes is None else [_read_changes(changes)]))
    elif changes is not None:  # of the What-if panel on a pre-flight of this form
        _change(form, _read_changes(changes), "the form")


def _read_changes(text: str) -> dict[str, Any]:
    """The changes of the URL; what is no JSON object becomes a setting that does not exist, and is refused as one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {CHANGES: text}
