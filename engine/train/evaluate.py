"""Held-out evaluation: n completions per prompt at the run's temperature, with the same random numbers every time."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.analysis.evaluation import Outcomes, metrics_of, prompt_counts
from engine.config import EvaluationConfig, RunConfig
from engine.grpo.advantages import total_rewards
from engine.runs.records import EvaluationRecord
from engine.seeds import derive_seed
from engine.train.rollout import Batch, collect
from engine.train.session import Session

COMPLETIONS_AT_ONCE = 64
NUM_SAMPLES = 16  # prompts whose completions are kept for reading
SAMPLES_PER_PROMPT = 8


def evaluate(
    session: Session, settings: EvaluationConfig, step: int, *, beat: Callable[[str, str], None]
) -> EvaluationRecord:
    """pass@k, majority@k and mean rewards over the held-out prompts after `step` (0: before training).

    A completion whose pass reward is missing is neither right nor wrong: it is left out, and counted as undecided.
    `beat(phase, detail)` may raise to stop.
    """
    started = time.monotonic()
    examples = session.dataset.held_out[: settings.num_prompts]
    rewards = _last(session.config).rewards
    at_once = max(1, COMPLETIONS_AT_ONCE // settings.num_generations)
    batches: list[Batch] = []
    for first in range(0, len(examples), at_once):
        detail = f"held-out prompt {first + 1} of {len(examples)}"
        batches.append(
            collect(
                session, examples[first : first + at_once], settings.num_generations,
                seed=derive_seed(session.config.seed, 0, "evaluation", first), rewards=rewards, steps_done=step,
                beat=lambda _phase, _detail, detail=detail: beat("evaluation", detail),  # type: ignore[misc]
            )
        )  # fmt: skip
    for batch in batches:
        session.failures.log(batch.scores)
    outcomes = _outcomes(session, batches)
    return EvaluationRecord(
        step=step,
        num_prompts=len(examples),
        num_generations=settings.num_generations,
        seconds=time.monotonic() - started,
        metrics=metrics_of(outcomes),
        prompts={"id": [example.id for example in examples], **prompt_counts(outcomes)},
        samples=[sample for batch in batches for sample in _samples(session, batch)][:NUM_SAMPLES],
    )


def _outcomes(session: Session, batches: Sequence[Batch]) -> Outcomes:
    """The batches as one, a row per prompt."""
    n = batches[0].group_size
    names = batches[0].scores.names
    values = np.concatenate([batch.scores.values for batch in batches])
    totals = np.concatenate([_totals(session, batch) for batch in batches])
    passed = [np.nan if value is None else float(value) for batch in batches for value in batch.passed]
    parsed = [answer for batch in batches for answer in batch.scores.parsed]
    decides = next((reward for reward in session.rewards if reward.name == session.pass_reward), None)
    reads_answers = decides is not None and decides.parse is not None
    return Outcomes(
        right=None if decides is None else np.array(passed).reshape(-1, n),
        answers=[parsed[first : first + n] for first in range(0, len(parsed), n)] if reads_answers else None,
        rewards={name: column.reshape(-1, n) for name, column in zip(names, values.T, strict=True)},
        totals=totals.reshape(-1, n),
    )


def _last(config: RunConfig) -> RunConfig:
    """The configuration as the last step of training has it."""
    return config.at_step(config.optim.max_steps)


def _totals(session: Session, batch: Batch) -> NDArray[np.float64]:
    """Total rewards [B] of a batch, as the last step of training sums them: evaluations have to be comparable."""
    weights = torch.tensor([spec.weight for spec in _last(session.config).rewards], dtype=torch.float64)
    totals: NDArray[np.float64] = total_rewards(torch.from_numpy(batch.scores.values), weights).numpy()
    return totals


def _samples(session: Session, batch: Batch) -> list[dict[str, Any]]:
    """What of each prompt is kept to read: its first completions with their rewards."""
    totals = _totals(session, batch)
    samples = []
    for place, example in enumerate(batch.examples):
        first = place * batch.group_size
        rows = range(first, first + min(batch.group_size, SAMPLES_PER_PROMPT))
        completions = [_completion(batch, row, float(totals[row])) for row in rows]
        samples.append({"prompt": example.prompt, "reference": example.answer, "completions": completions})
    return samples


def _completion(batch: Batch, row: int, total: float) -> dict[str, Any]:
    rewards = dict(zip(batch.scores.names, batch.scores.values[row].tolist(), strict=True))
    return {
        "text": batch.texts[row],
        "parsed": batch.scores.parsed[row],
        "passed": batch.passed[row],
        "total": None if np.isnan(total) else total,
        "rewards": {name: None if np.isnan(value) else value for name, value in rewards.items()},
    }
