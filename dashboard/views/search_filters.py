"""The filters of a search as widgets: what the URL asks is what they show, and a change of one goes into the URL."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.text import one_line
from dashboard.wording import RIGHT, WRONG
from engine.errors import LabError
from engine.runs.search_query import MAX_PHRASE, SearchQuery

PHRASE = "search.phrase"
PROBLEM = "search.problem"
ANY = "any"

# What a choice of one stands for: filters by the word that is shown.
ADVANTAGE: Mapping[str, dict[str, Any]] = {
    "▲ above 0": {"advantage": "positive"}, "▼ below 0": {"advantage": "negative"}, "● 0": {"advantage": "zero"},
}  # fmt: skip
END: Mapping[str, dict[str, Any]] = {
    "ended": {"finish_reason": "eos"}, "stop string": {"finish_reason": "stop"}, "cut off": {"finish_reason": "length"},
}  # fmt: skip
VERDICT: Mapping[str, dict[str, Any]] = {RIGHT: {"passed": True}, WRONG: {"passed": False}}
GROUP: Mapping[str, dict[str, Any]] = {
    "with signal": {"dead": False}, "without signal": {"dead": True}, "trained on": {"discarded": False},
    "discarded": {"discarded": True},
}  # fmt: skip
CHOICES = {"advantage": ADVANTAGE, "end": END, "verdict": VERDICT, "group": GROUP}
RANGES = {"step": ("Step", 1), "total": ("Total reward", None), "length": ("Tokens", 1)}  # field: label, whole steps of

PRESETS: Mapping[str, tuple[SearchQuery, str]] = {  # with what they ask for, in words
    "Cut off but pushed up": (
        SearchQuery(finish_reason="length", advantage="positive"),
        "Completions that the length limit ended, with an advantage above 0.",
    ),
    "Right answers": (SearchQuery(passed=True), "Completions that a reward calls right."),
    "Wrong but pushed up": (
        SearchQuery(passed=False, advantage="positive"),
        "Wrong completions with an advantage above 0, which training made likelier.",
    ),
    "Missing rewards": (SearchQuery(reward_missing=True), "Completions without a value of some reward function."),
}


def query_in_url() -> SearchQuery:
    """What the URL asks for. Raises LabError for what no search can be."""
    query = SearchQuery.from_json(st.query_params.get(state.FILTERS) or "{}")
    return changed(query, phrase=st.query_params.get(state.QUERY, ""))


def put_in_url(query: SearchQuery) -> None:
    filters = changed(query, phrase="").to_json()
    state.set_in_url(**{state.QUERY: query.phrase or None, state.FILTERS: None if filters == "{}" else filters})


def changed(query: SearchQuery, **values: Any) -> SearchQuery:
    """The query with other values. Raises LabError when they do not fit."""
    fields = {name: getattr(query, name) for name in SearchQuery.__dataclass_fields__}
    return SearchQuery(**{**fields, **values})


def phrase_box(query: SearchQuery) -> None:
    st.session_state[PHRASE] = query.phrase
    st.text_input(
        "Search every completion of this run", key=PHRASE, max_chars=MAX_PHRASE, on_change=_apply, args=(query,),
        placeholder="A phrase, as it stands in the text; capital or small letters", icon=":material/search:",
        label_visibility="collapsed",
    )  # fmt: skip


def preset_buttons(query: SearchQuery) -> None:
    """Filters worth having at one click. The phrase stays."""
    for name, (preset, words) in PRESETS.items():
        wanted = changed(preset, phrase=query.phrase)
        st.button(name, key=f"search.preset.{name}", on_click=put_in_url, args=(wanted,), help=words)


def filter_widgets(query: SearchQuery, rewards: Sequence[str]) -> None:
    """All filters but the phrase. rewards: the functions of the run."""
    _fill(query, rewards)
    left, middle, right = st.columns(3, gap="medium")
    with left:
        for name in ("advantage", "end", "verdict", "group"):
            label = {"advantage": "Advantage", "end": "End", "verdict": "Answer", "group": "Group"}[name]
            st.pills(label, list(CHOICES[name]), key=f"search.{name}", on_change=_apply, args=(query,))
    with middle:
        for name, (label, step) in RANGES.items():
            _range(name, label, step, query)
    with right:
        st.selectbox(
            "Reward function", [ANY, *rewards], key="search.reward", on_change=_apply, args=(query,),
            format_func=one_line,
        )  # fmt: skip
        if query.reward is not None:
            _range("reward", "Its value", None, query)
        st.checkbox("gave no value", key="search.reward_missing", on_change=_apply, args=(query,))
        st.text_input(
            "Parsed answer, all of it", key="search.parsed", max_chars=MAX_PHRASE, on_change=_apply, args=(query,)
        )


def _range(name: str, label: str, step: int | None, query: SearchQuery) -> None:
    low, high = st.columns(2)
    for column, end, word in ((low, "min", "from"), (high, "max", "to")):
        column.number_input(
            f"{label}: {word}", key=f"search.{name}_{end}", value=None, step=step or 0.1, on_change=_apply,
            args=(query,), format=None if step else "%g",
        )  # fmt: skip


def _fill(query: SearchQuery, rewards: Sequence[str]) -> None:
    """Set the widgets to what the query says."""
    values: dict[str, Any] = {
        "reward": query.reward if query.reward in rewards else ANY,
        "reward_missing": query.reward_missing,
        "parsed": query.parsed or "",
    }
    for name in (*RANGES, "reward"):
        for end in ("min", "max"):
            value = getattr(query, f"{name}_{end}")
            whole = name in RANGES and RANGES[name][1] is not None
            values[f"{name}_{end}"] = value if value is None or whole else float(value)
    for name, options in CHOICES.items():
        values[name] = next((word for word, asks in options.items() if _asked(query, asks)), None)
    for name, value in values.items():
        st.session_state[f"search.{name}"] = value


def _asked(query: SearchQuery, asks: Mapping[str, Any]) -> bool:
    return all(getattr(query, name) == value for name, value in asks.items())


def _apply(query: SearchQuery) -> None:
    """Put what the widgets say into the URL; what does not fit together is told, and the URL stays."""
    values = {name: getattr(query, name) for name in SearchQuery.__dataclass_fields__}
    for name in values.keys() - CHOICES.keys():
        values[name] = st.session_state.get(f"search.{name}", values[name])
    for name, options in CHOICES.items():
        if f"search.{name}" in st.session_state:
            values.update({field: None for asks in options.values() for field in asks})
            values.update(options.get(st.session_state[f"search.{name}"], {}))
    values["parsed"] = values["parsed"] or None
    if values["reward"] in (None, ANY):
        values.update(reward=None, reward_min=None, reward_max=None)
    try:
        put_in_url(SearchQuery(**values))
    except LabError as error:
        st.session_state[PROBLEM] = error
