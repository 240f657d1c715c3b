"""A reward file becomes a reward of the new run: put into the form, under a name that is free."""

import streamlit as st

from dashboard import state
from dashboard.views.form_rewards import LIST, free_name
from dashboard.views.form_state import FormState, form_state, section_key
from engine.config_io import default_params
from engine.rewards.python_file import NAME as PYTHON_FILE
from engine.rewards.worker.files import RewardFile


def file_spec(file: RewardFile, function: str, name: str) -> dict[str, object]:
    """The entry of a configuration's list of rewards for a function of this file."""
    params = {**default_params(PYTHON_FILE), "path": str(file.path), "callable": function}
    return {"name": name, "function": PYTHON_FILE, "weight": 1.0, "params": params}


def put_into_form(form: FormState, file: RewardFile, function: str) -> str:
    """Put it at the end of the form's list. Returns its name."""
    listed = {str(spec["name"]) for spec in form.value(LIST, [])}
    name = free_name(function or file.name, listed)
    form.draft[LIST] = [*form.value(LIST, []), file_spec(file, function, name)]
    form.redraw()
    return name


def use_in_new_run(file: RewardFile, function: str) -> None:
    """A callback: put it into the form and go there."""
    form = form_state()
    put_into_form(form, file, function)
    st.session_state[section_key("rewards")] = True
    form.to_open.append("rewards")
    st.session_state[state.GOING] = (state.NEW_RUN_PAGE, {})
