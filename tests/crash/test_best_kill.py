"""The real engine killed while it keeps the best checkpoint: the record never names one that cannot be loaded."""

import signal
from pathlib import Path

import pytest

from engine.config import CheckpointConfig
from engine.config_io import dump_config
from engine.runs.best import read_best
from engine.runs.durable import verify_directory, write_atomic
from engine.runs.paths import RunPaths, read_config
from engine.runs.reader import RunReader
from tests.crash.test_engine_kill import finish, interrupted, kill, new_run

pytestmark = pytest.mark.slow  # each engine process imports torch

STEPS = 8


def best_run(root: Path, name: str) -> RunPaths:
    """An evaluation after every step, no checkpoint due before the end, the best by total reward kept."""
    paths = new_run(root, name, steps=STEPS)
    config = read_config(paths)
    changed = config.model_copy(
        update={
            "evaluation": config.evaluation.model_copy(update={"every": 1, "num_generations": 2}),
            "model": config.model.model_copy(update={"adapter": "full"}),
            "optim": config.optim.model_copy(update={"learning_rate": 1e-3}),
            "checkpoint": CheckpointConfig(every=100, keep=1, metric_for_best_model="reward"),
        }
    )
    write_atomic(paths.config, dump_config(changed).encode())
    return paths


def rewards(paths: RunPaths) -> list[float]:
    return [metrics["reward"].value for metrics in RunReader(paths.db).evaluations()["metrics"]]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[float], int]:
    """Rewards and best step of a run that nobody interrupted."""
    paths = best_run(tmp_path_factory.mktemp("straight"), "straight")
    finish(paths)
    best = read_best(paths.checkpoints)
    assert best is not None and best.value == max(rewards(paths))
    return rewards(paths), best.step


def whole(paths: RunPaths) -> None:
    best = read_best(paths.checkpoints)
    if best is not None:
        verify_directory(paths.checkpoints / f"step-{best.step:06d}")
        assert best.value == max(value for step, value in enumerate(rewards(paths)) if step <= best.step)


def test_a_kill_between_evaluation_checkpoint_and_record_loses_no_best(
    tmp_path: Path, straight: tuple[list[float], int]
) -> None:
    paths = best_run(tmp_path, "killed")
    reader = RunReader(paths.db)
    moments = [
        lambda: len(reader.evaluations()) >= 1,  # stored, and its checkpoint not yet
        lambda: any(paths.checkpoints.glob(".tmp-*")),  # being written
        lambda: any(paths.checkpoints.glob("step-*")),  # committed, and perhaps not yet in the record
    ]
    for moment in moments:
        assert interrupted(paths, moment, kill) == -signal.SIGKILL
        whole(paths)
    finish(paths)
    whole(paths)
    best = read_best(paths.checkpoints)
    assert best is not None
    assert (rewards(paths), best.step) == straight
    kept = {path.name for path in paths.checkpoints.glob("step-*")}
    assert kept == {f"step-{best.step:06d}", f"step-{STEPS:06d}"}
