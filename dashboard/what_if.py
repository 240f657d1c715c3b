"""What-if over a whole run: a bounded sample of its steps, read once for all browser tabs, and judged once per change.

The sample grows with a live run: a tick reads the steps that are new in it, and judges those.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from engine.analysis.step_sample import Sample, sample_of
from engine.analysis.what_if import Settings, StoredStep, stored_steps
from engine.analysis.what_if_run import Change, change_of
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.scores import read_scores

MAX_CHANGES = 32  # remembered per run


class WhatIfRun:
    """The sampled steps of one run, and what changes of settings did to them. Safe to use from many sessions."""

    def __init__(self, path: Path) -> None:
        self.reader = RunReader(path)
        self._lock = threading.Lock()
        self._superseded = -1.0
        self._names: tuple[str, ...] = ()
        self._steps: dict[int, StoredStep] = {}
        self._asked: set[int] = set()  # an import may have no completions of a step
        self._changes: OrderedDict[tuple[Settings, Settings], dict[int, Change]] = OrderedDict()

    def changes(self, before: Settings, after: Settings, per_step: int) -> tuple[Sample, list[Change]]:
        """Every sampled step under both settings. Raises StoreError when the store cannot be read."""
        with self._lock:
            last, superseded, *_ = self.reader.change_token()
            sample = sample_of(max(self.reader.first_step(), 1), int(last), per_step)
            if superseded != self._superseded or tuple(before.names) != self._names:
                self._superseded, self._names = superseded, tuple(before.names)
                self._steps.clear()
                self._asked.clear()
                self._changes.clear()
            self._read(sample.steps)
            known = self._changes.setdefault((before, after), {})
            self._changes.move_to_end((before, after))
            while len(self._changes) > MAX_CHANGES:
                self._changes.popitem(last=False)
            for step in sample.steps:
                if step not in known and step in self._steps:
                    known[step] = change_of(self._steps[step], before, after)
            return sample, [known[step] for step in sample.steps if step in known]

    def _read(self, wanted: Sequence[int]) -> None:
        """Bring the sample to these steps: those that left it are forgotten, new ones are read."""
        for step in set(self._steps) - set(wanted):
            del self._steps[step]
        self._asked &= set(wanted)
        for known in self._changes.values():
            for step in set(known) - set(wanted):
                del known[step]
        if missing := [step for step in wanted if step not in self._asked]:
            self._asked.update(missing)
            scores = read_scores(self.reader, missing)
            self._steps |= {stored.step: stored for stored in stored_steps(scores, self._names)}


@st.cache_resource(max_entries=8, show_spinner=False)
def _what_if_run(path: str) -> WhatIfRun:
    return WhatIfRun(Path(path))


def what_if_run(paths: RunPaths) -> WhatIfRun:
    """The one WhatIfRun of this process for a run."""
    return _what_if_run(str(paths.db))
