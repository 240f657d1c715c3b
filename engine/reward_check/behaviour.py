"""Whether the reward is a function of a row and its completion alone: again the same, in any order, without a trace."""

import math
import resource
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.reward_check.bench import Bench, evidence_of
from engine.reward_check.probe import CALL_S, Answers, CallCost, Sample
from engine.reward_check.types import MAX_EVIDENCE, Finding
from engine.reward_check.watched import CHANGED, PEAK_MB, WRAPPER, wrapper_text
from engine.rewards.python_file import PythonFileParams, target_of
from engine.rewards.worker.client import CallResult, FileTarget, Limits, RewardWorker

TIMES = 3
SLOW_STEP_S = 5.0  # a step that spends longer on one reward is worth a warning
LARGE_MB = 2048
TOLERANCE = 1e-9
MEANT = "This reward of the library compares the completions of a group, so that is meant."


def determinism(bench: Bench, samples: Sequence[Sample]) -> Finding:
    """The same batch again and again; for the worker another call each time, so that it draws other random numbers."""
    runs = [bench.probe.ask(samples, nonce=str(turn)) for turn in range(TIMES)]
    differing = [place for place in range(len(samples)) if not _alike([run.values[place] for run in runs])]
    if not differing:
        return Finding("determinism", "Same again", "ok", f"{TIMES} calls with the same {len(samples)} rows agree.")
    place = differing[0]
    seen = ", ".join(_number(run.values[place]) for run in runs)
    text = f"{len(differing)} of {len(samples)} completions get other values when they are scored again, one {seen}."
    text += " Chance, or something it remembers, would be taken for the quality of the answer."
    return Finding("determinism", "Same again", "failed", text, evidence_of(samples, runs[0], differing[:MAX_EVIDENCE]))


def order(bench: Bench, samples: Sequence[Sample]) -> Finding:
    """The same batch the other way round."""
    forward, backward = bench.probe.ask(samples), bench.probe.ask(samples[::-1])
    turned = _reversed(backward)
    differing = [p for p in range(len(samples)) if not _alike([forward.values[p], turned.values[p]])]
    if not differing:
        return Finding("order", "Any order", "ok", f"{len(samples)} completions get the same values in reverse order.")
    text = f"{len(differing)} of {len(samples)} completions get another value when the batch is turned round"
    text += f", one {_number(forward.values[differing[0]])} and {_number(turned.values[differing[0]])}."
    return Finding("order", "Any order", "failed", text, evidence_of(samples, forward, differing[:MAX_EVIDENCE]))


def alone(bench: Bench, samples: Sequence[Sample]) -> Finding:
    """Each of the first completions by itself, against its value in the batch."""
    together = bench.probe.ask(samples)
    few = samples[: max(2, len(samples) // 2)]
    single = [bench.probe.ask([sample]).values[0] for sample in few]
    differing = [place for place, value in enumerate(single) if not _alike([value, together.values[place]])]
    if not differing:
        text = f"{len(few)} completions get the same value alone as in a batch of {len(samples)}."
        return Finding("alone", "Alone and together", "ok", text)
    place = differing[0]
    text = f"{len(differing)} of {len(few)} completions get another value alone than in a batch of {len(samples)}"
    text += f", one {_number(single[place])} and {_number(together.values[place])}."
    if bench.info.params is not PythonFileParams:
        return Finding("alone", "Alone and together", "ok", f"{text} {MEANT}")
    text += " That is right only for a reward"
    text += " that compares the completions of a batch; mean and advantage then depend on what else was sampled."
    evidence = evidence_of(samples, together, differing[:MAX_EVIDENCE])
    return Finding("alone", "Alone and together", "warning", text, evidence)


def mutation(bench: Bench, samples: Sequence[Sample]) -> tuple[Finding, Finding]:
    """Whether it changes what it was given, and how much memory its process has used."""
    if bench.info.params is not PythonFileParams:
        text = f"The process of this check has used {_own_peak_mb():,.0f} MB, with the data and this reward."
        return _left_alone(samples, bench.probe.changes(samples)), Finding("memory", "Memory", "ok", text)
    found = _watched(bench, samples)
    changed = next((str(names) for names in found.extras.get(CHANGED, []) if names), "")
    if all(found.failed):
        first = Finding(
            "mutation", "Leaves its input alone", "not applicable", "It gave no value while it was watched."
        )
    else:
        first = _left_alone(samples, changed)
    peak = found.metrics.get(PEAK_MB, math.nan)
    if math.isnan(peak):
        return first, Finding("memory", "Memory", "not applicable", "It could not be measured.")
    verdict = "warning" if peak > LARGE_MB else "ok"
    return first, Finding("memory", "Memory", verdict, f"Its process has used {peak:,.0f} MB at most.")  # type: ignore[arg-type]


def _left_alone(samples: Sequence[Sample], changed: str) -> Finding:
    if changed:
        text = f"It changes what it is given: {changed}. In TRL the next reward function would see the changed lists."
        return Finding("mutation", "Leaves its input alone", "failed", text)
    text = f"Prompts, completions and columns of {len(samples)} rows are as they were."
    return Finding("mutation", "Leaves its input alone", "ok", text)


def _watched(bench: Bench, samples: Sequence[Sample]) -> CallResult:
    """One call through a file that looks at what is given before and after; see watched.py."""
    params = PythonFileParams.model_validate(bench.spec.params)
    folder = Path(tempfile.mkdtemp(prefix="grpo-lab-check-"))
    try:
        (folder / WRAPPER).write_text(wrapper_text(target_of(params, bench.copies)))
        examples = [sample.example for sample in samples]
        columns = {name: [e.columns.get(name) for e in examples] for e in examples for name in e.columns}
        call: dict[str, Any] = {
            **columns, "prompts": [e.prompt for e in examples], "completions": [s.text for s in samples],
            "completion_ids": [[0] * len(s.text) for s in samples], "trainer_state": {"global_step": 0},
        }  # fmt: skip
        if bench.probe.chat:
            call["prompts"] = [[{"role": "user", "content": prompt}] for prompt in call["prompts"]]
            call["completions"] = [[{"role": "assistant", "content": text}] for text in call["completions"]]
        limits = Limits(timeout_s=CALL_S, memory_mb=params.memory_mb)
        with RewardWorker(FileTarget(folder / WRAPPER), limits) as worker:
            return worker.call(call)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cost(bench: Bench, costs: Sequence[CallCost]) -> Finding:
    """Time per call and per completion, and of a step of this run. The first call loads, and is left out."""
    later = sorted((cost.seconds / cost.rows, cost.seconds) for cost in costs[1:])
    if not later:
        return Finding("time", "Time", "not applicable", "There were too few calls to tell.")
    each = later[len(later) // 2][0]
    calls = sorted(seconds for _, seconds in later)
    rollout = bench.config.rollout
    completions = rollout.num_generations * rollout.prompts_per_step
    step = each * completions
    text = (
        f"Median {_time(each)} a completion, worst {_time(later[-1][0])}; {_time(calls[len(calls) // 2])} a call, worst"
    )
    text += (
        f" {_time(calls[-1])}, of {len(later)} calls. A step of {completions:,} completions takes about {_time(step)}."
    )
    return Finding("time", "Time", "warning" if step > SLOW_STEP_S else "ok", text)


def _alike(values: Sequence[float | None]) -> bool:
    first = values[0]
    return all(
        (value is None) == (first is None)
        and (value is None or first is None or abs(value - first) <= TOLERANCE * max(1.0, abs(first)))
        for value in values
    )


def _reversed(answers: Answers) -> Answers:
    return Answers(answers.values[::-1], answers.reasons[::-1], answers.failed[::-1], answers.parsed[::-1])


def _number(value: float | None) -> str:
    return "no value" if value is None else f"{value:.4g}"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def _own_peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
