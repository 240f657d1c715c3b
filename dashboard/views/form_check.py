"""The right side of the New-run page: what will happen, the check that proves it, and the buttons that begin."""

import json
from pathlib import Path
from typing import Final, Literal

import streamlit as st

from dashboard.state import RUN_PAGE, find_run, go
from dashboard.text import as_html, as_label, encodable, visible
from dashboard.views.form import Placed
from dashboard.views.form_memory import draw_memory
from dashboard.views.form_plan import differences, plan
from dashboard.views.form_preflight import draw_preflight
from dashboard.views.form_sections import CONTROL, SECTIONS
from dashboard.views.form_state import FormState, collect
from dashboard.views.form_time import draw_time
from dashboard.wording import plural
from engine.check_client import Check, Preview, check_in_child
from engine.config import RunConfig
from engine.config_advice import advice
from engine.config_io import dump_config
from engine.errors import LabError, Problem
from engine.file_stamps import changed_words
from engine.runs.fork import fork_run
from engine.runs.launch import Launched, start_run
from engine.runs.paths import runs_root
from engine.runs.process import started_in

CHECK_TIMEOUT_S: Final = 600.0  # a GGUF file is converted when it is used first
CONFIG_FILE: Final = "config.json"
PANEL_KEY: Final = "new_run_panel"
# Beside a form that is longer than the window. The selector names the outermost box of the panel in its grid cell.
PANEL_STAYS_IN_SIGHT: Final = f"""
.stGridCell *:has(> .stVerticalBlock > * > .st-key-{PANEL_KEY}) {{
  position: sticky; top: 4rem; align-self: start; width: 100%; max-height: calc(100vh - 5rem); overflow-y: auto;
}}
"""


def draw_panel(form: FormState, config: RunConfig | None, placed: Placed, elsewhere: list[Problem]) -> None:
    st.subheader("What will happen", anchor=False)
    if config is not None:
        for line in plan(config, form.fork_step or 0):
            st.text(line)
        draw_memory(form, config)
        draw_time(form, config)
        draw_differences(form, config)
        draw_advice(config)
    draw_obstacles(placed, elsewhere)
    wants_check = draw_buttons(form, config)
    if form.failure:
        st.error(as_label(form.failure, 1000), icon=":material/error:")
    working = st.container()
    if config is not None:
        draw_check(form, config)
        draw_preflight(form, config)
        draw_export(form, config)
    with working:  # only now: whoever waits for a check sees the whole page
        if form.starting is not None:
            start(form, config, placed, elsewhere)
        elif wants_check and config is not None:
            check(form, config)
            st.rerun()


def draw_buttons(form: FormState, config: RunConfig | None) -> bool:
    """Start and Check. Returns whether Check was pressed."""
    busy = form.starting is not None
    ready = "Start run" if form.fork_step is None else "Start fork"
    with st.container(horizontal=True):
        st.button(
            "Starting …" if busy else ready, key="new_run.start", type="primary", icon=":material/play_arrow:",
            disabled=busy, on_click=begin_start, args=(form,),
        )  # fmt: skip
        return st.button(
            "Check", key="new_run.check", icon=":material/fact_check:", disabled=busy or config is None,
            help="Opens the data and the tokenizer, and shows a prompt as the model will read it. Start checks, too.",
        )  # fmt: skip


def begin_start(form: FormState) -> None:
    """Remember what to start. The work follows once the page is drawn with the button disabled."""
    collect(form)
    form.failure = ""
    form.starting = json.loads(json.dumps(form.draft))


def start(form: FormState, config: RunConfig | None, placed: Placed, elsewhere: list[Problem]) -> None:
    """Check unless exactly this was checked, start the run, and go to its page; with a problem, start nothing."""
    if form.starting != form.draft:  # edited since the click: that is not what was asked for
        form.starting = None
        st.rerun()
    if config is None or placed or elsewhere:
        stop_starting(form, placed)
    elif not form.is_checked(config):
        check(form, config)
        st.rerun()  # with what the check found beside its fields; without a problem, the start goes on
    else:
        launch(form, config)


def launch(form: FormState, config: RunConfig) -> None:
    try:
        launched = _launched(form, config)
    except LabError as error:
        form.failure = str(error)
        stop_starting(form, {})
    else:
        form.starting = None
        go(RUN_PAGE, run=launched.run_id)


def _launched(form: FormState, config: RunConfig) -> Launched:
    if form.fork_step is not None:
        return fork_run(runs_root(), form.parent_id, form.fork_step, config)
    return start_run(runs_root(), config, form.clone_origin(config))


def stop_starting(form: FormState, placed: Placed) -> None:
    """Give the button back, and open the sections in which something is wrong."""
    form.starting = None
    form.to_open = [section.key for section in SECTIONS if any(section.holds(anchor) for anchor in placed)]
    st.rerun()


def check(form: FormState, config: RunConfig) -> None:
    with st.spinner("Checking data, tokenizer and prompts …"):
        result = check_in_child(config, timeout_s=CHECK_TIMEOUT_S, cwd=_where(form))
    form.take_check(config, result, _where(form))


def _where(form: FormState) -> Path | None:
    """Where relative paths begin: for a fork where its parent was started, else here."""
    parent = find_run(form.parent_id) if form.fork_step is not None else None
    return None if parent is None else started_in(parent)


def draw_obstacles(placed: Placed, elsewhere: list[Problem]) -> None:
    """Why the run cannot start: in which sections, and what has no field of its own."""
    titles = [
        f"{section.title} ({sum(len(found) for anchor, found in placed.items() if section.holds(anchor))})"
        for section in SECTIONS
        if any(section.holds(anchor) for anchor in placed)
    ]
    if "name" in placed:
        titles.insert(0, "Name")
    if titles:
        st.error(f"To correct first: {', '.join(titles)}.", icon=":material/error:")
    for problem in elsewhere:
        st.error(as_label(str(problem), 1000), icon=":material/error:")


def draw_differences(form: FormState, config: RunConfig) -> None:
    if form.parent is None:
        return
    rows = differences(form.parent, config)
    st.text(f"Differs from {visible(form.parent_id)}:" if rows else f"The same settings as {visible(form.parent_id)}.")
    lines = "".join(
        f"<tr><td>{as_html(label)}</td><td class='lab-num'>{as_html(old[:200])} → <b>{as_html(new[:200])}</b></td></tr>"
        for label, old, new in rows
    )
    if rows:
        st.html(f"<table style='border-spacing:.75rem .1rem;margin-left:-.75rem'>{lines}</table>")


def draw_advice(config: RunConfig) -> None:
    """What is allowed, but hardly meant, each under the name of its setting."""
    for one in advice(config):
        label = CONTROL[one.field].label if one.field in CONTROL else one.field
        st.warning(f"**{as_label(label)}** {as_label(one.text, 1000)}", icon=":material/warning:")


def draw_check(form: FormState, config: RunConfig) -> None:
    """What the check found, as long as it is about the settings as they are."""
    if form.check is None:
        st.caption("Not checked yet. Start run checks first.")
        return
    if form.checked != dump_config(config):
        st.caption("The settings have changed since the check.")
        return
    if files := form.changed_files(config):
        st.caption(as_label(f"Since the check, this changed on disk: {changed_words(files)}."))
        return
    result: Check = form.check
    already_told = {str(one) for one in advice(config)}
    for warning in (warning for warning in result.warnings if warning not in already_told):
        st.warning(as_label(warning, 1000), icon=":material/warning:")
    if found := sum(finding.severity != "note" for finding in result.findings):
        st.warning(f"{plural(found, 'finding')} about the data: see the Data section.", icon=":material/dataset:")
    if not result.problems:
        st.success(as_label(check_in_words(result), 500), icon=":material/check:")
    if result.previews and not result.problems:
        draw_preview(result.previews[0])


def check_in_words(result: Check) -> str:
    examples = "endless training examples" if result.train_size is None else f"{result.train_size:,} training examples"
    context = "" if result.context_length is None else f", in a context of {result.context_length:,} tokens"
    return f"Ready to start: {examples}{context}."


def draw_preview(preview: Preview) -> None:
    is_long = preview.prompt.count("\n") > 12 or len(preview.prompt) > 1000
    height: int | Literal["content"] = 300 if is_long else "content"
    st.caption(f"One prompt as the model will read it, {preview.tokens:,} tokens")
    st.code(visible(preview.prompt), language=None, wrap_lines=True, height=height)
    if preview.reference is not None:
        st.caption("Its reference answer")
        st.code(visible(preview.reference), language=None, wrap_lines=True)


def draw_export(form: FormState, config: RunConfig) -> None:
    """The same run from a terminal, and the configuration as a file."""
    text = dump_config(config)
    with st.expander("Configuration and command", icon=":material/terminal:"):
        st.caption("The same run from a terminal:")
        fork = f"fork {form.parent_id} --step {form.fork_step} --config"
        st.code(f"grpo-lab {'train' if form.fork_step is None else fork} {CONFIG_FILE}", language=None)
        st.download_button(
            "Download config.json", encodable(text), file_name=CONFIG_FILE, mime="application/json", on_click="ignore",
            icon=":material/download:",
        )  # fmt: skip
        st.code(visible(text), language="json", height=300)
