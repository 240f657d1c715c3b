"""One group in full: prompt and reference, its completions with the arithmetic, and a panel that looks closer."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import GROUP_KINDS
from dashboard.views.box import text_box
from dashboard.views.completion_table import are_long, completion_cards, completion_table, pass_words
from dashboard.views.diff_panel import diff_panel
from dashboard.views.history_panel import history_panel
from dashboard.views.imported_run import logged_columns, recorded_rule
from dashboard.views.shown_group import ShownGroup
from dashboard.views.token_panel import token_panel
from dashboard.views.what_if_panel import what_if_panel
from dashboard.wording import number, plural
from engine.analysis.arithmetic import PROCESS_WORDS, formula, trained_steps
from engine.config import RunConfig
from engine.config_rewards import weights_at
from engine.runs.imported import read_imported
from engine.runs.reader import RunReader

PANEL_KEY = "group_panel"
LAYOUTS = {"columns": ":material/view_column: in columns", "rows": ":material/table_rows: in rows"}

# What can be looked at below the table: key in the URL, label, and who draws it.
PANELS: dict[str, tuple[str, Callable[[ShownGroup], None]]] = {
    "tokens": ("Tokens", token_panel),
    "diff": ("Compare two", diff_panel),
    "history": ("This prompt over time", history_panel),
    "what_if": ("What if", what_if_panel),
}

DISCARDED = {  # records.DiscardReason in words
    "no_signal": "no completion of it scored better or worse than the others, so there was nothing to learn from it",
    "masked": "only completions that were cut off differ from the others, and this run leaves those out of the loss",
}


def group_detail(shown: ShownGroup, num_groups: int) -> None:
    """Everything about one group of a step with `num_groups` of them."""
    group, completions, config = shown.group, shown.completions, shown.config
    discarded = group["discarded"] if isinstance(group["discarded"], str) else None
    kind = GROUP_KINDS[group["kind"]][0] + (", discarded" if discarded else "")
    st.subheader(f"Group {shown.index + 1} of {num_groups}: {kind}", anchor=False)
    if discarded:
        sentence = f"Discarded by dynamic sampling: {DISCARDED[discarded]}. The step did not train on this group."
        st.info(sentence, icon=":material/block:")
    _prompt(group)
    _same_prompt(shown.reader, group)
    if completions.empty:
        st.info("The completions of this group are not stored.", icon=":material/info:")
        return
    imported = read_imported(shown.paths)
    exact = imported is None or imported.exact
    if exact:
        _rule(group, config, completions)
    else:
        recorded_rule(group)
    weights = weights_at(config.rewards, int(group["step"]), config.optim.max_steps)
    draw = completion_cards if _as_cards(completions) else completion_table
    asked = state.number_in_url(state.COMPLETION)
    chosen = None if asked is None else asked - 1
    st.html(draw(group, completions, weights, config.loss, exact=exact, chosen=chosen))
    if imported is not None:
        logged_columns(group)
    _panel(shown)


def _prompt(group: pd.Series) -> None:
    left, right = st.columns([3, 1])
    with left:
        text_box("Prompt", group["prompt"])
    with right:
        text_box("Reference answer", group["reference"] if isinstance(group["reference"], str) else "(none)")
    if isinstance(group["rendered"], str) and group["rendered"] != group["prompt"]:
        with st.expander(f"As the model saw it, {plural(int(group['prompt_tokens']), 'token')}"):
            text_box("", group["rendered"])


def _same_prompt(reader: RunReader, group: pd.Series) -> None:
    """How often the run asked this prompt, and where what it got then is shown."""
    tokens = "" if pd.isna(group["prompt_tokens"]) else f"{plural(int(group['prompt_tokens']), 'prompt token')}. "
    num_others = len(set(reader.prompt_steps(group["prompt_id"])) - {int(group["step"])})
    elsewhere = "No other step has used this prompt so far."
    if num_others:
        elsewhere = (
            f"This prompt was also used in {plural(num_others, 'other step')}: see “{PANELS['history'][0]}” below."
        )
    st.caption(tokens + elsewhere)


def _rule(group: pd.Series, config: RunConfig, completions: pd.DataFrame) -> None:
    """Mean, std, and how rewards become advantages in this group."""
    scale = None if pd.isna(group["scale"]) else float(group["scale"])
    facts = [f"mean **{number(group['mean'])}**", f"std **{number(group['std'])}**"]
    if right := pass_words(completions):
        facts.append(right)
    st.markdown(" · ".join(facts))
    if isinstance(group["discarded"], str):
        return
    weights = weights_at(config.rewards, int(group["step"]), config.optim.max_steps)
    if any(trained_steps(steps, weights) for steps in completions["steps"]):
        st.caption(f"Process supervision: {PROCESS_WORDS}.")
        return
    st.caption(f"{formula(group['mean'], scale, config.loss)}.")


def _as_cards(completions: pd.DataFrame) -> bool:
    """Whether to draw columns rather than rows: a choice where texts are long, and columns at first."""
    if not are_long(completions):
        return False
    chosen = st.segmented_control(
        "Completions", list(LAYOUTS), key="completion_layout", default="columns", required=True,
        format_func=LAYOUTS.__getitem__, label_visibility="collapsed",
    )  # fmt: skip
    return chosen == "columns"


def _panel(shown: ShownGroup) -> None:
    """The panel that the URL names, with the choice between them."""
    asked = st.query_params.get(state.PANEL, "")
    current = asked if asked in PANELS else next(iter(PANELS))

    def choose() -> None:
        state.set_in_url(**{state.PANEL: st.session_state[PANEL_KEY]})

    st.session_state[PANEL_KEY] = current
    st.segmented_control(
        "Look closer", list(PANELS), key=PANEL_KEY, required=True, on_change=choose, label_visibility="collapsed",
        format_func=lambda key: PANELS[key][0],
    )  # fmt: skip
    PANELS[current][1](shown)
