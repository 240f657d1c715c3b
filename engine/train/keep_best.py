"""Keeps the checkpoint of the best evaluation, beyond the newest ones. A kill at any moment leaves a best one whole.

The order: the new checkpoint is committed, then the record (engine/runs/best.py) names it, then the old one may go.
"""

import math
from collections.abc import Callable, Mapping

from engine.analysis.evaluation import Estimate
from engine.analysis.gains import measure_value, measure_words
from engine.config import RunConfig
from engine.errors import CheckpointError
from engine.measure import best_metric
from engine.runs.best import Best, forget_best, read_best, write_best
from engine.runs.checkpoints import checkpoint_name
from engine.runs.durable import verify_directory
from engine.runs.paths import RunPaths
from engine.runs.records import Event
from engine.runs.store import StoreWriter
from engine.train.checkpoint import prune_checkpoints


class BestKeeper:
    """The best checkpoint of one run. Does nothing when the configuration names no measure for it."""

    def __init__(self, paths: RunPaths, config: RunConfig, store: StoreWriter) -> None:
        self._checkpoints = paths.checkpoints
        self._keep = config.checkpoint.keep
        self._metric = best_metric(config)
        self._store = store
        self._best: Best | None = None

    def take_up(self, step: int) -> None:
        """Go on with the best checkpoint of earlier attempts, when the run continues after `step`.

        One that is damaged is forgotten, so that the record never names a checkpoint which cannot be loaded.
        """
        best = read_best(self._checkpoints)
        if best is None or best.metric != self._metric:
            return
        try:
            if best.step > step:
                raise CheckpointError(f"it is newer than that of step {step}, the newest that is whole.")
            verify_directory(self._checkpoints / checkpoint_name(best.step))
        except (CheckpointError, OSError) as error:
            message = f"The best checkpoint, of step {best.step}, is lost: {error} The next evaluation takes its place."
            self._store.add_event(Event("best-lost", message, "warning", step))
            forget_best(self._checkpoints)
        else:
            self._best = best

    def consider(self, step: int, metrics: Mapping[str, Estimate], save: Callable[[], None]) -> None:
        """Keep the checkpoint of `step`, which `save` writes if need be, when its evaluation is the best so far.

        To be called again for an evaluation that was stored before a kill: what is done already stays as it is.
        """
        if self._metric is None:
            return
        value = metrics[self._metric].value if self._metric in metrics else math.nan
        if math.isnan(value):
            message = f"This evaluation has no {measure_words(self._metric)}, so it cannot be the best one."
            self._store.add_event(Event("best-unknown", message, "warning", step))
        elif self._best is None or value > self._best.value:
            save()
            self._best = Best(step, self._metric, value)
            write_best(self._checkpoints, self._best)
            words = f"held-out {measure_words(self._metric)} {measure_value(self._metric, value)}"
            message = f"The best evaluation so far: {words}. Its checkpoint is kept."
            self._store.add_event(Event("best-checkpoint", message, step=step))
        prune_checkpoints(self._checkpoints, step, self._keep)
