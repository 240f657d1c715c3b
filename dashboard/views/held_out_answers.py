"""What the model answers to held-out prompts: at the newest evaluation, beside what it said at the first one."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.held_out_charts import newest_undecided
from dashboard.text import one_line
from dashboard.wording import MISSING, RIGHT, WRONG, verdict
from engine.runs.reader import RunReader

TEXT_LIMIT = 300  # characters of a cell
HEIGHT = 360

Samples = Sequence[Mapping[str, Any]]


def held_out_answers(reader: RunReader) -> None:
    """A table of the stored held-out prompts, or a sentence while there is none."""
    evaluations = reader.evaluations()
    steps = evaluations["step"].tolist()
    if not steps:
        st.caption("No evaluation is finished yet.")
        return
    newest = _samples(reader, steps[-1])
    first = _samples(reader, steps[0]) if len(steps) > 1 else []
    st.caption(
        f"The first {len(newest)} held-out prompts, after step {steps[-1]:,}, asked with the same random numbers each "
        f"time: {RIGHT}, {WRONG}, {MISSING} not decided. {newest_undecided(evaluations)}"
    )
    frame = answers_frame(newest, first, "before training" if steps[0] == 0 else f"after step {steps[0]:,}")
    st.dataframe(
        frame, hide_index=True, width="stretch", height=HEIGHT, alt="Held-out prompts with the model's answers"
    )


def answers_frame(newest: Samples, first: Samples, when: str) -> pd.DataFrame:
    """A row per prompt: its reference answer, what the model says now, and what it said at the first evaluation."""
    earlier = {sample["prompt"]: answers(sample) for sample in first}
    rows = [
        {
            "prompt": one_line(sample["prompt"], TEXT_LIMIT),
            "reference answer": one_line(sample["reference"] or "(none)", TEXT_LIMIT),
            "now": answers(sample),
            when: earlier.get(sample["prompt"], ""),
        }
        for sample in newest
    ]
    frame = pd.DataFrame(rows)
    return frame if first or frame.empty else frame.drop(columns=when)


def answers(sample: Mapping[str, Any]) -> str:
    """The stored completions of one prompt, each with its verdict."""
    return " · ".join(
        f"{verdict(completion['passed'])[:1] or MISSING} {one_line(completion['text'], TEXT_LIMIT)}"
        for completion in sample["completions"]
    )


def _samples(reader: RunReader, step: int) -> Samples:
    found = reader.evaluation_details(step)
    return [] if found is None else found[1]
