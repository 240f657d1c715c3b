"""Which runs the Compare page is about: from the URL, else a run with its relatives, else the two newest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from dashboard import state
from dashboard.compare_charts import DASH_WORDS, RunLook, looks
from dashboard.run_columns import RunColumns, run_columns
from dashboard.text import as_html, one_line
from dashboard.views.run_choice import LAST_RUN
from dashboard.views.run_table import read_rows
from dashboard.views.status_chip import chip_html, chip_text
from engine.config import RunConfig
from engine.errors import LabError
from engine.runs.lineage import Origin, children, origins, parent_of, read_origin
from engine.runs.paths import RunPaths, read_config
from engine.runs.reader import RunReader
from engine.runs.status import RunStatus, run_status

MAX_RUNS: Final = 6
PICKER: Final = "compare_runs"


@dataclass(frozen=True)
class ComparedRun:
    """A run that can be read, and how it is drawn here."""

    paths: RunPaths
    config: RunConfig
    status: RunStatus
    look: RunLook
    origin: Origin | None

    @property
    def run_id(self) -> str:
        return self.paths.run_id

    @property
    def reader(self) -> RunReader:
        return RunReader(self.paths.db)

    @property
    def columns(self) -> RunColumns:
        return run_columns(self.paths)

    @property
    def fork_step(self) -> int | None:
        """The step of its parent after which it begins; None when it is no fork."""
        return self.origin.step if self.origin is not None and self.origin.kind == "fork" else None


def asked_runs(text: str) -> list[str]:
    """The run ids of a URL, each once."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def default_runs(run_id: str | None, known: Mapping[str, Origin | None]) -> list[str]:
    """What to compare when nobody has said: a run with its parent and children, else with the newest other run;
    without a run, the two newest. known: run id → where it came from, newest first.
    """
    if run_id is None or run_id not in known:
        return list(known)[:2]
    parent = parent_of(known[run_id])
    relatives = [run for run in (parent, *(child for child, _ in children(run_id, known))) if run in known]
    others = [run for run in known if run != run_id][:1]
    found = [*([parent] if parent in known else []), run_id, *(run for run in relatives if run != parent)]
    return [run for run in (found if relatives else [run_id, *others]) if run is not None][:MAX_RUNS]


def open_runs(run_ids: Iterable[str]) -> tuple[list[ComparedRun], list[str]]:
    """The runs that can be read, and a sentence for each that cannot, and for those beyond MAX_RUNS."""
    opened: list[tuple[RunPaths, RunConfig, RunStatus]] = []
    left_out = []
    ids = list(run_ids)
    for run_id in ids[:MAX_RUNS]:
        paths = state.find_run(run_id)
        if paths is None:
            left_out.append(f"{one_line(run_id)}: there is no such run; it may have been deleted.")
            continue
        try:
            opened.append((paths, read_config(paths), run_status(paths)))
        except (LabError, OSError) as error:
            left_out.append(f"{one_line(run_id)}: {one_line(str(error), 300)}")
    if len(ids) > MAX_RUNS:
        left_out.append(f"At most {MAX_RUNS} runs are compared; {len(ids) - MAX_RUNS} more are in the address.")
    names = [(paths.run_id, one_line(config.name)) for paths, config, _ in opened]
    runs = [
        ComparedRun(paths, config, status, look, read_origin(paths))
        for (paths, config, status), look in zip(opened, looks(names), strict=True)
    ]
    return runs, left_out


def chosen_runs(known: Sequence[RunPaths]) -> list[str]:
    """The ids that the URL names; without any, the defaults, which are then put there. known: newest first."""
    if state.RUNS in st.query_params:
        return asked_runs(st.query_params[state.RUNS])
    run_id = st.query_params.get(state.RUN) or st.session_state.get(LAST_RUN)
    found = default_runs(run_id, origins(known))
    state.set_in_url(run=None, runs=",".join(found))
    return found


def picker(known: Sequence[RunPaths], chosen: Sequence[str]) -> None:
    """Choose runs by name; the choice goes to the URL. known: newest first."""
    labels = run_labels(known)
    st.session_state[PICKER] = [run_id for run_id in chosen if run_id in labels][:MAX_RUNS]

    def choose() -> None:
        picked: list[str] = st.session_state[PICKER]
        state.set_in_url(runs=",".join(picked), step=None, prompt=None)  # none at all is a choice, too

    st.multiselect(
        "Runs", list(labels), key=PICKER, format_func=labels.__getitem__, max_selections=MAX_RUNS, on_change=choose,
        placeholder=f"Choose 2 to {MAX_RUNS} runs", label_visibility="collapsed",
    )  # fmt: skip


def run_labels(known: Sequence[RunPaths]) -> dict[str, str]:
    """Run id → status, name and step, each label once: one that is there already gets the run's id, too."""
    found: dict[str, str] = {}
    for row in read_rows(known):
        status = row.summary.status if row.summary else None
        words = f"{chip_text(status.state)} · " if status else "✖ unreadable · "
        # The page reads it once, and a live run goes on: its steps are counted in the line below.
        step = f" · step {status.step:,}" if status and not status.is_live else ""
        label = words + one_line(row.name) + step
        found[row.run_id] = label if label not in found.values() else f"{label} · {row.run_id}"
    return found


def legend_html(runs: Sequence[ComparedRun], statuses: Sequence[RunStatus]) -> str:
    """Line, name, status and step of each run, and where a fork came from. Everything that people wrote is escaped."""
    by_id = {run.run_id: run for run in runs}
    return f'<div class="lab-runs">{"".join(_entry(*pair, by_id) for pair in zip(runs, statuses, strict=True))}</div>'


def _entry(run: ComparedRun, status: RunStatus, by_id: Mapping[str, ComparedRun]) -> str:
    notes = [DASH_WORDS[run.look.dash]] if run.look.dash else []
    if run.origin is not None and run.fork_step is not None:
        parent = by_id.get(run.origin.parent)
        name = parent.look.label if parent else one_line(run.origin.parent_name or run.origin.parent)
        notes.append(f"fork of {as_html(name)} at step {run.fork_step:,}")
    words = f' <span class="lab-muted">{", ".join(notes)}</span>' if notes else ""
    return (
        f'<span class="lab-run">{line_html(run.look)}<span class="lab-run-name">{as_html(run.look.label)}</span>'
        f'{chip_html(status.state)} <span class="lab-muted">step {status.step:,}</span>{words}</span>'
    )


def line_html(look: RunLook) -> str:
    """A short stretch of a run's line."""
    return f'<i class="lab-run-line" data-dash="{look.dash}" style="border-color:{look.colour}"></i>'
