"""The list of runs as a table: one row a run, found by search and status, with the selection held by run id.

Pure but for `draw_table`. Numbers stay numbers, so that the browser sorts them as such; two columns
hold two numbers each, and are text: Held-out "41 → 78 %" and Steps "9 / 400".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import pandas as pd
import streamlit as st

from dashboard.state import RUN_PAGE, go
from dashboard.text import one_line
from dashboard.views.form_sections import source_name
from dashboard.views.status_chip import chip_text
from dashboard.wording import MISSING
from engine.errors import LabError
from engine.glossary import METRICS, TERMS
from engine.runs.lineage import Origin, read_origin
from engine.runs.manage import RunSummary, run_summary
from engine.runs.notes import Notes, read_notes
from engine.runs.paths import RunPaths
from engine.runs.status import State

TABLE: Final = "runs.table"
SHOWN_IDS: Final = "runs.shown_ids"
OPEN_CLICK: Final = "runs.open_click"
ROW_HEIGHT, HEADER_HEIGHT, MAX_HEIGHT = 35, 36, 620
NAME_LIMIT, NOTE_LIMIT = 80, 300
PIN: Final = "★ "
OPTIONAL: Final = frozenset({"parent", "tags", "note"})  # columns that are only there when a run has something in them

# What the status filter offers, and the states that each covers.
FILTERS: Final[dict[str, frozenset[str]]] = {
    "live": frozenset({"starting", "running", "stopping", "stalled"}),
    "finished": frozenset({"finished", "imported"}),
    "stopped": frozenset({"stopped", "new"}),
    "failed": frozenset({"failed", "interrupted", "unreadable"}),
}


@dataclass(frozen=True)
class RunRow:
    """A run in the list. `summary` is None when the run cannot be read; `error` says why."""

    paths: RunPaths
    summary: RunSummary | None
    error: str = ""

    @property
    def origin(self) -> Origin | None:
        return self.summary.origin if self.summary else read_origin(self.paths)

    @property
    def notes(self) -> Notes:
        return self.summary.notes if self.summary else read_notes(self.paths)

    @property
    def run_id(self) -> str:
        return self.paths.run_id

    @property
    def name(self) -> str:
        return self.summary.name if self.summary else self.paths.run_id

    @property
    def state(self) -> State | None:
        return self.summary.status.state if self.summary else None

    @property
    def is_live(self) -> bool:
        return self.summary is not None and self.summary.status.is_live

    @property
    def note(self) -> str:
        """What went wrong, for runs with which something did."""
        if self.summary is None:
            return self.error
        return self.summary.status.detail if self.state in ("failed", "interrupted", "stalled") else ""


def read_rows(runs: Sequence[RunPaths]) -> list[RunRow]:
    """The rows of these runs. A run that cannot be read is listed too, with the reason."""
    return [_read_row(paths) for paths in runs]


def _read_row(paths: RunPaths) -> RunRow:
    try:
        return RunRow(paths, run_summary(paths))
    except (LabError, OSError) as error:
        return RunRow(paths, None, str(error))


def matching(rows: Sequence[RunRow], search: str, filters: Sequence[str], tags: Sequence[str] = ()) -> list[RunRow]:
    """The rows with one of these statuses, all of these tags, and every word of the search in name, id, model, data,
    rewards, tags or note.
    """
    words = search.casefold().split()
    states = frozenset[str]().union(*(FILTERS[name] for name in filters if name in FILTERS))
    return [
        row
        for row in rows
        if all(word in _haystack(row) for word in words)
        and (not states or (row.state or "unreadable") in states)
        and frozenset(tags) <= frozenset(row.notes.tags)
    ]


def _haystack(row: RunRow) -> str:
    summary = row.summary
    details = (summary.model, summary.data, *summary.rewards) if summary else ()
    return " ".join((row.name, row.run_id, *details, *row.notes.tags, row.notes.note)).casefold()


def tags_in_use(rows: Sequence[RunRow]) -> list[str]:
    """Every tag of these runs, once, in order."""
    return sorted({tag for row in rows for tag in row.notes.tags}, key=str.casefold)


@dataclass(frozen=True)
class Family:
    """What the table says of the runs' relations, by run id: what stands before a name, and where a run came from."""

    marks: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)


def table_frame(rows: Sequence[RunRow], family: Family | None = None) -> pd.DataFrame:
    """One row a run, columns as `column_config` describes them; some of them only when a run has something there."""
    cells = [_cells(row, family or Family()) for row in rows]
    columns = [name for name in column_config() if name not in OPTIONAL or any(cell.get(name) for cell in cells)]
    return pd.DataFrame(cells, columns=columns)


def _cells(row: RunRow, family: Family) -> dict[str, Any]:
    pin = PIN if row.notes.pinned else ""
    said = {
        "name": family.marks.get(row.run_id, "") + pin + one_line(row.name, NAME_LIMIT),
        "parent": family.parents.get(row.run_id, ""),
        "tags": [one_line(tag, NAME_LIMIT) for tag in row.notes.tags],
    }
    summary = row.summary
    if summary is None:
        return {
            "open": None, "status": "✖ unreadable", "reward": [], "note": one_line(row.error, NOTE_LIMIT), **said,
        }  # fmt: skip
    status = summary.status
    return {
        "open": "Open",
        "status": chip_text(status.state),
        **said,
        "model": one_line(f"{source_name(summary.model)} · {source_name(summary.data)}", NAME_LIMIT),
        "reward": summary.reward_curve,
        "held_out": before_after(summary.eval_before, summary.eval_last),
        "kl": summary.kl,
        "dead": None if summary.dead_share is None else 100 * summary.dead_share,
        "steps": f"{status.step:,}, early" if status.stopped_early else f"{status.step:,} / {status.max_steps:,}",
        "started": None if summary.started_at is None else datetime.fromtimestamp(summary.started_at),
        "duration": pd.Timedelta(seconds=round(summary.duration_s)),
        "note": one_line(row.note, NOTE_LIMIT),
    }


def before_after(before: float | None, last: float | None) -> str:
    """Held-out pass@1 before training and now: 41 → 78 %."""
    if before is None:
        return MISSING
    return f"{before:.0%}".replace("%", " %") if last is None else f"{before * 100:.0f} → {last * 100:.0f} %"


def column_config() -> dict[str, Any]:
    """How each column is shown; its help is the glossary's. The numbers stand before what may be scrolled for."""
    column = st.column_config
    held_out, kl, dead = TERMS["eval/pass_at_1"], METRICS["kl"], METRICS["frac_reward_zero_std"]
    return {
        "open": column.ButtonColumn("", width=56, on_click=open_clicked, key=OPEN_CLICK, type="tertiary"),
        "status": column.TextColumn("Status", width=100),
        "name": column.TextColumn("Name", width=160, help=f"{PIN.strip()}: pinned"),
        "reward": column.LineChartColumn("Reward", width=85, help=METRICS["reward"].help),
        "held_out": column.TextColumn("Held-out", width=80, help=f"{held_out.label}: {held_out.help} Before → now."),
        "kl": column.NumberColumn("KL", width=60, format="%.3f", help=f"{kl.help} Mean of the newest 10 steps."),
        "dead": column.NumberColumn(
            "Dead groups", width=92, format="%.0f %%", help=f"{dead.help} Mean of the newest 10 steps."
        ),
        "steps": column.TextColumn("Steps", width=90, alignment="right"),
        "parent": column.TextColumn("Parent", width=130, help="The run it was forked or cloned from."),
        "tags": column.ListColumn("Tags", width=110),
        "model": column.TextColumn("Model · data", width=135),
        "started": column.DatetimeColumn("Started", width=100, format="distance"),
        "duration": column.NumberColumn("Duration", width=75, format="compact", help="Time that engines worked on it."),
        "note": column.TextColumn("What went wrong", width=300),
    }


def moved_selection(selected: Sequence[int], old_ids: Sequence[str], new_ids: Sequence[str]) -> list[int]:
    """Where the selected rows stand now: a selection is of runs, not of positions."""
    places = {run_id: place for place, run_id in enumerate(new_ids)}
    return [places[old_ids[row]] for row in selected if row < len(old_ids) and old_ids[row] in places]


def open_clicked() -> None:
    """The button of a row was pressed: open the run that it stood for when it was shown."""
    click, ids = st.session_state.get(OPEN_CLICK), st.session_state.get(SHOWN_IDS, [])
    if click is not None and click.row < len(ids):
        go(RUN_PAGE, run=ids[click.row])


def draw_table(rows: Sequence[RunRow], family: Family) -> RunRow | None:
    """Show the table. Returns the selected row."""
    keep_selection([row.run_id for row in rows])
    event: Any = st.dataframe(
        table_frame(rows, family),
        key=TABLE,
        hide_index=True,
        width="stretch",
        height=min(MAX_HEIGHT, HEADER_HEIGHT + ROW_HEIGHT * max(1, len(rows))),
        row_height=ROW_HEIGHT,
        column_config=column_config(),
        on_select="rerun",
        selection_mode="single-row",
        placeholder=MISSING,
        alt="The runs: pinned ones first, then the newest; or each below the run it came from",
    )
    chosen = [place for place in event.selection.rows if place < len(rows)]
    return rows[chosen[0]] if chosen else None


def keep_selection(ids: list[str]) -> None:
    """Before the table is drawn: put the selection where the selected run stands now."""
    before: list[str] = st.session_state.get(SHOWN_IDS, [])
    if before != ids and TABLE in st.session_state:
        selected = st.session_state[TABLE]["selection"]["rows"]
        st.session_state[TABLE] = {"selection": {"rows": moved_selection(selected, before, ids)}}
    st.session_state[SHOWN_IDS] = ids
