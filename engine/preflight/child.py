"""The life of a pre-flight's process: take the folder, work, leave a true record of how it ended. As train/loop.py."""

import time

import torch

from engine.preflight.work import preflight
from engine.runs.control import stop_requested
from engine.runs.lease import Lease
from engine.runs.paths import RunPaths, read_config
from engine.runs.store import StoreWriter
from engine.train.loop import StopRequest, record_failure
from engine.train.session import environment

BEAT_EVERY_S = 0.3  # progress within a phase; a new phase is written at once


def run(paths: RunPaths, num_prompts: int) -> None:
    """Raises what stopped it, once it is recorded; returns after a request to stop. RunBusyError: it is at work."""
    with Lease(paths.lock):
        config = read_config(paths)
        store = StoreWriter(paths.db)
        try:
            if config.threads:
                torch.set_num_threads(config.threads)
            store.begin_attempt(0, environment(config))
            preflight(paths, config, store, num_prompts, Heart(paths, store).beat)
            store.end_attempt("finished", "The pre-flight is finished.")
        except (StopRequest, KeyboardInterrupt):
            store.end_attempt("stopped", "Cancelled.")
        except BaseException as error:
            record_failure(store, error)
            raise
        finally:
            store.close()


class Heart:
    """Writes progress to the store, and raises StopRequest when a stop was asked for."""

    def __init__(self, paths: RunPaths, store: StoreWriter) -> None:
        self.paths, self.store = paths, store
        self._phase, self._at = "", 0.0

    def beat(self, phase: str, detail: str) -> None:
        now = time.monotonic()
        if phase != self._phase or now - self._at >= BEAT_EVERY_S:
            self.store.beat(0, phase, detail)
            self._phase, self._at = phase, now
            if stop_requested(self.paths):
                raise StopRequest
