"""The real engine on the embedded model, killed and stopped at bad moments: nothing lost, nothing different."""

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.config import (
    CheckpointConfig,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    OptimConfig,
    RewardSpec,
    RolloutConfig,
    RunConfig,
)
from engine.config_io import dump_config
from engine.errors import RunBusyError
from engine.runs.control import request_stop
from engine.runs.durable import newest_valid, write_atomic
from engine.runs.lease import is_held
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.status import run_status
from tests.waiting import wait_until

pytestmark = pytest.mark.slow  # each engine process imports torch

ROOT = Path(__file__).parents[2]
STEPS = 30
LOADING_S = 120.0


def new_run(root: Path, name: str, steps: int = STEPS) -> RunPaths:
    """2 prompts × 4 completions a step, checkpoint every 4 steps, evaluation every 10, one thread."""
    config = RunConfig(
        name=name, model=ModelConfig(source="embedded"), data=DataConfig(source="arithmetic", held_out=4),
        rewards=(RewardSpec(name="exact_match"), RewardSpec(name="digit_match", weight=0.3)),
        rollout=RolloutConfig(num_generations=4, prompts_per_step=2, max_completion_length=6),
        optim=OptimConfig(learning_rate=1e-4, max_steps=steps),
        evaluation=EvaluationConfig(every=10, num_prompts=4), checkpoint=CheckpointConfig(every=4), threads=1,
    )  # fmt: skip
    paths = RunPaths(root / name)
    paths.root.mkdir()
    write_atomic(paths.config, dump_config(config).encode())
    return paths


def engine(paths: RunPaths) -> "subprocess.Popen[bytes]":
    with open(paths.log, "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "engine", str(paths.root)], stdout=log, stderr=subprocess.STDOUT, cwd=ROOT
        )


def interrupted(paths: RunPaths, when: Callable[[], bool], how: Callable[[int], None]) -> int:
    """Start an engine, do `how` to its process as soon as `when` holds, and return its exit code."""
    with engine(paths) as child:
        wait_until(lambda: child.poll() is not None or when(), "the moment", LOADING_S)
        assert child.poll() is None, paths.log.read_text()
        how(child.pid)
        return child.wait(timeout=60)


def finish(paths: RunPaths) -> None:
    with engine(paths) as child:
        assert child.wait(timeout=LOADING_S) == 0, paths.log.read_text()
    assert run_status(paths).state == "finished"


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def trained(paths: RunPaths) -> tuple[list[str], str, list[float]]:
    """What must not depend on interruptions: every step's digest, the final weights, the evaluations."""
    reader = RunReader(paths.db)
    weights = (paths.checkpoints / f"step-{STEPS:06d}" / "policy.safetensors").read_bytes()
    evaluations = reader.evaluations()
    assert evaluations["step"].tolist() == [0, 10, 20, 30]
    steps = reader.steps(columns=("digest",))
    assert steps["step"].tolist() == list(range(1, STEPS + 1))
    return steps["digest"].tolist(), hashlib.sha256(weights).hexdigest(), evaluations["pass_at_1"].tolist()


def superseded(paths: RunPaths) -> int:
    with closing(sqlite3.connect(f"file:{paths.db}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM superseded").fetchone()[0])


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], str, list[float]]:
    """An uninterrupted run."""
    paths = new_run(tmp_path_factory.mktemp("straight"), "straight")
    finish(paths)
    return trained(paths)


def test_kills_at_any_moment_change_nothing_in_the_end(
    tmp_path: Path, straight: tuple[list[str], str, list[float]]
) -> None:
    paths, rng = new_run(tmp_path, "killed"), random.Random(0)
    reader = RunReader(paths.db)
    moments: list[Callable[[], bool]] = [
        lambda: is_held(paths.lock),  # while it loads
        lambda: reader.last_step() >= 3,  # before the first checkpoint
        lambda: any(paths.checkpoints.glob(".tmp-*")),  # while it saves
        lambda: reader.last_step() >= 14,
        lambda: reader.last_step() >= 23,
    ]
    seen = 0
    for moment in moments:

        def now(moment: Callable[[], bool] = moment) -> bool:
            if not moment():
                return False
            time.sleep(rng.random() * 0.02)  # anywhere in a step, not always at its start
            return True

        assert interrupted(paths, now, kill) == -signal.SIGKILL
        assert run_status(paths).state == ("interrupted" if reader.attempts() else "new")
        stored = reader.last_step()
        assert stored >= seen  # nothing stored was lost
        seen = stored
        assert reader.steps(columns=("reward",))["step"].tolist() == list(range(1, stored + 1))
        assert newest_valid(paths.checkpoints, "step-")[1] == []
    finish(paths)
    assert trained(paths) == straight
    assert superseded(paths) == 0
    assert [attempt.outcome for attempt in reader.attempts()].count("finished") == 1


def test_every_way_to_stop_saves_a_checkpoint_and_is_continued_exactly(
    tmp_path: Path, straight: tuple[list[str], str, list[float]]
) -> None:
    paths = new_run(tmp_path, "stopped")
    reader = RunReader(paths.db)

    def interrupt_twice(pid: int) -> None:
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGINT)

    ways: list[Callable[[int], None]] = [
        lambda _: request_stop(paths),
        lambda pid: os.kill(pid, signal.SIGTERM),
        interrupt_twice,
    ]
    for way in ways:
        goal = reader.last_step() + 2
        assert interrupted(paths, lambda goal=goal: reader.last_step() >= goal, way) == 0  # type: ignore[misc]
        found = run_status(paths)
        assert (found.state, found.can_resume) == ("stopped", True)
        assert goal <= found.step < STEPS
        path, problems = newest_valid(paths.checkpoints, "step-")
        assert path is not None
        assert (path.name, problems) == (f"step-{found.step:06d}", [])
    finish(paths)
    assert trained(paths) == straight
    assert superseded(paths) == 0


def test_a_second_engine_on_the_same_run_is_told_to_come_back_later(tmp_path: Path) -> None:
    paths = new_run(tmp_path, "busy", steps=100_000)
    reader = RunReader(paths.db)
    with engine(paths) as first:
        wait_until(lambda: reader.last_step() >= 1, "the first step", LOADING_S)
        command = [sys.executable, "-m", "engine", str(paths.root)]
        second = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=LOADING_S, check=False)
        assert second.returncode == RunBusyError.exit_code == 75
        assert "Another engine process works on" in second.stderr
        assert run_status(paths).state == "running"
        assert len(reader.attempts()) == 1
        first.send_signal(signal.SIGTERM)
        assert first.wait(timeout=60) == 0
