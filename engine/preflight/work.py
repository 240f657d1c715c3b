"""The work of a pre-flight: build the session, sample, score, make one update that is thrown away, and record it all.

The samples are new ones, not those of the run's first step, but the prompts are its own: spread over what the first
steps will ask. A run is told apart by nothing in the store; that it is a pre-flight is a matter of its folder.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engine.analysis.forecast import STEPS_AHEAD, forecast_dead
from engine.config import RunConfig
from engine.data.example import Dataset, Example
from engine.preflight.folder import pass_rates_path, result_path
from engine.preflight.result import MAX_PROMPT, Costs, Phase, Preflight, PromptResult, RewardResult, write_result
from engine.rewards.shaping import best_total
from engine.runs.durable import write_atomic
from engine.runs.paths import RunPaths
from engine.runs.records import Event, StepRecord
from engine.runs.store import StoreWriter
from engine.seeds import derive_seed
from engine.train.credit import Credit
from engine.train.evaluate import COMPLETIONS_AT_ONCE
from engine.train.lesson import credit_of, lesson_of
from engine.train.record import step_record
from engine.train.rollout import Batch, collect, joined
from engine.train.sampling import Sampled
from engine.train.session import Session, build_session
from engine.train.update import UpdateResult, learning_rate_at, update_policy

MAX_REASONS = 3  # of missing values, for each reward
Beat = Callable[[str, str], None]

SELF = Path("/proc/self")


def preflight(paths: RunPaths, config: RunConfig, store: StoreWriter, num_prompts: int, beat: Beat) -> Preflight:
    """Run a pre-flight and store it in its folder. `beat(phase, detail)` may raise to stop it."""
    meter = _Meter(config)
    with meter("loading"):
        session = build_session(config, progress=lambda detail: beat("loading", detail))
    with closing(session):
        return _preflight(paths, config.at_step(1), session, store, num_prompts, beat, meter)


def _preflight(
    paths: RunPaths, config: RunConfig, session: Session, store: StoreWriter, num_prompts: int, beat: Beat,
    meter: "_Meter",
) -> Preflight:  # fmt: skip
    """The part that needs the session. `config` as the first step has it."""
    examples = chosen_examples(session.dataset, config, num_prompts)
    with meter("rollout"):
        batches = _sample(session, examples, beat)
    batch = joined(batches)
    session.num_tokens = batch.prompt_tokens * batch.group_size + batch.completion_tokens
    earned = credit_of(config, batch)
    with meter("update"):
        update = _update(session, batch, earned, beat)
    beat("saving", f"{len(batch.texts)} completions")
    record = _record(session, batch, earned, update, meter.seconds)
    store.commit_step(record)
    result = _result(config, session, batches, record, meter)
    _write_pass_rates(paths, result)
    write_result(result_path(paths), result)
    return result


def chosen_examples(dataset: Dataset, config: RunConfig, count: int) -> list[Example]:
    """Training examples spread evenly over those of the first STEPS_AHEAD steps; fewer when the data have no more."""
    ahead = min(STEPS_AHEAD, config.optim.max_steps) * config.rollout.prompts_per_step
    span = max(count, ahead)
    if dataset.train_size is not None:
        span = min(span, dataset.train_size)
    count = min(count, span)
    return [dataset.train(index * span // count) for index in range(count)]


@dataclass
class _Meter:
    """Seconds and peak memory of each phase of this process: `with meter("rollout"): …`."""

    config: RunConfig

    def __post_init__(self) -> None:
        self.seconds: dict[Phase, float] = {}
        self.memory: dict[Phase, int] = {}
        self._phase: Phase = "loading"
        self._started = 0.0

    def __call__(self, phase: Phase) -> "_Meter":
        self._phase = phase
        return self

    def __enter__(self) -> None:
        _forget_peak()
        self._started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds[self._phase] = time.monotonic() - self._started
        self.memory[self._phase] = peak_bytes()


def peak_bytes() -> int:
    """The most memory that this process had since _forget_peak: of the GPU when it uses one, else resident."""
    if _uses_gpu():
        return torch.cuda.max_memory_allocated()
    for line in (SELF / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _uses_gpu() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def _forget_peak() -> None:
    """Let the peak start anew; where the system does not allow it, peaks are those since the process began."""
    if _uses_gpu():
        torch.cuda.reset_peak_memory_stats()
    try:
        (SELF / "clear_refs").write_text("5")  # proc(5): resets the peak resident set size
    except OSError:
        return


def _sample(session: Session, examples: Sequence[Example], beat: Beat) -> list[Batch]:
    """The first batch has as many prompts as a step of the run: its seconds are those of a step. The others are as
    large as those of an evaluation, if that is larger: that is faster, and takes no more memory than the run will.
    """
    size, rewards = session.config.rollout.num_generations, session.config.at_step(1).rewards
    at_once = session.config.rollout.prompts_per_step
    batches: list[Batch] = []
    first = 0
    while part := examples[first : first + at_once]:
        until = f"prompts {first + 1} to {first + len(part)} of {len(examples)}"
        seed = derive_seed(session.config.seed, 0, "preflight", first)
        batches.append(collect(session, part, size, seed=seed, beat=_placed(beat, until), rewards=rewards))
        first, at_once = first + len(part), max(at_once, COMPLETIONS_AT_ONCE // size)
    return batches


def _placed(beat: Beat, where: str) -> Beat:
    return lambda phase, detail: beat(phase, f"{where}, {detail}")


def _update(session: Session, batch: Batch, earned: Credit, beat: Beat) -> UpdateResult:
    """One update on all groups; the weights that come of it die with the process."""
    config = session.config
    for group in session.optimizer.param_groups:
        group["lr"] = learning_rate_at(1, config)
    return update_policy(
        session.forward, session.optimizer, lesson_of(config, batch, earned), config,
        seed=derive_seed(config.seed, 0, "preflight-update"), control=session.entropy_control,
        check=lambda detail, _: beat("update", detail),
    )  # fmt: skip


def _record(
    session: Session, batch: Batch, earned: Credit, update: UpdateResult, seconds: Mapping[Phase, float]
) -> StepRecord:
    """All groups as a step, of which none is discarded."""
    groups = len(batch.examples)
    timings = {
        "time/rollout": batch.rollout_seconds,
        "time/reward": batch.scores.seconds,
        "time/update": seconds["update"],
        "step_time": seconds["rollout"] + seconds["update"],
    }
    message = f"Pre-flight: {groups} prompts × {batch.group_size} completions. The update was thrown away."
    sampled = Sampled(batch, (None,) * groups, rounds=1, found=groups)
    rate = learning_rate_at(1, session.config)
    return step_record(session, 1, sampled, earned, update, timings, rate, [Event("preflight", message, step=1)])


def _result(
    config: RunConfig, session: Session, batches: Sequence[Batch], record: StepRecord, meter: _Meter
) -> Preflight:
    batch = joined(batches)
    totals = [[completion.total for completion in group.completions] for group in record.groups]
    return Preflight(
        prompts=tuple(_prompt_result(record, place) for place in range(len(record.groups))),
        rewards=_reward_results(config, batch),
        group_size=batch.group_size,
        prompts_per_step=config.rollout.prompts_per_step,
        temperature=config.rollout.temperature,
        truncated=batch.completions.ended.count(False),
        limit=config.rollout.max_completion_length,
        mean_length=batch.completion_tokens / len(batch.texts),
        pass_reward=session.pass_reward,
        costs=_costs(config, batches, meter, next(session.policy.model.parameters()).device.type),
        forecast=forecast_dead(
            totals, prompts_per_step=config.rollout.prompts_per_step,
            group_sizes=sorted({4, 8, 16, 32, batch.group_size, 2 * batch.group_size}),
            ceiling=best_total(config.rewards), seed=config.seed,
        ),
    )  # fmt: skip


def _prompt_result(record: StepRecord, place: int) -> PromptResult:
    group = record.groups[place]
    decided = [completion.passed for completion in group.completions if completion.passed is not None]
    return PromptResult(
        id=group.prompt_id, prompt=group.prompt[:MAX_PROMPT],
        totals=tuple(_or_none(completion.total) for completion in group.completions),
        right=sum(decided) if decided else None, tried=len(decided),
        distinct=len({completion.text for completion in group.completions}), kind=group.kind,
    )  # fmt: skip


def _reward_results(config: RunConfig, batch: Batch) -> tuple[RewardResult, ...]:
    results = []
    for column, spec in enumerate(config.rewards):
        values = batch.scores.values[:, column]
        known = values[~np.isnan(values)]
        name = batch.scores.names[column]
        reasons = Counter(errors[name] for errors in batch.scores.errors if name in errors)
        mean = float(known.mean()) if known.size else None
        missing = int(values.size - known.size)
        results.append(RewardResult(name, spec.weight, mean, missing, tuple(reasons.most_common(MAX_REASONS))))
    return tuple(results)


def _costs(config: RunConfig, batches: Sequence[Batch], meter: _Meter, device: str) -> Costs:
    """Seconds of one step: of the first batch, scaled when it has fewer prompts, and the part of the update."""
    wanted, first = config.rollout.prompts_per_step, batches[0]
    seconds: dict[Phase, float] = {
        "loading": meter.seconds["loading"],
        "rollout": first.rollout_seconds * wanted / len(first.examples),
        "reward": first.scores.seconds * wanted / len(first.examples),
        "update": meter.seconds["update"] * wanted / sum(len(batch.examples) for batch in batches),
    }
    return Costs(seconds, len(first.examples), meter.memory, device)


def _write_pass_rates(paths: RunPaths, result: Preflight) -> None:
    ids: dict[str, list[int]] = {}
    for prompt in result.prompts:
        if prompt.right is not None:
            right, tried = ids.get(prompt.id, [0, 0])
            ids[prompt.id] = [right + prompt.right, tried + prompt.tried]
    write_atomic(pass_rates_path(paths), (json.dumps({"ids": ids}, indent=1) + "\n").encode())


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
