"""When the steps of a recorded run were: TRL's files hold no times, so they follow from when the files were written."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from engine.runs.reader import LATEST
from engine.trl.recorded import Recording
from engine.trl.recorded_files import Layout

FILES = "Times are those at which TRL wrote its files."
LOG = "Times follow from step_time in the log, counted back from when the newest file was written."
NONE = "When each step was is not known: all stand at the time at which the newest file was written."


@dataclass(frozen=True)
class Clock:
    """Seconds since 1970, in the years that a run may name. `words` says where they come from."""

    times: dict[int, float]
    started_at: float
    ended_at: float
    words: str

    def at(self, step: int) -> float:
        """Of a step that nothing is known of, such as one with an evaluation alone: when the one before it was."""
        if step in self.times:
            return self.times[step]
        before = max((known for known in self.times if known < step), default=None)
        return self.started_at if before is None else self.times[before]


def clock_of(layout: Layout, recording: Recording) -> Clock:
    """By the files, when they were written in the order of the steps; a copied folder has one time for all of them."""
    files = {step: _written(path) for step, path in recording.sources.items()}
    paths = (*layout.completions, *([layout.state] if layout.state is not None else []))
    end = max(_written(path) for path in paths)
    steps = recording.steps
    runtime = recording.log.runtime_s if recording.log is not None else None
    durations = _durations(recording)
    total = sum(durations.values())
    in_order = len(files) > 1 and all(files[a] < files[b] for a, b in pairwise(sorted(files)))
    span = max(files.values()) - min(files.values()) if files else 0.0
    if in_order and (not total or span >= total / 2):
        times = {step: files.get(step, end) for step in steps}
        first = min(files.values())
        return Clock(_rising(times), max(first - durations.get(min(files), 0.0), 0.0), max(end, first), FILES)
    if 0 < total <= end:  # what took longer than since 1970 was not timed
        times, at = {}, end
        for step in reversed(steps):
            times[step] = at
            at -= durations.get(step, 0.0)
        whole = runtime if runtime is not None and total < runtime <= end else total
        return Clock({step: max(at, 0.0) for step, at in times.items()}, end - whole, end, LOG)
    return Clock(dict.fromkeys(steps, end), end, end, NONE)


def _written(path: Path) -> float:
    """When a file was written; copied files may have a time before 1970, or one that no date can name."""
    return min(max(path.stat().st_mtime, 0.0), LATEST - 1)


def _durations(recording: Recording) -> dict[int, float]:
    """Seconds from the entry of the log before to each entry: step_time is the mean over the steps between."""
    if recording.log is None:
        return {}
    found: dict[int, float] = {}
    before = 0
    for step, numbers in recording.log.steps.items():
        seconds = numbers.get("step_time", 0.0)
        found[step] = (step - before) * seconds if 0 < seconds < 1e6 else 0.0
        before = step
    return found


def _rising(times: dict[int, float]) -> dict[int, float]:
    """The same, where a step without a file of its own is not later than the one after it."""
    rising, limit = {}, float("inf")
    for step in sorted(times, reverse=True):
        limit = min(limit, times[step])
        rising[step] = limit
    return rising
