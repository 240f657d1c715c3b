"""One group in full: prompt and reference, its completions with the arithmetic, and the tokens of one of them."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import GROUP_KINDS
from dashboard.text import one_line, visible
from dashboard.views.completion_table import by_reward, completion_table, pass_words
from dashboard.views.token_strip import Measure, largest_words, measures, token_frame, token_strip
from dashboard.wording import number, plural
from engine.analysis.arithmetic import PROCESS_WORDS, formula, scale_words, trained_steps
from engine.config import RunConfig
from engine.runs.reader import RunReader, Tokens

LONG_TEXT = 500  # characters beyond which a box scrolls
BOX_HEIGHT = 200
NUM_STEPS = 12

DISCARDED = {  # records.DiscardReason in words
    "no_signal": "no completion of it scored better or worse than the others, so there was nothing to learn from it",
    "masked": "only completions that were cut off differ from the others, and this run leaves those out of the loss",
}


def group_detail(reader: RunReader, config: RunConfig, group: pd.Series, num_groups: int) -> None:
    """Everything about one group; group: a row of `groups`."""
    step, index = int(group["step"]), int(group["group_index"])
    completions = reader.completions(step, index)
    discarded = group["discarded"] if isinstance(group["discarded"], str) else None
    kind = GROUP_KINDS[group["kind"]][0] + (", discarded" if discarded else "")
    st.subheader(f"Group {index + 1} of {num_groups}: {kind}", anchor=False)
    if discarded:
        sentence = f"Discarded by dynamic sampling: {DISCARDED[discarded]}. The step did not train on this group."
        st.info(sentence, icon=":material/block:")
    _prompt(group)
    _same_prompt(reader, group)
    if completions.empty:
        st.info("The completions of this group are not stored.", icon=":material/info:")
        return
    _rule(group, config, completions)
    weights: Mapping[str, float] = {spec.name: spec.weight for spec in config.rewards}
    st.html(completion_table(group, completions, weights, config.loss))
    _tokens(reader, completions, step, index)


def _prompt(group: pd.Series) -> None:
    left, right = st.columns([3, 1])
    with left:
        _box("Prompt", group["prompt"])
    with right:
        _box("Reference answer", group["reference"] if isinstance(group["reference"], str) else "(none)")
    if group["rendered"] != group["prompt"]:
        with st.expander(f"As the model saw it, {plural(int(group['prompt_tokens']), 'token')}"):
            _box("", group["rendered"])


def _box(caption: str, text: str) -> None:
    if caption:
        st.caption(caption)
    is_long = len(text) > LONG_TEXT or text.count("\n") > 6
    st.code(visible(text), language=None, wrap_lines=True, height=BOX_HEIGHT if is_long else "content")


def _same_prompt(reader: RunReader, group: pd.Series) -> None:
    """The other steps in which this prompt was used, as links."""
    here = int(group["step"])
    others = [step for step in reader.prompt_steps(group["prompt_id"]) if step != here]
    if not others:
        st.caption(f"{plural(int(group['prompt_tokens']), 'prompt token')}. No other step has used this prompt so far.")
        return
    key = f"same_prompt_{here}_{group['group_index']}"

    def go() -> None:
        chosen = st.session_state[key]
        if chosen is None:
            return
        there = reader.groups(chosen)
        match = there[there["prompt_id"] == group["prompt_id"]]
        state.set_in_url(step=chosen, group=int(match["group_index"].iloc[0]) + 1, completion=None)

    label = f"The same prompt in {plural(len(others), 'other step')}"
    st.pills(label, others[-NUM_STEPS:], key=key, on_change=go, format_func=lambda step: f"step {step:,}")


def _rule(group: pd.Series, config: RunConfig, completions: pd.DataFrame) -> None:
    """Mean, std, and how rewards become advantages in this group."""
    scale = None if pd.isna(group["scale"]) else float(group["scale"])
    facts = [f"mean **{number(group['mean'])}**", f"std **{number(group['std'])}**"]
    if right := pass_words(completions):
        facts.append(right)
    st.markdown(" · ".join(facts))
    if isinstance(group["discarded"], str):
        return
    weights = {spec.name: spec.weight for spec in config.rewards}
    if any(trained_steps(steps, weights) for steps in completions["steps"]):
        st.caption(f"Process supervision: {PROCESS_WORDS}.")
        return
    rule = formula(group["mean"], scale, config.loss)
    if config.loss.multi_objective_aggregation == "sum_then_normalize" and not pd.isna(group["mean"]):
        rule += f", {scale_words(config.loss.scale_rewards)}"
    st.caption(f"{rule}.")


def _tokens(reader: RunReader, completions: pd.DataFrame, step: int, index: int) -> None:
    """The token view of the completion that the URL names, or of the best one."""
    ordered = by_reward(completions).set_index("completion_index")
    chosen = _choose(ordered, step, index)
    tokens = reader.tokens(step, index, chosen)
    if tokens is None:
        st.caption("The tokens of this completion are not stored.")
        return
    found = measures(tokens)
    if not found:
        st.caption("Log-probabilities, KL and entropy are not measured: this group was discarded.")
        st.html(token_strip(tokens, None))
    else:
        _coloured(tokens, found)
    with st.expander("All tokens as a table, and the whole text"):
        st.dataframe(token_frame(tokens), height=300)
        _box("", ordered.loc[chosen, "text"])


def _coloured(tokens: Tokens, found: Mapping[str, Measure]) -> None:
    """The token strip, with the choice of what it is coloured by."""
    name = st.segmented_control(
        "Colour tokens by", list(found), required=True, default=next(iter(found)), key="token_measure",
        format_func=lambda key: found[key].metric.label,
    )  # fmt: skip
    measure = found.get(name) or next(iter(found.values()))
    if "kl" not in found:
        st.caption("No KL here: this run keeps no reference.")
    unit = measure.metric.unit.partition("/")[0]
    full = f"{measure.full:g} {unit}".rstrip()
    st.caption(f"{measure.metric.help} {measure.metric.look_for} Full colour from {full} on.")
    st.html(token_strip(tokens, measure))
    st.text(f"Strongest: {largest_words(tokens, measure)}")


def _choose(ordered: pd.DataFrame, step: int, index: int) -> int:
    """The chosen completion_index, by a box above the strip."""
    asked = (state.number_in_url(state.COMPLETION) or 0) - 1
    options = ordered.index.tolist()
    key = f"completion_{step}_{index}"

    start = options.index(asked) if asked in options else 0

    def choose() -> None:
        # Streamlit also reports the start value by itself when a live step replaces the box: nobody chose that.
        if (chosen := st.session_state[key]) != options[start]:
            state.set_in_url(step=step, group=index + 1, completion=chosen + 1)

    def label(place: int) -> str:
        row = ordered.loc[place]
        return f"#{place + 1} · reward {number(row['total'])} · {one_line(row['text'], 60)}"

    return int(st.selectbox("Tokens of completion", options, start, format_func=label, key=key, on_change=choose))
