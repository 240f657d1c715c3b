"""Evaluates a checkpoint of a run from outside: writes nothing into its folder, and its engine may be at work."""

import math
from collections.abc import Callable
from contextlib import chdir, closing
from dataclasses import asdict
from typing import Any

import torch

from engine.analysis.evaluation import Estimate, undecided_words
from engine.config import EvaluationConfig
from engine.errors import CheckpointError
from engine.models.load import starting_weights
from engine.runs.best import read_best
from engine.runs.checkpoints import checkpoint_name, saved_steps
from engine.runs.imported import refuse_imported
from engine.runs.paths import RunPaths, read_config
from engine.runs.process import started_in
from engine.runs.records import EvaluationRecord
from engine.train.checkpoint import (
    Checkpoint,
    CheckpointState,
    check_data,
    load_checkpoint,
    newest_checkpoint,
    verified,
)
from engine.train.evaluate import evaluate
from engine.train.session import Session, build_session, fingerprint

WHICH = "`--step 0` evaluates the model as it was before training."


def evaluate_checkpoint(
    paths: RunPaths, *, step: int | None = None, best: bool = False, num_generations: int | None = None,
    num_prompts: int | None = None, progress: Callable[[str, str], None],
) -> dict[str, Any]:  # fmt: skip
    """Evaluate the checkpoint of `step`, or the best, or the newest whole one, as the run itself does.

    `num_generations` and `num_prompts` replace those of the configuration. Returns what can be printed as JSON; a
    value that is not known is None. Raises CheckpointError when there is no such checkpoint, DatasetError when the data
    are no longer those of the run.
    """
    refuse_imported(paths)
    config = read_config(paths)
    changes = {"num_generations": num_generations, "num_prompts": num_prompts}
    asked = {name: value for name, value in changes.items() if value is not None}
    settings = EvaluationConfig.model_validate({**config.evaluation.model_dump(), **asked})
    chosen, at = _choose(paths, step, best)
    if config.threads:
        torch.set_num_threads(config.threads)
    with chdir(started_in(paths)):
        session = build_session(
            config, start=starting_weights(paths, config.model, is_new=False),
            progress=lambda detail: progress("loading", detail), reward_copies=paths.rewards,
        )  # fmt: skip
        with closing(session):
            if chosen is not None:
                state = _load(chosen, session)
                check_data(state, fingerprint(session.dataset), config.data.source)
            record = evaluate(session, settings, at, beat=progress)
    return {"run": paths.run_id, **_as_json(record)}


def _choose(paths: RunPaths, step: int | None, best: bool) -> tuple[Checkpoint | None, int]:
    """The checkpoint and its step; no checkpoint for the model before training."""
    if best:
        known = read_best(paths.checkpoints)
        if known is None:
            raise CheckpointError(
                f"{paths.run_id}: no checkpoint was kept as the best.",
                hint="checkpoint.metric_for_best_model turns that on; --step names another checkpoint.",
            )
        step = known.step
    if step is None:
        newest, _ = newest_checkpoint(paths.checkpoints)
        if newest is None:
            raise CheckpointError(f"{paths.run_id} has no checkpoint that is whole.", hint=WHICH)
        return newest, newest.step
    path = paths.checkpoints / checkpoint_name(step)
    if path.is_dir():
        return verified(path), step
    if step == 0:
        return None, 0
    there = ", ".join(map(str, saved_steps(paths).steps)) or "none"
    raise CheckpointError(f"{paths.run_id} has no checkpoint of step {step}.", hint=f"Kept are: {there}. {WHICH}")


def _load(checkpoint: Checkpoint, session: Session) -> CheckpointState:
    try:
        return load_checkpoint(checkpoint, session)
    except FileNotFoundError as error:  # the engine of the run deletes old checkpoints
        raise CheckpointError(
            f"{checkpoint.path} was deleted while it was read.", hint="Choose a newer one."
        ) from error


def _as_json(record: EvaluationRecord) -> dict[str, Any]:
    def known(estimate: Estimate) -> dict[str, float | None]:
        return {key: value if math.isfinite(value) else None for key, value in asdict(estimate).items()}

    return {
        "step": record.step,
        "num_prompts": record.num_prompts,
        "num_generations": record.num_generations,
        "seconds": round(record.seconds, 2),
        "metrics": {name: known(estimate) for name, estimate in record.metrics.items()},
        "note": undecided_words(record.metrics, record.num_prompts, record.num_generations),
    }
