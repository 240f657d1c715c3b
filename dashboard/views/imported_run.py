"""What the pages say of a run that was imported: where it came from, what was recorded, and what was not."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import streamlit as st

from dashboard.charts import Chart
from dashboard.live_plot import Kpi
from dashboard.text import as_label, one_line
from dashboard.views.run_header import config_line
from dashboard.wording import number
from engine.config import RunConfig
from engine.runs.imported import Imported

LONGEST = 1000  # characters of a sentence
CELL = 300
HEADING = 60
PROMISES = {  # what pages say of a run that may still measure it: what they say of an import
    "No evaluation is finished yet.": "No evaluation was recorded.",
    "No step is finished yet.": "Not recorded.",
    "not measured so far": "not recorded",
    "not measured yet": "not recorded",
    "not evaluated yet": "not recorded",
}
GUESSES = {"0 by construction with one update per batch": "0 in every recorded step"}  # who knows how many there were
NO_STEP_TOKENS = "TRL records the text of a completion and not its tokens, so there are none of this step to show."
HEIGHT = 220  # pixels


def imported_line(config: RunConfig, imported: Imported | None) -> str | None:
    """The line under the head of an import; None where the settings are known and stand there as ever."""
    if imported is None or imported.has_settings:
        return None
    rewards = ", ".join(f"{spec.name} × {spec.weight:g}" for spec in config.rewards)
    return (
        f"recorded by TRL in the folder {imported.source} · rewards {rewards} · "
        f"{config.rollout.num_generations} completions a group · its other settings are not known"
    )


def recorded_charts(charts: list[Chart], imported: Imported | None) -> list[Chart]:
    """The charts of a run; those of an import do not promise what nothing will measure."""
    if imported is None:
        return charts
    return [replace(chart, sentence=_no_promise(chart.sentence, imported)) for chart in charts]


def recorded_kpis(kpis: list[Kpi], imported: Imported | None) -> list[Kpi]:
    """The same for the key numbers."""
    return kpis if imported is None else [replace(kpi, note=_no_promise(kpi.note, imported)) for kpi in kpis]


def _no_promise(sentence: str, imported: Imported) -> str:
    for ours, recorded in {**PROMISES, **({} if imported.has_settings else GUESSES)}.items():
        sentence = sentence.replace(ours, recorded)
    return sentence


def import_facts(config: RunConfig, imported: Imported) -> None:
    """In the place of the settings: what was there, and what was not."""
    for heading, lines in (("What was recorded", imported.notes), ("What was not", imported.missing)):
        st.markdown(f"**{heading}**")
        for line in lines:
            st.caption(as_label(line, LONGEST))
    if imported.has_settings:
        st.markdown("**Settings, from TRL's config**")
        st.caption(as_label(config_line(config), LONGEST))


def recorded_rule(group: pd.Series) -> None:
    """In the place of a group's rule, when it is not known how its advantages came about."""
    st.markdown(f"mean **{number(group['mean'])}** · std **{number(group['std'])}**")
    st.caption(
        "The advantages are those that TRL recorded. Which weights, scaling or clipping they come from is not known; "
        "totals, mean and std are sums with the weights shown here."
    )


def logged_columns(group: pd.Series) -> None:
    """What reward functions logged beside their values: one value for the group, or one for each completion."""
    columns: dict[str, object] = group["columns"]
    if not columns:
        return
    with st.expander(f"Logged with it: {as_label(', '.join(columns), 100)}", icon=":material/table_rows:"):
        own = {name: value for name, value in columns.items() if isinstance(value, list) and not _all_equal(value)}
        for name, value in columns.items():
            if name not in own:
                st.text(one_line(f"{name}: {value[0] if isinstance(value, list) and value else value}", CELL))
        if own:
            frame = _each(own)
            st.dataframe(frame, height=min(HEIGHT, 36 * (len(frame) + 1)), alt="Logged for each completion")


def _all_equal(values: list[object]) -> bool:
    """Such as the same list for each completion: shown once."""
    return all(value == values[0] for value in values)


def _each(columns: Mapping[str, list[object]]) -> pd.DataFrame:
    """A row for each completion. Names that are the same once they are cut have a number behind them."""
    length = max(len(values) for values in columns.values())
    shown: dict[str, list[str]] = {}
    for name, values in columns.items():
        heading = cut = one_line(name, HEADING)
        for count in range(2, len(shown) + 3):
            if heading not in shown:
                break
            heading = f"{cut} ({count})"
        shown[heading] = [one_line(str(cell), CELL) for cell in values] + [""] * (length - len(values))
    return pd.DataFrame(shown, index=pd.RangeIndex(1, length + 1, name="completion"))
