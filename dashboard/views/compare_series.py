"""What the curves of compared runs are made of: a metric of each run over steps, tokens or working time.

A fork's curve begins where it left its parent: at that step, and, when the parent is shown too, at the tokens and the
time that the parent had spent by then.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.compare_charts import FUNCTION, HELD_OUT, Path, Series, at_steps
from dashboard.views.compare_runs import ComparedRun
from engine.analysis.compare import spent_so_far, working_seconds
from engine.analysis.evaluation import metric_course
from engine.analysis.logged import LOGGED
from engine.config_rewards import is_trained
from engine.glossary import METRICS
from engine.rewards.python_file import NAME as OWN_FILE
from engine.rewards.registry import function_of

DEFAULT_METRICS = ("reward", "eval/pass_at_1", "kl", "completions/mean_length")

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Positions:
    """Where the steps of a run lie on the x axis, and where the run begins on it."""

    steps: Values
    x: Values
    start: float


def metric_choices(runs: Sequence[ComparedRun]) -> list[str]:
    """What can be drawn: the numbers of a step, held-out ones, and of the reward functions of these runs the mean of
    each and what they logged.
    """
    functions = dict.fromkeys(spec.name for run in runs for spec in run.config.rewards)
    logged = dict.fromkeys(f"{LOGGED}{name}" for run in runs for name in _logged_names(run))
    return [*METRICS, *HELD_OUT, *(f"{FUNCTION}{name}/mean" for name in functions), *logged]


def _logged_names(run: ComparedRun) -> list[str]:
    """A run's without a function of the user's own are not looked for: rewards of the library log nothing."""
    if not any(function_of(spec) == OWN_FILE for spec in run.config.rewards):
        return []
    return [str(name) for name in run.columns.logged_means()]


def series_of(runs: Sequence[ComparedRun], keys: Sequence[str], x: str) -> dict[str, list[Series]]:
    """A Series of each run for each metric. Raises StoreError when a run cannot be read."""
    wanted = [key for key in keys if key in METRICS]
    frames = {run.run_id: run.columns.metrics(wanted) for run in runs}
    places = positions(runs, frames, x)
    return {key: [_series(run, key, frames[run.run_id], places[run.run_id], x, runs) for run in runs] for key in keys}


def positions(runs: Sequence[ComparedRun], frames: dict[str, pd.DataFrame], x: str) -> dict[str, Positions]:
    """Run id → where its steps lie; frames: of RunColumns.metrics."""
    found: dict[str, Positions] = {}
    by_id = {run.run_id: run for run in runs}

    def place(run: ComparedRun, below: tuple[str, ...]) -> Positions:
        if run.run_id not in found:
            start = float(run.fork_step or 0) if x == "step" else 0.0
            parent = by_id.get(run.origin.parent) if run.origin is not None else None
            if x != "step" and run.fork_step is not None and parent is not None and parent.run_id not in below:
                before = place(parent, (*below, run.run_id))
                start = float(at_steps(before.steps, before.x, [run.fork_step], before.start)[0])
            steps = frames[run.run_id]["step"].to_numpy(dtype=np.float64)
            spent = _spent(run, frames[run.run_id], x)
            found[run.run_id] = Positions(steps, spent if x == "step" else spent + start, start)
        return found[run.run_id]

    for run in runs:
        place(run, ())
    return found


def _spent(run: ComparedRun, frame: pd.DataFrame, x: str) -> Values:
    if x == "tokens":
        return spent_so_far(frame["completion_tokens"])
    if x == "time":
        attempts = [(attempt.started_at, attempt.ended_at) for attempt in run.reader.attempts()]
        return working_seconds(frame["finished_at"], attempts) / 60
    return np.asarray(frame["step"], dtype=np.float64)


def _series(
    run: ComparedRun, key: str, frame: pd.DataFrame, at: Positions, x: str, runs: Sequence[ComparedRun]
) -> Series:
    fork, words = _fork(run, at, x, runs)
    if key in HELD_OUT:
        evaluations = run.reader.evaluations()
        value, low, high = metric_course(evaluations["metrics"], HELD_OUT[key]).T
        where = at_steps(at.steps, at.x, evaluations["step"].to_numpy(dtype=np.float64), at.start)
        return Series(run.look, where, value, fork, words, low, high)
    y = _values(run, key, frame)
    known = np.isfinite(at.x)
    return Series(run.look, at.x[known], y[known], fork, words)


def _values(run: ComparedRun, key: str, frame: pd.DataFrame) -> Values:
    """A metric at the steps of `frame`; NaN where the run has no such function, or none that logged such a name."""
    if key.startswith(FUNCTION):
        return function_mean(run, frame, key)
    if key.startswith(LOGGED):
        return _at_steps(run.columns.logged_means(), key.removeprefix(LOGGED), frame)
    return np.asarray(frame[key], dtype=np.float64)


def function_mean(run: ComparedRun, frame: pd.DataFrame, key: str) -> Values:
    """The mean of a reward function at the steps of `frame`; NaN where the run has no such function."""
    return _at_steps(run.columns.function_means(), key.removeprefix(FUNCTION).removesuffix("/mean"), frame)


def _at_steps(means: pd.DataFrame, name: str, frame: pd.DataFrame) -> Values:
    if name not in means:
        return np.full(len(frame), np.nan)
    return np.asarray(means[name].reindex(frame["step"]), dtype=np.float64)


def _fork(run: ComparedRun, at: Positions, x: str, runs: Sequence[ComparedRun]) -> tuple[float | None, str]:
    """Where on x a fork left its parent, and the words for it; None where that place is not known."""
    step = run.fork_step
    if step is None or run.origin is None:
        return None, ""
    parent = next((other for other in runs if other.run_id == run.origin.parent), None)
    if x != "step" and parent is None:
        return None, ""
    return at.start, f"fork at step {step:,}"


def kl_paths(runs: Sequence[ComparedRun]) -> list[Path]:
    """KL, total reward and the functions that are not trained on, of each run."""
    paths = []
    for run in runs:
        frame = run.columns.metrics(("kl", "reward"))
        monitors = {
            spec.name: function_mean(run, frame, f"{FUNCTION}{spec.name}/mean")
            for spec in run.config.rewards
            if not is_trained(spec)
        }
        kl, reward = (frame[key].to_numpy(dtype=np.float64) for key in ("kl", "reward"))
        paths.append(Path(run.look, frame["step"].to_numpy(dtype=np.float64), kl, reward, monitors))
    return paths
