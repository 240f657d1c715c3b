"""Search over every completion of a run: a phrase and filters, what they find, and what can be done with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path

import streamlit as st

from dashboard import state
from dashboard.text import as_label
from dashboard.views.problem import explained, show_problem
from dashboard.views.search_filters import PROBLEM, filter_widgets, phrase_box, preset_buttons, put_in_url, query_in_url
from dashboard.views.search_rows import search_rows
from dashboard.wording import plural
from engine.errors import LabError
from engine.runs.export import EXPORT_BYTES, EXPORT_CAP, FORMATS, MIME, Format, export
from engine.runs.hits import hits
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.saved_filters import MAX_NAME, delete_filter, save_filter, saved_filters
from engine.runs.search import Found, find
from engine.runs.search_query import SearchQuery

PAGE = 50
PATIENT_S = 15.0  # for a search that came to no end in its usual time, when it is asked to go on
FOUND = "search.found"
SHOWN = "search.shown"
PATIENT = "search.patient"
NAME = "search.name"


def search_view(paths: RunPaths, reader: RunReader) -> None:
    """The whole view. It does not follow the newest step: a search sees the steps that are there when it is asked."""
    with explained():
        query = _asked()
        rewards = reader.reward_functions()
        phrase_box(query)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            preset_buttons(query)
            _saved(paths, query)
        filters = _num_filters(query)
        with st.expander("Filters" if not filters else f"Filters: {filters} set", expanded=False):
            filter_widgets(query, rewards)
        if (problem := st.session_state.pop(PROBLEM, None)) is not None:
            show_problem(problem)
        if reader.last_step() == 0:
            st.info("No step is finished yet, so there is nothing to search.", icon=":material/hourglass_top:")
        elif query.is_empty:
            st.caption("Type a phrase and press Enter, choose filters, or take one of the searches above.")
        else:
            _result(paths, reader, query)


def _asked() -> SearchQuery:
    try:
        return query_in_url()
    except LabError as error:  # a link that was cut or written by hand
        show_problem(error)
        return SearchQuery()


def _num_filters(query: SearchQuery) -> int:
    """How many filters are set; the phrase is none."""
    default = SearchQuery()
    names = [name for name in SearchQuery.__dataclass_fields__ if name != "phrase"]
    return sum(getattr(query, name) != getattr(default, name) for name in names)


def _result(paths: RunPaths, reader: RunReader, query: SearchQuery) -> None:
    with reader.snapshot() as moment:  # what is shown is what was found, though a step is replayed meanwhile
        found = _found(paths, moment, query)
        listed = hits(moment, found.keys[: st.session_state[SHOWN]], query.phrase)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{count_in_words(found)}**")
        if not query.is_empty:
            _clear()
        if found.keys:
            _download(paths, reader, query)
    if found.note:
        st.caption(found.note)
    if not found.complete and st.session_state.get(PATIENT) != query.to_json():
        st.button(f"Search on, for up to {PATIENT_S:.0f} s", key="search.on", on_click=_be_patient, args=(query,))
    if not found.keys:
        return
    shown = st.session_state[SHOWN]
    picked = search_rows(listed, key="search_rows", label="Completions found")
    if picked is not None:
        _open(picked, reader)
    if len(found.keys) > shown:
        left = len(found.keys) - shown
        st.button(f"Show {min(left, PAGE)} more", key="search.more", on_click=_show_more)
    elif found.more:
        st.caption(f"The newest {shown:,} are shown. Narrow the search to see older ones, or download it.")


def count_in_words(found: Found) -> str:
    """1,203 completions in 340 steps."""
    if not found.keys:
        return "No completion found" if found.complete else "No completion found so far"
    if found.more:
        return f"More than {len(found.keys):,} completions"
    words = f"{plural(len(found.keys), 'completion')} in {plural(found.steps, 'step')}"
    return words if found.complete else f"At least {words}"


def _found(paths: RunPaths, reader: RunReader, query: SearchQuery) -> Found:
    """The result, from memory while query and run are the same: a click on "show more" does not search again.

    A replay puts other texts under the keys of a step, so that a result is worth nothing after one.
    """
    patient = st.session_state.get(PATIENT) == query.to_json()
    last_step, superseded, *_ = reader.change_token()
    signature = (paths.run_id, query.to_json(), last_step, superseded, patient)
    known = st.session_state.get(FOUND)
    if known is None or known[0] != signature:
        if known is None or known[0][:2] != signature[:2]:
            st.session_state[SHOWN] = PAGE
        known = (signature, find(reader, query, seconds=PATIENT_S if patient else None))
        st.session_state[FOUND] = known
    found: Found = known[1]
    return found


def _be_patient(query: SearchQuery) -> None:
    st.session_state[PATIENT] = query.to_json()


def _show_more() -> None:
    st.session_state[SHOWN] += PAGE


def _open(key: int, reader: RunReader) -> None:
    """Leave for the step view, on the completion that was clicked. The search stays in the URL, for the way back."""
    for hit in hits(reader, [key]):
        state.show(hit.step, hit.group_index + 1, hit.completion_index + 1, view=None, panel=None)
        st.rerun()


def _clear() -> None:
    st.button("Clear", key="search.clear", on_click=put_in_url, args=(SearchQuery(),), type="tertiary")


def _download(paths: RunPaths, reader: RunReader, query: SearchQuery) -> None:
    with st.popover("Download", icon=":material/download:"):
        st.caption(
            f"The newest that are found, up to {EXPORT_CAP:,} completions and {EXPORT_BYTES / 1e6:.0f} MB, with "
            "prompt, reference and every reward. The command `grpo-lab search` writes files of any size. In CSV, text "
            "that a spreadsheet could take for a formula gets an apostrophe in front."
        )
        for kind in FORMATS:
            st.download_button(
                {"jsonl": "JSONL", "csv": "CSV", "parquet": "Parquet"}[kind],
                partial(exported, reader, query, kind), file_name=f"{paths.run_id}-search.{kind}", mime=MIME[kind],
                key=f"search.download.{kind}", on_click="ignore",
            )  # fmt: skip


def exported(reader: RunReader, query: SearchQuery, kind: Format) -> bytes:
    """The file, made when it is asked for. Streamlit wants it as a whole, so that EXPORT_BYTES bounds the memory."""
    out = BytesIO()
    export(reader, query, kind, out, max_bytes=EXPORT_BYTES)
    return out.getvalue()


def _saved(paths: RunPaths, query: SearchQuery) -> None:
    """Saved searches to load or delete, and a name to save this one under."""
    root = paths.root.parent
    with st.popover("Saved", icon=":material/bookmark:"):
        try:
            kept = saved_filters(root)
        except LabError as error:
            show_problem(error)
            return
        for place, (name, saved) in enumerate(kept.items()):
            load, delete = st.columns([4, 1])
            if isinstance(saved, LabError):
                load.caption(f"{as_label(name)} cannot be read: {as_label(str(saved))}")
            else:
                load.button(
                    as_label(name), key=f"search.load.{place}", on_click=put_in_url, args=(saved,), width="stretch"
                )
            delete.button(
                "", key=f"search.delete.{place}", icon=":material/delete:", help=f"Delete {as_label(name)}",
                on_click=_delete, args=(root, name),
            )  # fmt: skip
        if not kept:
            st.caption("Searches that you save are listed here, for every run of this folder.")
        st.text_input("Save this search as", key=NAME, max_chars=MAX_NAME, disabled=query.is_empty)
        st.button("Save", key="search.save", disabled=query.is_empty, on_click=_save, args=(paths, query))


def _save(paths: RunPaths, query: SearchQuery) -> None:
    with _told():
        save_filter(paths.root.parent, st.session_state.get(NAME, ""), query)
        st.session_state[NAME] = ""


def _delete(root: Path, name: str) -> None:
    with _told():
        delete_filter(root, name)


@contextmanager
def _told() -> Iterator[None]:
    """Where it cannot be done, the page says why."""
    try:
        yield
    except LabError as error:
        st.session_state[PROBLEM] = error
