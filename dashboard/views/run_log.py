"""What was said: the run's events, what its engine printed, and its settings as a file."""

import time

import pandas as pd
import streamlit as st

from dashboard.text import one_line, visible
from engine.config import RunConfig
from engine.config_io import dump_config
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.status import log_tail

NUM_EVENTS = 200
NUM_LINES = 200
HEIGHT = 260


def run_log(paths: RunPaths, reader: RunReader) -> None:
    """Events, newest first, beside the end of the engine's log."""
    left, right = st.columns(2)
    left.caption("Events, newest first")
    left.code(event_lines(reader.events(NUM_EVENTS)) or "(none yet)", language=None, height=HEIGHT, wrap_lines=True)
    right.caption("Printed by the engine, newest last")
    printed = visible("\n".join(log_tail(paths, NUM_LINES)))
    right.code(printed or "(nothing yet)", language=None, height=HEIGHT, wrap_lines=True)


def event_lines(events: pd.DataFrame) -> str:
    """One line per event: time, step, level if it is no mere information, and the message."""
    lines = []
    for at, step, level, message in zip(*(events[c] for c in ("at", "step", "level", "message")), strict=True):
        mark = "" if level == "info" else f"{level.upper()}  "
        clock = time.strftime("%H:%M:%S", time.localtime(at))
        lines.append(f"{clock}  step {step:>5}  {mark}{one_line(message, 500)}")
    return "\n".join(lines)


def run_settings(paths: RunPaths, config: RunConfig) -> None:
    """The configuration as JSON, to read and to take along."""
    text = dump_config(config)
    st.download_button(
        "Download config.json", text, file_name=f"{paths.run_id}.json", mime="application/json",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    st.code(visible(text), language="json", height=360)
