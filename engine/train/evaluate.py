"""Held-out evaluation: one completion per prompt at the run's temperature, with the same random numbers every time."""

import time
from collections.abc import Callable

import numpy as np

from engine.runs.records import EvaluationRecord
from engine.seeds import derive_seed
from engine.train.rollout import Batch, collect
from engine.train.session import Session

PROMPTS_AT_ONCE = 64
NUM_SAMPLES = 16  # prompts whose answers are kept for reading


def evaluate(session: Session, step: int, *, beat: Callable[[str, str], None]) -> EvaluationRecord:
    """pass@1 and mean rewards over the held-out prompts after `step` (0: before training).

    pass@1 counts a prompt whose pass reward is missing as not passed; it is None when no reward decides.
    """
    started = time.monotonic()
    examples = session.dataset.held_out[: session.config.evaluation.num_prompts]
    batches: list[Batch] = []
    for first in range(0, len(examples), PROMPTS_AT_ONCE):
        seed = derive_seed(session.config.seed, 0, "evaluation", first)
        detail = f"held-out prompt {first + 1} of {len(examples)}"
        batches.append(
            collect(
                session, examples[first : first + PROMPTS_AT_ONCE], 1, seed=seed,
                beat=lambda _phase, _detail, detail=detail: beat("evaluation", detail),  # type: ignore[misc]
            )
        )  # fmt: skip
    passed = [value for batch in batches for value in batch.passed]
    decided = session.pass_reward is not None
    return EvaluationRecord(
        step=step,
        pass_at_1=sum(value is True for value in passed) / len(passed) if decided else None,
        num_prompts=len(passed),
        seconds=time.monotonic() - started,
        rewards=_mean_rewards(batches),
        samples=[sample for batch in batches for sample in _samples(batch)][:NUM_SAMPLES],
    )


def _mean_rewards(batches: list[Batch]) -> dict[str, float]:
    values = np.concatenate([batch.scores.values for batch in batches])
    names = batches[0].scores.names
    return {
        name: float(column[~np.isnan(column)].mean()) if (~np.isnan(column)).any() else float("nan")
        for name, column in zip(names, values.T, strict=True)
    }


def _samples(batch: Batch) -> list[dict[str, object]]:
    return [
        {"prompt": example.prompt, "reference": example.answer, "completion": text, "passed": passed}
        for example, text, passed in zip(batch.examples, batch.texts, batch.passed, strict=True)
    ]
