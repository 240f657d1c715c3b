"""A config file as the start of a new run: ours, or one of TRL's, with what became of each of its settings."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from dashboard.state import CLONE
from dashboard.text import as_html, as_label
from dashboard.views.form_state import FormState, collect
from engine.config_io import parse_config
from engine.config_text import read_mapping
from engine.errors import ConfigError
from engine.trl.config import TrlImport, import_trl, looks_like_trl
from engine.trl.translation import Row

IMPORT_PROBLEMS: Final = "new_run.import_problems"  # (what was read, what is wrong with it), for the page to show
FROM_FILE: Final = "file:"  # begins the origin of a form that a config filled; what it is called follows
PASTED: Final = "the pasted text"
TYPES = ("json", "yaml", "yml")
CELL: Final = "padding:.15rem .75rem .15rem 0;vertical-align:top;overflow-wrap:anywhere"


def draw_import(form: FormState) -> None:
    """Two ways in: a file, or its text."""
    upload, paste = form.key("import"), form.key("paste")
    st.file_uploader(
        "A config file of GRPO Lab, or a GRPOConfig or YAML file of TRL",
        type=list(TYPES),
        key=upload,
        max_upload_size=1,
        on_change=take_file,
        args=(form, upload),
    )
    st.text_area("or its text", key=paste, height=140, placeholder="learning_rate: 1e-6\nnum_generations: 8\n…")
    st.button("Use this text", key="new_run.paste", on_click=take_text, args=(form, paste))


def take_file(form: FormState, key: str) -> None:
    upload = st.session_state[key]
    if upload is not None:
        take_config(form, upload.name, upload.getvalue())


def take_text(form: FormState, key: str) -> None:
    if text := st.session_state[key]:
        take_config(form, PASTED, text)


def take_config(form: FormState, name: str, data: str | bytes) -> None:
    """Fill the form with a configuration, or keep what is wrong with it for the page to show.

    TRL's settings go over those that the form has, of which model, data and rewards stay where TRL's config has none.
    """
    collect(form)
    try:
        settings = read_mapping(data)
        if looks_like_trl(settings):
            form.load_translation(import_trl(settings, form.draft))
        else:
            form.load(parse_config(settings), f"{FROM_FILE}{name}")
    except ConfigError as error:
        st.session_state[IMPORT_PROBLEMS] = (name, error.problems)
        return
    st.session_state.pop(IMPORT_PROBLEMS, None)
    st.query_params.pop(CLONE, None)


def draw_translation(result: TrlImport) -> None:
    """What became of TRL's settings: taken over, with another meaning, not here."""
    counts = ", ".join(f"{len(rows)} {heading.lower()}" for heading, rows in result.tables())
    with st.expander(f"**From a TRL config:** {as_label(counts, 200)}", icon=":material/translate:", expanded=True):
        for heading, rows in result.tables():
            st.html(f"<h4 style='font-size:1rem;margin:0;padding:0'>{as_html(heading)}</h4>{as_table(rows)}")
        if rest := result.rest_in_words():
            st.caption(as_label(rest, 1000))


def as_table(rows: Sequence[Row]) -> str:
    """Rows as HTML, for st.html; every text in it is escaped."""
    lines = []
    for row in rows:
        ours = f"→ {as_html(row.ours)}" if row.ours else ""
        note = f'<div class="lab-muted">{as_html(row.note)}</div>' if row.note else ""
        lines.append(
            f'<tr><td style="{CELL};width:45%"><code>{as_html(row.theirs)}</code></td>'
            f'<td style="{CELL}">{ours and f"<code>{ours}</code>"}{note}</td></tr>'
        )
    return f'<table style="width:100%;font-size:.9em;border-collapse:collapse">{"".join(lines)}</table>'
