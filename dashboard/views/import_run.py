"""Import a TRL run: a folder on this machine becomes a run to look at. A popover of the Runs page."""

from typing import Final

import streamlit as st

from dashboard.state import RUN, RUN_PAGE
from dashboard.text import as_label
from engine.config_text import read_mapping
from engine.errors import LabError
from engine.runs.paths import runs_root
from engine.trl.import_run import AlreadyImported, Report, import_run

FOLDER: Final = "import_run.folder"
NAME: Final = "import_run.name"
CONFIG: Final = "import_run.config"
AGAIN: Final = "import_run.again"
OUTCOME: Final = "import_run.outcome"  # a Report, or the LabError that came instead
LONGEST = 1000  # characters of a sentence


def draw_import_run() -> None:
    """The popover, which shows what came of the last import of this session, too."""
    with st.popover("Import a TRL run", icon=":material/download:", width="content"), st.container(width=560):
        st.text_input(
            "Folder", key=FOLDER, placeholder="/home/me/grpo/output",
            help="The output_dir of TRL's GRPOTrainer, trained with log_completions=True. It is read, never changed.",
        )  # fmt: skip
        st.text_input("Name", key=NAME, max_chars=80, placeholder="the folder's name")
        st.text_area(
            "TRL's config of this run, JSON or YAML", key=CONFIG, height=80, placeholder="not needed",
            help="Says the weights of the rewards and how it was trained, which the folder does not.",
        )  # fmt: skip
        if isinstance(st.session_state.get(OUTCOME), AlreadyImported):
            st.checkbox("Import it once more", key=AGAIN)
        if st.button("Import", key="import_run.go", type="primary", disabled=not st.session_state.get(FOLDER)):
            with st.spinner("Reading the folder…"):
                _import()
            st.rerun()
        _outcome()


def _import() -> None:
    try:
        config = read_mapping(text) if (text := st.session_state[CONFIG].strip()) else None
        st.session_state[OUTCOME] = import_run(
            runs_root(), st.session_state[FOLDER].strip(), name=st.session_state[NAME], config=config,
            again=bool(st.session_state.get(AGAIN)),
        )  # fmt: skip
    except LabError as error:
        st.session_state[OUTCOME] = error


def _outcome() -> None:
    """What is in the run that was made and what is not; or why there is none."""
    outcome = st.session_state.get(OUTCOME)
    if isinstance(outcome, LabError):
        st.error(as_label(str(outcome), LONGEST), icon=":material/error:")
        if isinstance(outcome, AlreadyImported):
            st.page_link(RUN_PAGE, label="Open it", icon=":material/monitoring:", query_params={RUN: outcome.run_id})
    if isinstance(outcome, Report):
        st.page_link(RUN_PAGE, label="Open the run", icon=":material/monitoring:", query_params={RUN: outcome.run_id})
        for heading, lines in (("What was recorded", outcome.notes), ("What was not", outcome.missing)):
            st.markdown(f"**{heading}**")
            for line in lines:
                st.caption(as_label(line, LONGEST))
