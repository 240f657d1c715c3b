"""The life of an engine process: take the run, load, train step by step, leave a true record of how it ended."""

import os
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Literal

import torch

from engine.config import RunConfig
from engine.errors import LabError, StoreError
from engine.measure import early_stop_reason
from engine.models.from_run import told_origin
from engine.models.load import starting_weights
from engine.runs.control import clear_requests, stop_requested
from engine.runs.imported import refuse_imported
from engine.runs.lease import Lease
from engine.runs.paths import RunPaths, read_config
from engine.runs.process import read_launch
from engine.runs.records import MONITOR_FAILS, Event
from engine.runs.store import StoreWriter
from engine.train.checkpoint import Checkpoint, check_data, load_checkpoint, newest_checkpoint, save_checkpoint
from engine.train.evaluate import evaluate
from engine.train.forked import fork_of, lost_start, take_over
from engine.train.keep_best import BestKeeper
from engine.train.session import Session, build_session, environment, fingerprint
from engine.train.step import train_step

BEAT_EVERY_S = 0.5  # progress within a phase; a new phase is written at once
MAX_SKIPPED_UPDATES = 3  # in a row

Outcome = Literal["finished", "stopped", "failed"]


class StopRequest(Exception):
    """Raised from a heartbeat when somebody asked for a stop. The weights are those of the last finished step."""


class Divergence(LabError):
    """The loss or its gradient was not finite several times in a row."""


def run_engine(paths: RunPaths) -> Outcome:
    """Work on a run until it is finished, stopped or failed.

    Raises RunBusyError when another process has it. A LabError or crash inside is recorded, then raised.
    """
    refuse_imported(paths)
    with Lease(paths.lock):
        _forget_stale_requests(paths)
        config = read_config(paths)
        store = StoreWriter(paths.db)
        try:
            engine = Engine(paths, config, store)
            outcome = engine.run()
            clear_requests(paths)  # they are met, or came too late; a stop asked for while loading still counts
            store.end_attempt(outcome, engine.early_stop or f"after step {engine.step}")
            return outcome
        except BaseException as error:
            record_failure(store, error)
            raise
        finally:
            store.close()


class Engine:
    """One attempt at a run. `step` is the last finished step; `early_stop` says why there is none after it, if so."""

    def __init__(self, paths: RunPaths, config: RunConfig, store: StoreWriter) -> None:
        self.paths = paths
        self.config = config
        self.store = store
        self.step = 0
        self.early_stop = ""
        self._fork = fork_of(paths)
        self._best = BestKeeper(paths, config, store)
        self._saved_step = -1
        self._signalled = False
        self._phase = ""
        self._beat_at = 0.0

    def run(self) -> Outcome:
        if self.config.threads:
            torch.set_num_threads(self.config.threads)
        checkpoint, problems = newest_checkpoint(self.paths.checkpoints)
        if checkpoint is not None:
            self.step = self._saved_step = checkpoint.step
        self.environment = environment(self.config)
        self.store.begin_attempt(from_step=self.step, versions=self.environment)
        for problem in problems:
            self.store.add_event(Event("checkpoint-damaged", problem, "warning"))
        if checkpoint is None and self._fork is not None:
            raise lost_start(self._fork)
        self._best.take_up(self.step)
        session: Session | None = None
        with _signals(self._on_signal):
            try:
                session = build_session(
                    self.config, start=self._start(is_new=checkpoint is None),
                    progress=lambda detail: self.beat("loading", detail), reward_copies=self.paths.rewards,
                )  # fmt: skip
                self.environment["data"] = fingerprint(session.dataset)
                session.failures.told_before([one.name for one in session.rewards], self.store.messages(MONITOR_FAILS))
                self._note_slow_path(session)
                if checkpoint is not None:
                    self._restore(session, checkpoint)
                self._evaluate_if_due(session)
                self._train(session)
            except StopRequest:
                if session is not None:
                    self._save(session)
                self.store.add_event(Event("stopped", f"Stopped on request after step {self.step}.", step=self.step))
                return "stopped"
            finally:
                if session is not None:
                    session.close()
        if self.early_stop:
            self.store.add_event(Event("stopped-early", self.early_stop, step=self.step))
        else:
            self.store.add_event(Event("finished", f"Finished all {self.step} steps.", step=self.step))
        return "finished"

    def beat(self, phase: str, detail: str = "", *, may_stop: bool = True) -> None:
        """Report progress from the working thread; raises StopRequest when one is due."""
        now = time.monotonic()
        if phase != self._phase or now - self._beat_at >= BEAT_EVERY_S:
            self.store.beat(self.step, phase, detail)
            self._phase, self._beat_at = phase, now
            if may_stop and (self._signalled or stop_requested(self.paths)):
                raise StopRequest

    def _train(self, session: Session) -> None:
        skipped = 0
        while self.step < self.config.optim.max_steps and not self.early_stop:
            record = train_step(session, self.step + 1, beat=self.beat)
            self.step = record.step
            result = self.store.commit_step(record)
            if result == "differs":
                message = (
                    f"Step {self.step} came out differently when it was replayed; the earlier version is kept aside."
                )
                self.store.add_event(Event("replay-differs", message, "warning", self.step))
            skipped = skipped + 1 if any(event.kind == "update-skipped" for event in record.events) else 0
            if skipped >= MAX_SKIPPED_UPDATES:
                raise Divergence(
                    f"Step {self.step}: the loss or its gradient was not finite {skipped} times in a row.",
                    hint="Clone the run with a lower learning rate.",
                )
            if self.step % self.config.checkpoint.every == 0 or self.step == self.config.optim.max_steps:
                self._save(session)
            self._evaluate_if_due(session)

    def _evaluate_if_due(self, session: Session) -> None:
        """Evaluate unless that is stored already; then keep the checkpoint if it is the best, and see whether to end.

        What follows from an evaluation is done again after a resume: the engine may have been killed right after it.
        """
        last = self.step == self.config.optim.max_steps
        first = self._fork is not None and self.step == self._fork.step
        if self.step % self.config.evaluation.every != 0 and not first and not last:
            return
        evaluations = self.store.evaluation_metrics(up_to=self.step)
        if not evaluations or evaluations[-1][0] != self.step:
            self.store.add_evaluation(evaluate(session, self.config.evaluation, self.step, beat=self.beat))
            evaluations = self.store.evaluation_metrics(up_to=self.step)
        self._best.consider(self.step, evaluations[-1][1], lambda: self._save(session))
        self.early_stop = "" if last else early_stop_reason(self.config, evaluations)
        if self.early_stop:
            self._save(session)

    def _save(self, session: Session) -> None:
        if self._saved_step == self.step:
            return
        self.store.beat(self.step, "saving", f"checkpoint of step {self.step}")
        save_checkpoint(self.paths.checkpoints, session, self.step, self.environment, self.config.checkpoint.keep)
        self._saved_step = self.step

    def _start(self, *, is_new: bool) -> Path | None:
        """The run's own copy of another run's weights, if it starts from those."""
        was_there = self.paths.start.is_dir()
        start = starting_weights(
            self.paths, self.config.model, is_new=is_new, progress=lambda detail: self.beat("loading", detail)
        )
        if start is not None and not was_there:
            message = f"Starts from {told_origin(start)}; the weights were copied into this run's folder."
            self.store.add_event(Event("started-from", message))
        return start

    def _note_slow_path(self, session: Session) -> None:
        if reason := session.forward.slow_reason:
            message = f"Log-probabilities are computed the slower way, through all logits: {reason}."
            self.store.add_event(Event("plain-path", message))

    def _restore(self, session: Session, checkpoint: Checkpoint) -> None:
        self.beat("loading", f"checkpoint {checkpoint.path.name}")
        state = load_checkpoint(checkpoint, session)
        stored = self.store.last_step()
        events = [_resumed(state.step, stored)]
        if self._fork is not None and state.step == self._fork.step:  # still the parent's checkpoint
            told = take_over(session, state, self._fork, self.environment["data"])
            events = events if stored else told
        else:
            check_data(state, self.environment["data"], self.config.data.source)
        changed = [k for k, value in self.environment.items() if k != "data" and state.environment.get(k) != value]
        if changed:
            message = f"Since the checkpoint was made, this changed: {', '.join(changed)}. Replayed steps may differ."
            events.append(Event("environment-changed", message, "warning", state.step))
        for event in events:
            self.store.add_event(event)

    def _on_signal(self, _signum: int, _frame: FrameType | None) -> None:
        self._signalled = True


class _signals:
    """SIGTERM and SIGINT ask for a stop inside the block; the earlier handlers come back after it."""

    def __init__(self, handler: Callable[[int, FrameType | None], None]) -> None:
        self.handler = handler

    def __enter__(self) -> None:
        self.before = {number: signal.signal(number, self.handler) for number in (signal.SIGTERM, signal.SIGINT)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


def _resumed(step: int, stored: int) -> Event:
    message = f"Resumed from the checkpoint of step {step}."
    if stored > step:
        message += f" Steps {step + 1} to {stored} are stored and will be replayed."
    return Event("resumed", message, step=step)


def _forget_stale_requests(paths: RunPaths) -> None:
    """Drop what was asked of an earlier process. A launcher has done so itself, before this process could be asked."""
    launch = read_launch(paths)
    if launch is None or launch.process.pid != os.getpid():
        clear_requests(paths)


def record_failure(store: StoreWriter, error: BaseException) -> None:
    """Say in the store why the process ends. What went wrong in code goes to the log in full."""
    if isinstance(error, LabError):
        message = str(error)
    elif isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        message = f"Out of memory: {error}. Lower optim.micro_batch_tokens or rollout.max_batch_tokens."
    else:
        message = f"{type(error).__name__}: {error}"
        traceback.print_exc()
    with suppress(StoreError):  # a full disk, say: the first error is the one to report, and the log has it
        store.add_event(Event("failed", message[:4000], "error"))
        if store.attempt:
            store.end_attempt("failed", message[:4000])
