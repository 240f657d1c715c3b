"""One GRPO step: sample groups → score → advantages → update. Returns what the store keeps of it."""

import time
from collections.abc import Callable
from dataclasses import replace

from engine.config_rewards import decides
from engine.runs.records import Event, StepRecord
from engine.seeds import derive_seed
from engine.train.lesson import credit_of, lesson_of
from engine.train.record import step_record
from engine.train.sampling import Sampled, sample_step, shortfall
from engine.train.session import Session
from engine.train.update import learning_rate_at, update_policy


def train_step(session: Session, step: int, *, beat: Callable[..., None]) -> StepRecord:
    """Run the 1-based `step` and change the weights. `beat(phase, detail, may_stop=...)` may raise before."""
    started = time.monotonic()
    sampled = sample_step(session, step, beat=beat)
    batch, kept = sampled.batch, sampled.kept
    config = session.config.at_step(step)
    earned = credit_of(config, kept)
    loss = session.config.loss
    rate = learning_rate_at(step, session.config)
    for group in session.optimizer.param_groups:
        group["lr"] = rate
    lesson = lesson_of(config, kept, earned)
    update_started = time.monotonic()
    update = update_policy(
        session.forward, session.optimizer, lesson, session.config,
        seed=derive_seed(session.config.seed, step, "update"), control=session.entropy_control,
        check=lambda detail, may_stop: beat("update", detail, may_stop=may_stop),
    )  # fmt: skip
    session.entropy_control = update.control
    session.num_tokens += batch.prompt_tokens * batch.group_size + batch.completion_tokens
    session.next_example += len(batch.examples)
    events = _events(session, step, sampled, update.skipped)
    if loss.sync_ref_model and step % loss.ref_model_sync_steps == 0:
        session.policy.refresh_reference(loss.ref_model_mixup_alpha)
        session.reference_moved = True
        events.append(Event("reference-refreshed", _refresh_words(loss.ref_model_mixup_alpha), step=step))
    timings = {
        "time/rollout": batch.rollout_seconds,
        "time/reward": batch.scores.seconds,
        "time/update": time.monotonic() - update_started,
        "step_time": time.monotonic() - started,
    }
    logged, told = session.logged.take(step, batch.scores)
    record = step_record(session, step, sampled, earned, update, timings, rate, events + told)
    return replace(record, logged=logged)


def _refresh_words(alpha: float) -> str:
    if alpha == 1:
        return "The reference is now the policy of this step; KL is measured from here on."
    return f"The reference has moved {alpha:.0%} of the way to the policy of this step."


def _events(session: Session, step: int, sampled: Sampled, skipped: bool) -> list[Event]:
    events = []
    short = shortfall(sampled, session.config.rollout.prompts_per_step, step)
    if short is not None and not session.short_of_signal:  # once per stretch of such steps: near the end all are
        events.append(short)
    session.short_of_signal = short is not None
    if skipped:
        message = "The loss or its gradient was not finite: this update was left out."
        events.append(Event("update-skipped", message, "warning", step))
    return events + session.failures.note(step, sampled.batch.scores, decides(session.config.at_step(step).rewards))
