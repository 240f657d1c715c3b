"""Prompts: all prompts that a run has asked, how often, and how they went. Which are always solved, which never?"""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.text import one_line
from dashboard.views.row_places import picked_place
from dashboard.wording import plural
from engine.glossary import METRICS
from engine.runs.prompts import PromptTable
from engine.runs.reader import RunReader

RANGES = (100, 1000)  # newest steps that can be looked at alone
WHOLE = 0  # the span of all steps: a number of them would change as the run grows
OPENS_WITH = 1000  # steps at most before somebody asks for more: a whole long run takes up to half a second
MOST = 500  # rows
HEIGHT = 620
SHARE = "%.0f %%"
ALL = "all"
OUTCOMES: dict[str, str] = {
    ALL: "every prompt", "always": "always right", "sometimes": "sometimes right", "never": "never right",
}  # fmt: skip


def prompts_view(reader: RunReader) -> None:
    """A table of prompts with the choice of steps and of outcome; a row opens the newest group of its prompt."""
    first, last = reader.first_step(), reader.last_step()
    if last == 0:
        st.info("No step is finished yet. The first prompts appear here.", icon=":material/hourglass_top:")
        return
    span = _choose_span(last - first + 1)
    first = max(first, last - span + 1) if span else first
    outcome = st.session_state.get("prompts_outcome", ALL)
    table = reader.prompt_table(first, None if outcome == ALL else outcome, MOST)
    _choose_outcome(table)
    st.caption(table_words(table, first, last, outcome))
    if table.rows.empty:
        return
    key = f"prompts_{span or 'run'}_{outcome}"
    event = st.dataframe(
        prompts_frame(table.rows), hide_index=True, width="stretch", height=HEIGHT,
        key=key,
        on_select="rerun", selection_mode="single-row", column_config=_columns(), placeholder="–",
        alt="Prompts of the run",
    )  # fmt: skip
    places = list(zip(table.rows["last_step"].tolist(), table.rows["group_index"].tolist(), strict=True))
    if place := picked_place(event, places, key=key):
        step, index = place
        state.show(step, index + 1, view=None, panel="history")
        st.rerun()


def prompts_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of RunReader.prompt_table as people read them. Shares are per cent."""
    return pd.DataFrame(
        {
            "prompt": [one_line(prompt, 300) for prompt in rows["prompt"]],
            "asked": rows["times"],
            "steps": [steps_words(*ends) for ends in zip(rows["first_step"], rows["last_step"], strict=True)],
            "right at first": 100 * rows["first_pass_rate"],
            "right at last": 100 * rows["last_pass_rate"],
            "right": 100 * rows["pass_rate"],
            "mean reward": rows["mean"],
            "without signal": 100 * rows["dead_share"],
        }
    )  # fmt: skip


def steps_words(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,}–{last:,}"


def table_words(table: PromptTable, first: int, last: int, outcome: str) -> str:
    """What the table is about, in one line."""
    known = {name: table.counts.get(name, 0) for name in OUTCOMES if name != ALL}  # type: ignore[call-overload]
    words = [f"{count:,} {OUTCOMES[name]}" for name, count in known.items()]
    if undecided := table.counts.get(None, 0):
        words.append(f"{undecided:,} of which that is not decided")
    total = sum(table.counts.values())
    sentence = f"{plural(total, 'prompt')} in steps {first:,} to {last:,}: {', '.join(words)}."
    wanted = total if outcome == ALL else known[outcome]
    if wanted > MOST:
        sentence += f" The {MOST} asked most often are listed."
    if not wanted:
        return sentence if outcome == ALL else f"{sentence} None was {OUTCOMES[outcome]}."
    return f"{sentence} A row opens the newest group of its prompt."


def _choose_span(num_steps: int) -> int:
    """How many of the newest steps are looked at, of all that there are; WHOLE for all of them."""
    spans = [WHOLE, *(span for span in reversed(RANGES) if span < num_steps)]
    chosen = st.segmented_control(
        "Steps", spans, key=f"prompts_span_{len(spans)}", required=True,
        default=next(span for span in spans if (span or num_steps) <= OPENS_WITH or span == spans[-1]),
        format_func=lambda span: f"newest {span:,} steps" if span else "whole run",
    ) if len(spans) > 1 else WHOLE  # fmt: skip
    return int(chosen or WHOLE)


def _choose_outcome(table: PromptTable) -> None:
    def label(name: str) -> str:
        count = sum(table.counts.values()) if name == ALL else table.counts.get(name, 0)  # type: ignore[call-overload]
        return f"{OUTCOMES[name]} ({count:,})"

    st.segmented_control(
        "Show prompts", list(OUTCOMES), key="prompts_outcome", default=ALL, required=True, format_func=label
    )


def _columns() -> dict[str, Any]:
    return {
        "prompt": st.column_config.TextColumn(width="medium"),
        "asked": st.column_config.NumberColumn(help="Groups in which the prompt was asked.", format="localized"),
        "right at first": st.column_config.NumberColumn(help="Right completions of its first group.", format=SHARE),
        "right at last": st.column_config.NumberColumn(help="Right completions of its newest group.", format=SHARE),
        "right": st.column_config.ProgressColumn(
            "right, over all", help="Mean of the shares of right completions of its groups.", min_value=0,
            max_value=100, format=SHARE,
        ),
        "mean reward": st.column_config.NumberColumn(help=METRICS["reward"].help, format="%.3f"),
        "without signal": st.column_config.NumberColumn(help=METRICS["frac_reward_zero_std"].help, format=SHARE),
    }  # fmt: skip
