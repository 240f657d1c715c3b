"""Columns of a run's steps, kept in memory once for all browser tabs and extended by what is new in the store.

For pages that look at several long runs: a column of 10,000 steps takes some milliseconds, the whole Course of
live_run.py, with every total reward of every step, seconds.
"""

import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from engine.analysis.logged import logged_means
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.schema import METRIC_COLUMNS

ALWAYS = ("finished_at", "completion_tokens")  # what the axes are made of


class RunColumns:
    """Follows one run.db. Safe to use from many sessions; a frame that was handed out never changes."""

    def __init__(self, path: Path) -> None:
        self.reader = RunReader(path)
        self._lock = threading.Lock()
        self._version: tuple[float, ...] = ()
        self._frame = pd.DataFrame()
        self._means: pd.DataFrame | None = None
        self._logged: pd.DataFrame | None = None

    def metrics(self, wanted: Iterable[str] = ()) -> pd.DataFrame:
        """step, finished_at, completion_tokens and the wanted metrics; infinite values are missing.

        Raises KeyError for what is no metric, StoreError when the store cannot be read.
        """
        names = tuple(dict.fromkeys((*ALWAYS, *wanted)))
        if unknown := set(names) - set(METRIC_COLUMNS) - set(ALWAYS):
            raise KeyError(*unknown)
        with self._lock, self.reader.snapshot() as reader:
            self._follow(reader)
            missing = tuple(name for name in names if name not in self._frame)
            if missing:
                more = reader.steps(columns=missing)
                self._frame = (
                    pd.concat([self._frame, more[list(missing)]], axis=1) if len(self._frame.columns) else more
                )
            return self._frame[["step", *names]]

    def function_means(self) -> pd.DataFrame:
        """The unweighted mean of each reward function, by step, which is the index."""
        with self._lock, self.reader.snapshot() as reader:
            self._follow(reader)
            if self._means is None:
                self._means = _means(reader.steps(columns=("rewards",)))
            return self._means

    def logged_means(self) -> pd.DataFrame:
        """What reward functions gave to log_metric, a column for each name, by step, which is the index."""
        with self._lock, self.reader.snapshot() as reader:
            self._follow(reader)
            if self._logged is None:
                self._logged = _logged(reader.steps(columns=("rewards",)))
            return self._logged

    def _follow(self, reader: RunReader) -> None:
        """Read the new steps of the columns that are here; forget all when a replay replaced some, or the file did."""
        last_step, superseded, *_ = reader.change_token()
        known, self._version = self._version, (last_step, superseded)
        if known == self._version:
            return
        if not known or last_step < known[0] or superseded != known[1]:
            self._frame, self._means, self._logged = pd.DataFrame(), None, None
            return
        if len(self._frame.columns):  # with no row yet, too
            new = reader.steps(after=int(known[0]), columns=tuple(self._frame.columns[1:]))
            self._frame = pd.concat([self._frame, new], ignore_index=True)
        if self._means is not None or self._logged is not None:
            rewards = reader.steps(after=int(known[0]), columns=("rewards",))
            self._means = None if self._means is None else pd.concat([self._means, _means(rewards)])
            self._logged = None if self._logged is None else pd.concat([self._logged, _logged(rewards)])


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    means = [{name: summary.get("mean") for name, summary in row.items()} for row in rows["rewards"]]
    return pd.DataFrame(means, dtype=np.float64, index=pd.Index(rows["step"], name="step"))


def _logged(rows: pd.DataFrame) -> pd.DataFrame:
    return logged_means(rows["rewards"].tolist()).set_index(pd.Index(rows["step"], name="step"))


@st.cache_resource(max_entries=24, show_spinner=False)
def _run_columns(path: str) -> RunColumns:
    return RunColumns(Path(path))


def run_columns(paths: RunPaths) -> RunColumns:
    """The one RunColumns of this process for a run."""
    return _run_columns(str(paths.db))
