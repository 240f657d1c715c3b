"""What the pages know of a run, kept in memory once for all browser tabs and extended by what is new in the store.

A tick of a live page costs one query when nothing happened, and the new rows when something did.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from engine.analysis.distribution import (
    MAX_LEVELS,
    RewardBins,
    bin_shares,
    pooled,
    reward_bins,
    reward_levels,
    reward_quantiles,
    stack_totals,
)
from engine.analysis.logged import logged_means
from engine.runs.best import Best, read_best
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.schema import METRIC_COLUMNS

WINDOW = 10  # steps that one point of a smoothed line covers
SMOOTH_ABOVE = 60  # a shorter run is shown step by step
COLUMNS = ("finished_at", "group_size", "totals", "rewards", "nonfinite", *METRIC_COLUMNS)


@dataclass(frozen=True)
class Course:
    """A run so far: one row per step in each of `metrics`, `functions`, `logged`, `quantiles` and `shares`."""

    metrics: pd.DataFrame  # step, finished_at, group_size and the columns of glossary.METRICS
    functions: pd.DataFrame  # mean of each reward function, unweighted
    logged: pd.DataFrame  # what functions gave to log_metric, a column for each name
    quantiles: NDArray[np.float64]  # [steps, 5], of each step and the window − 1 before it
    window: int
    shares: NDArray[np.float64]  # [steps, bins]
    bins: RewardBins
    evaluations: pd.DataFrame
    best: Best | None  # the checkpoint that is kept for its score
    version: tuple[float, ...]  # differs when anything here does

    @property
    def first_step(self) -> int:
        """1, or in a fork the step after its parent's checkpoint."""
        return int(self.metrics["step"].iloc[0]) if len(self.metrics) else 1

    @property
    def last_step(self) -> int:
        return int(self.metrics["step"].iloc[-1]) if len(self.metrics) else 0


class LiveRun:
    """Follows one run.db. Safe to use from many sessions; a Course that was handed out never changes."""

    def __init__(self, path: Path) -> None:
        self.reader = RunReader(path)
        self._lock = threading.Lock()
        self._course: Course | None = None
        self._totals = np.empty((0, 0))
        self._levels: set[float] = set()

    def course(self) -> Course:
        """The run as it is now. Raises StoreError when the store cannot be read."""
        with self._lock:
            last_step, superseded, _, evaluated, *_ = self.reader.change_token()
            best = read_best(RunPaths(self.reader.path.parent).checkpoints)
            version = (last_step, superseded, evaluated, -1 if best is None else best.step)
            if self._course is None or version != self._course.version:
                self._course = self._extended(version, best)
            return self._course

    def _extended(self, version: tuple[float, ...], best: Best | None) -> Course:
        known = self._course
        if known is not None and (version[0] < known.last_step or version[1] != known.version[1]):
            known = None  # another run took the place, or a replay replaced steps: read everything again
        new = self.reader.steps(after=known.last_step if known else 0, columns=COLUMNS)
        totals = stack_totals(new["totals"].tolist())
        metrics = new.drop(columns=["totals", "rewards", "nonfinite"])
        functions, logged = _function_means(new["rewards"].tolist()), logged_means(new["rewards"].tolist())
        self._totals = _below(self._totals if known else None, totals)
        if known is not None:
            metrics = _after(known.metrics, metrics)
            functions, logged = _after(known.functions, functions), _after(known.logged, logged)
        window, quantiles = self._quantiles(known, len(new))
        bins, shares = self._binned(known, totals)
        evaluations = self.reader.evaluations()
        return Course(metrics, functions, logged, quantiles, window, shares, bins, evaluations, best, version)

    def _quantiles(self, known: Course | None, num_new: int) -> tuple[int, NDArray[np.float64]]:
        """Quantiles of all steps; those of old steps are only computed again when the window changed."""
        window = WINDOW if len(self._totals) > SMOOTH_ABOVE else 1
        if known is None or known.window != window:
            return window, reward_quantiles(pooled(self._totals, window))
        recent = self._totals[max(0, len(self._totals) - num_new - window + 1) :]
        fresh = reward_quantiles(pooled(recent, window))
        return window, np.vstack([known.quantiles, fresh[len(fresh) - num_new :]])

    def _binned(self, known: Course | None, new: NDArray[np.float64]) -> tuple[RewardBins, NDArray[np.float64]]:
        """Bins for all rewards so far; the shares of old steps are only counted again when the bins changed."""
        self._levels = reward_levels(new) | (self._levels if known else set())
        finite = self._totals[np.isfinite(self._totals)] if len(self._levels) > MAX_LEVELS else np.zeros(1)
        bins = reward_bins(float(finite.min()), float(finite.max()), self._levels)
        if known is not None and bins.same_as(known.bins):
            return bins, np.vstack([known.shares, bin_shares(new, bins)])
        return bins, bin_shares(self._totals, bins)


@st.cache_resource(max_entries=16, show_spinner=False)
def _live_run(path: str) -> LiveRun:
    return LiveRun(Path(path))


def live_run(paths: RunPaths) -> LiveRun:
    """The one LiveRun of this process for a run."""
    return _live_run(str(paths.db))


def _function_means(rewards: Sequence[dict[str, dict[str, float | None]]]) -> pd.DataFrame:
    means = [{name: summary.get("mean") for name, summary in row.items()} for row in rewards]
    return pd.DataFrame(means, dtype=np.float64, index=range(len(means)))


def _after(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([old, new], ignore_index=True) if len(new) else old


def _below(old: NDArray[np.float64] | None, new: NDArray[np.float64]) -> NDArray[np.float64]:
    """new under old, the narrower one filled up with NaN."""
    if old is None or not len(old):
        return new
    width = max(old.shape[1], new.shape[1])
    return np.vstack([_widened(old, width), _widened(new, width)])


def _widened(rows: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    if rows.shape[1] == width:
        return rows
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=np.nan)
