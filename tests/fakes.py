"""Runs that look like trained ones, written through the real StoreWriter in seconds and without a model.

`write_fake_run` is for tests. `python -m tests.fakes <runs_root>` fills a folder to develop pages against; `--live`
keeps one run going, a step every 0.3 s, until it is stopped like a real one; `--many 200` adds a long list.
"""

import argparse
import os
import time
from datetime import datetime
from pathlib import Path
from typing import Literal

from engine.config import DataConfig, LossConfig, ModelConfig, OptimConfig, RewardSpec, RolloutConfig, RunConfig
from engine.config_io import dump_config
from engine.runs.control import stop_requested
from engine.runs.durable import write_atomic
from engine.runs.lease import Lease
from engine.runs.paths import RunPaths, new_run_id
from engine.runs.records import Event
from engine.runs.store import StoreWriter
from tests.fake_records import EVALUATE_EVERY, HOSTILE, LIMIT, STEP_SECONDS, FakeRun

Outcome = Literal["finished", "stopped", "failed", "interrupted"]
REWARDS = ("exact_match", "digit_match")
VERSIONS = {"python": "3.11", "torch": "2.10.0", "threads": 2, "device": "cpu"}
FAILURE = "The loss was not finite 3 times in a row. Lower the learning rate and start again."


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def fake_config(
    *, name: str, steps: int, group_size: int = 8, prompts: int = 6, rewards: tuple[str, ...] = REWARDS,
    dynamic_sampling: bool = False,
) -> RunConfig:  # fmt: skip
    """The demo's settings, near enough: the first reward has weight 1, the others 0.3."""
    return RunConfig(
        name=name,
        model=ModelConfig(source="embedded"),
        data=DataConfig(source="arithmetic"),
        rewards=tuple(RewardSpec(name=reward, weight=0.3 if i else 1.0) for i, reward in enumerate(rewards)),
        rollout=RolloutConfig(
            num_generations=group_size,
            prompts_per_step=prompts,
            max_completion_length=LIMIT,
            dynamic_sampling=dynamic_sampling,
        ),
        loss=LossConfig(beta=0.04),
        optim=OptimConfig(learning_rate=1e-4, max_steps=max(steps, 1)),
    )


def write_fake_run(
    runs_root: Path, run_id: str, *, steps: int, group_size: int = 8, prompts: int = 6,
    rewards: tuple[str, ...] = REWARDS, outcome: Outcome | None = "finished",
    seed: int = 0, config: RunConfig | None = None, hostile_text: bool = False, ended_at: float | None = None,
) -> RunPaths:  # fmt: skip
    """Write config.json, run.db and engine.log of a run that did `steps` steps and ended as `outcome` says.

    A finished run has done all its steps; any other has done half of them. None and "interrupted" both leave the last
    attempt open, as a killed engine does: hold a Lease on `.lock` to make such a run a running one. `config` overrides
    group_size, prompts and rewards. The last event happened at `ended_at` (now).
    """
    if config is None:
        total = steps if outcome == "finished" else 2 * steps
        config = fake_config(
            name=HOSTILE[0] if hostile_text else run_id,
            steps=total, group_size=group_size, prompts=prompts, rewards=rewards,
        )  # fmt: skip
    paths = RunPaths(runs_root / run_id)
    paths.root.mkdir(parents=True)
    write_atomic(paths.config, dump_config(config).encode())
    end = time.time() if ended_at is None else ended_at
    clock = Clock(end - steps * STEP_SECONDS)
    store = StoreWriter(paths.db, clock=clock)
    try:
        write_history(store, clock, FakeRun(config, seed, hostile_text), steps)
        if outcome == "failed":
            store.add_event(Event("failed", FAILURE, level="error", step=steps))
        if outcome in ("finished", "stopped", "failed"):
            store.end_attempt(outcome, FAILURE if outcome == "failed" else "")
    finally:
        store.close()
    os.utime(paths.config, (end - steps * STEP_SECONDS,) * 2)  # runs are listed by the age of this file
    paths.log.write_text(f"step {steps}\n" + (f"ModelError: {FAILURE}\n" if outcome == "failed" else ""))
    return paths


def write_history(store: StoreWriter, clock: Clock, run: FakeRun, steps: int) -> None:
    """One attempt from the start: evaluations at 0 and every 25 steps, and the steps themselves."""
    store.begin_attempt(0, VERSIONS)
    store.add_event(Event("start", "Training starts."))
    store.add_evaluation(run.evaluation(0))
    for step in range(1, steps + 1):
        clock.now += STEP_SECONDS
        write_step(store, run, step)


def write_step(store: StoreWriter, run: FakeRun, step: int) -> None:
    """A step as the engine writes it: heartbeats, the step, an evaluation when it is due."""
    store.beat(step - 1, "rollout", f"{run.prompts} of {run.prompts} groups")
    store.commit_step(run.step(step))
    if step % EVALUATE_EVERY == 0 or step == run.config.optim.max_steps:
        store.beat(step, "evaluation")
        store.add_evaluation(run.evaluation(step))
        store.add_event(Event("checkpoint", f"Checkpoint of step {step} saved.", step=step))


def live(paths: RunPaths, config: RunConfig, pause_s: float) -> None:
    """Work on a run as an engine does: holding its lease, a step each `pause_s`, until done or asked to stop."""
    with Lease(paths.lock):
        store = StoreWriter(paths.db)
        run = FakeRun(config)
        store.begin_attempt(store.last_step(), VERSIONS)
        while store.last_step() < config.optim.max_steps and not stop_requested(paths):
            time.sleep(pause_s)
            write_step(store, run, store.last_step() + 1)
        store.end_attempt("stopped" if stop_requested(paths) else "finished")
        store.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("runs_root", type=Path)
    arguments.add_argument("--live", action="store_true", help="then keep one run going")
    arguments.add_argument("--live-steps", type=int, default=1000, metavar="N")
    arguments.add_argument("--pause", type=float, default=0.3, metavar="SECONDS", help="between live steps")
    arguments.add_argument("--many", type=int, default=0, metavar="N", help="and N more finished runs of 100 steps")
    arguments.add_argument("--bare", action="store_true", help="only what the other options ask for")
    given = arguments.parse_args()
    root: Path = given.runs_root
    stamp = datetime.now().strftime("%H%M%S")
    if not given.bare:
        write_fake_run(root, f"finished-{stamp}", steps=300, ended_at=time.time() - 7200)
        write_fake_run(root, f"stopped-{stamp}", steps=80, outcome="stopped", seed=1, ended_at=time.time() - 3600)
        write_fake_run(root, f"failed-{stamp}", steps=12, outcome="failed", seed=2)
        write_fake_run(root, f"interrupted-{stamp}", steps=60, outcome="interrupted", seed=3)
        write_fake_run(root, f"hostile-{stamp}", steps=30, hostile_text=True, seed=4)
    for index in range(given.many):
        write_fake_run(root, f"many-{stamp}-{index:03}", steps=100, prompts=2, group_size=4, seed=index)
    if given.live:
        paths = RunPaths(root / new_run_id("live", datetime.now()))
        config = fake_config(name="live", steps=given.live_steps)
        paths.root.mkdir(parents=True)
        write_atomic(paths.config, dump_config(config).encode())
        print(f"{paths.run_id} is running; stop it with its stop request or Ctrl-C", flush=True)
        live(paths, config, given.pause)


if __name__ == "__main__":
    main()
