"""trainer_state.json: the numbers that TRL logged, step by step, under the names of our glossary.

An entry of log_history is a mean over the steps since the entry before, `logging_steps` of them; num_tokens is the
newest. Only names whose meaning is the same are taken over; every other one is listed as left out.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config_problems import short
from engine.trl.recorded_files import LONGEST_NAME, MAX_STATE_BYTES, MAX_STEP, fail

MAX_NAMES = 1000
MAX_SAMPLES = 10**9  # rows of an evaluation dataset; a count beyond comes from broken times
LONGEST = LONGEST_NAME + len("eval_rewards//mean")
SAME_NAME = (
    "reward", "reward_std", "frac_reward_zero_std", "loss", "grad_norm", "learning_rate", "kl", "entropy",
    "policy_loss", "entropy_coef", "clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean",
    "cispo_clip_ratio", "vespo/phi_seq_mean", "completions/mean_length", "completions/min_length",
    "completions/max_length", "completions/mean_terminated_length", "completions/min_terminated_length",
    "completions/max_terminated_length", "completions/clipped_ratio", "num_tokens", "step_time",
)  # fmt: skip
NO_METRIC = ("step", "epoch", "total_flos")  # and what begins with train_: sums of the whole training
REWARD, MEAN = "rewards/", "/mean"
HINT = "Move the file away to import the completions alone."


@dataclass(frozen=True)
class Evaluation:
    """An evaluation of TRL: mean total reward, mean of each reward function, seconds; num_prompts if that follows."""

    rewards: dict[str, float]
    seconds: float
    num_prompts: int | None


@dataclass(frozen=True)
class TrainerLog:
    """steps: {step: {metric of the glossary: value}}; means: {step: {reward function: mean}}; sampled: the steps since
    whose last entry completions were sampled. max_steps: 0 when the file does not say.
    """

    steps: dict[int, dict[str, float]]
    means: dict[int, dict[str, float]]
    sampled: frozenset[int]
    evaluations: dict[int, Evaluation]
    functions: tuple[str, ...]
    left_out: tuple[str, ...]
    max_steps: int
    runtime_s: float | None


def read_log(path: Path) -> TrainerLog:
    """Raises DatasetError when the file is no trainer_state.json."""
    state = _parsed(path)
    history = state.get("log_history")
    if not isinstance(history, list) or not all(isinstance(entry, dict) for entry in history):
        fail(f"{path.name} has no log_history, so it is no state of a trainer.", HINT)
    training: dict[int, dict[str, float]] = {}
    evaluations: dict[int, dict[str, float]] = {}
    for place, entry in enumerate(history):
        step = entry.get("step")
        if type(step) is not int or not 0 <= step <= MAX_STEP:
            fail(f"{path.name}, entry {place + 1} of log_history: step is {short(step)}.", HINT)
        numbers = {_name(name): _number(value) for name, value in entry.items() if isinstance(value, int | float)}
        is_evaluation = any(name.startswith("eval_") for name in numbers)
        (evaluations if is_evaluation else training).setdefault(step, {}).update(numbers)
    return _log(training, evaluations, state.get("max_steps"))


def _parsed(path: Path) -> dict[str, Any]:
    try:
        if (size := path.stat().st_size) > MAX_STATE_BYTES:
            fail(f"{path.name} has {size:,} bytes, more than {MAX_STATE_BYTES:,}.", HINT)
        state = json.loads(path.read_bytes())
    except OSError as error:
        fail(f"{path.name} cannot be read ({error.strerror}).", HINT)
    except (ValueError, RecursionError) as error:
        fail(f"{path.name} is not JSON ({str(error)[:100]}).", HINT)
    if not isinstance(state, dict):
        fail(f"{path.name} holds {short(state)}, not an object.", HINT)
    return state


def _name(name: str) -> str:
    """Half a surrogate pair, which JSON can hold, can be stored nowhere. A name that is too long is cut, and what was
    cut stands behind it as a hash, so that two such names stay two; a reward function is not known by it any more.
    """
    clean = name.encode(errors="replace").decode()
    if len(clean) <= LONGEST:
        return clean
    return f"{clean[: LONGEST - 20]}… ({hashlib.sha256(clean.encode()).hexdigest()[:12]})"


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _log(training: dict[int, dict[str, float]], evaluations: dict[int, dict[str, float]], max_steps: Any) -> TrainerLog:
    steps, means = {}, {}
    left_out: dict[str, None] = {}
    for step, numbers in training.items():
        steps[step] = {name: value for name, value in numbers.items() if name in SAME_NAME}
        means[step] = _means(numbers)
        left_out.update(dict.fromkeys(name for name in numbers if not _is_known(name)))
    functions = dict.fromkeys(name for found in means.values() for name in found)
    runtimes = [numbers["train_runtime"] for numbers in training.values() if "train_runtime" in numbers]
    return TrainerLog(
        {step: steps[step] for step in sorted(steps) if step > 0 and (steps[step] or means[step])},
        means,
        frozenset(step for step, numbers in training.items() if "reward" in numbers),
        {step: _evaluation(numbers) for step, numbers in sorted(evaluations.items()) if "eval_reward" in numbers},
        tuple(functions),
        tuple(left_out)[:MAX_NAMES],
        max_steps if type(max_steps) is int and 0 < max_steps <= MAX_STEP else 0,
        runtimes[-1] if runtimes and math.isfinite(runtimes[-1]) else None,
    )


def _means(numbers: dict[str, float], prefix: str = "") -> dict[str, float]:
    begin = prefix + REWARD
    return {
        name.removeprefix(begin).removesuffix(MEAN): value
        for name, value in numbers.items()
        if name.startswith(begin) and name.endswith(MEAN)
    }


def _is_known(name: str) -> bool:
    is_reward = name.startswith(REWARD) and name.endswith((MEAN, "/std"))
    return name in SAME_NAME or name in NO_METRIC or is_reward or name.startswith("train_")


def _evaluation(numbers: dict[str, float]) -> Evaluation:
    """TRL counts the rows of the evaluation dataset as samples, whatever it generates for each."""
    seconds, speed = numbers.get("eval_runtime", math.nan), numbers.get("eval_samples_per_second", math.nan)
    count = seconds * speed  # both were rounded when they were logged
    is_whole = seconds > 0 and 0.5 < count <= MAX_SAMPLES and abs(count - round(count)) < 0.25
    rewards = {f"{REWARD}{name}{MEAN}": value for name, value in _means(numbers, "eval_").items()}
    return Evaluation({"reward": numbers["eval_reward"], **rewards}, seconds, round(count) if is_whole else None)
