"""Presets: experiments worth running, each a complete RunConfig that starts with one click. Light: no torch."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.config import (
    CheckpointConfig,
    DataConfig,
    EvaluationConfig,
    LossConfig,
    ModelConfig,
    OptimConfig,
    RewardSpec,
    RolloutConfig,
    RunConfig,
)
from engine.runs.durable import disk_errors, write_atomic

SMOLLM2 = "smollm2"


@dataclass(frozen=True)
class Preset:
    """One experiment and what it shows.

    `fill_in` are the fields whose values only the user can know; the config holds examples there. `make_data` writes
    the file that config.data.source names, for presets whose data can be made.
    """

    key: str
    title: str
    story: str
    config: RunConfig
    fill_in: tuple[str, ...] = ()
    make_data: Callable[[Path], None] | None = None


def write_sums(path: Path, n: int = 2000, seed: int = 0, largest: int = 20) -> None:
    """Write n sums of two numbers from 0 to `largest` as JSONL rows {"question": "7 + 12", "answer": "19"}.

    No sum stands there twice, so n is at most (largest + 1)². Raises LabError when the file cannot be written.
    """
    pairs = [(a, b) for a in range(largest + 1) for b in range(largest + 1)]
    chosen = random.Random(seed).sample(pairs, min(n, len(pairs)))
    rows = (json.dumps({"question": f"{a} + {b}", "answer": str(a + b)}) for a, b in chosen)
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, "".join(f"{row}\n" for row in rows).encode())


def write_backwards(path: Path) -> None:
    """Write sums of two numbers up to 99 as JSONL rows {"question": "27+68", "answer": "59"}: 95 from its end.

    Without sums of one digit, and without those that end in 0, which would begin with it. Raises LabError when the
    file cannot be written.
    """
    pairs = ((a, b) for a in range(100) for b in range(100) if a + b > 9 and (a + b) % 10)
    rows = (json.dumps({"question": f"{a}+{b}", "answer": str(a + b)[::-1]}) for a, b in pairs)
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, "".join(f"{row}\n" for row in rows).encode())


_EMBEDDED = ModelConfig(source="embedded", adapter="full")
# 512 held-out sums: with 64, chance alone moves pass@1 by 6 points.
_SUMS = DataConfig(source="arithmetic", params={"digits": 2}, held_out=512)
_SMALL_ROLLOUT = RolloutConfig(num_generations=8, prompts_per_step=16, max_completion_length=6)
_SMALL_OPTIM = OptimConfig(learning_rate=1e-4, lr_scheduler_type="linear", warmup_steps=5, max_steps=150)
_SMALL_EVALUATION = EvaluationConfig(every=25, num_prompts=512)
_SMALL_CHECKPOINT = CheckpointConfig(every=25)
_SMALL_THREADS = 1  # its matrices are too small to be worth sharing out
_SMOLLM2_LORA = ModelConfig(source=SMOLLM2, adapter="lora", lora_rank=16)

LEARN_TO_ADD = RunConfig(
    name="learn to add",
    model=_EMBEDDED,
    data=_SUMS,
    rewards=(RewardSpec(name="exact_match"), RewardSpec(name="digit_match", weight=0.2)),
    rollout=_SMALL_ROLLOUT,
    loss=LossConfig(beta=0.02),
    optim=_SMALL_OPTIM,
    evaluation=_SMALL_EVALUATION,
    checkpoint=_SMALL_CHECKPOINT,
    threads=_SMALL_THREADS,
)

SPELL_BACKWARDS = RunConfig(
    name="spell it backwards",
    model=_EMBEDDED,
    data=DataConfig(source="sums-backwards.jsonl", prompt_template="{prompt}=", held_out=512),
    rewards=(RewardSpec(name="exact_match"), RewardSpec(name="digit_match", weight=0.2)),
    rollout=_SMALL_ROLLOUT.model_copy(update={"num_generations": 16}),
    # Nothing holds it at what it knows, 95. Without the bonus for trying it settles on answers that are half right.
    loss=LossConfig(beta=0.0, entropy_coef=0.02),
    optim=OptimConfig(learning_rate=2e-4, lr_scheduler_type="linear", warmup_steps=5, max_steps=200),
    evaluation=_SMALL_EVALUATION,
    checkpoint=_SMALL_CHECKPOINT,
    threads=_SMALL_THREADS,
)

SHORT_AND_RIGHT = RunConfig(
    name="short and right",
    model=_EMBEDDED,
    data=_SUMS,
    rewards=(
        RewardSpec(name="numeric_match"),
        # A right answer is 3 or 4 tokens long, its end token counted.
        RewardSpec(name="length_target", weight=0.6, params={"target": 2, "tolerance": 2}),
    ),
    rollout=_SMALL_ROLLOUT,
    loss=LossConfig(beta=0.02),
    optim=_SMALL_OPTIM,
    evaluation=_SMALL_EVALUATION,
    checkpoint=_SMALL_CHECKPOINT,
    threads=_SMALL_THREADS,
)

REWARD_HACKING = RunConfig(
    name="reward hacking",
    model=_EMBEDDED,
    data=_SUMS,
    rewards=(
        RewardSpec(name="regex_match", params={"pattern": "1[0-9][0-9]", "mode": "fullmatch"}),
        RewardSpec(name="exact_match", weight=0.0),
    ),
    rollout=_SMALL_ROLLOUT,
    loss=LossConfig(beta=0.0),
    optim=_SMALL_OPTIM,
    evaluation=_SMALL_EVALUATION,
    checkpoint=_SMALL_CHECKPOINT,
    threads=_SMALL_THREADS,
)

SMOLLM2_SUMS = RunConfig(
    name="SmolLM2 learns sums",
    # As plain text: asked in a chat, the model explains, and hardly one of a hundred answers is a bare number.
    model=_SMOLLM2_LORA.model_copy(update={"chat_template": False}),
    data=DataConfig(
        source="sums-to-20.jsonl", prompt_template="2 + 3 = 5\n10 + 4 = 14\n7 + 16 = 23\n{prompt} =", held_out=64
    ),
    rewards=(RewardSpec(name="exact_match"), RewardSpec(name="digits_only", weight=0.2)),
    rollout=RolloutConfig(num_generations=8, prompts_per_step=8, max_completion_length=6),
    loss=LossConfig(beta=0.04),
    optim=OptimConfig(learning_rate=1e-4, warmup_steps=2, max_steps=80),
    evaluation=EvaluationConfig(every=20, num_prompts=64),
    checkpoint=CheckpointConfig(every=20),
)

GSM8K = RunConfig(
    name="GSM8K",
    model=_SMOLLM2_LORA,
    data=DataConfig(
        source="gsm8k/train.jsonl",
        prompt_template="{prompt}\nReason in short steps, then write #### and the final number.",
        held_out=32,
    ),
    rewards=(
        RewardSpec(name="numeric_match"),
        RewardSpec(name="regex_match", weight=0.2, params={"pattern": "####\\s*-?[0-9]"}),
    ),
    rollout=RolloutConfig(num_generations=8, prompts_per_step=2, max_completion_length=160),
    loss=LossConfig(beta=0.04),
    optim=OptimConfig(learning_rate=1e-4, max_steps=40),
    evaluation=EvaluationConfig(every=10, num_prompts=32),
    checkpoint=CheckpointConfig(every=10),
)

PRESETS: tuple[Preset, ...] = (
    Preset(
        "learn-to-add",
        "Learn to add",
        "A tiny model that comes with the program learns to add two-digit numbers, in about a minute on any computer.",
        LEARN_TO_ADD,
    ),
    Preset(
        "spell-backwards",
        "Spell it backwards",
        "The tiny model writes each sum from its end: 59 for 95. A digit in place earns a part: see what that buys.",
        SPELL_BACKWARDS,
        make_data=write_backwards,
    ),
    Preset(
        "short-and-right",
        "Short and right",
        "One reward wants the right sum, the other a shorter answer. See which one wins, then move the weights.",
        SHORT_AND_RIGHT,
    ),
    Preset(
        "reward-hacking",
        "Reward hacking",
        "The reward likes any answer that looks like 1xx. It climbs while the share of right answers falls. Raise β.",
        REWARD_HACKING,
    ),
    Preset(
        "smollm2-sums",
        "SmolLM2 learns sums",
        "A real chat model of 135 million parameters learns, with LoRA, to end a small sum with the bare number.",
        SMOLLM2_SUMS,
        make_data=partial(write_sums, n=441),
    ),
    Preset(
        "gsm8k",
        "GSM8K",
        "Grade-school word problems for the same model, from a GSM8K file of yours. Real, and slow on a CPU.",
        GSM8K,
        fill_in=("data.source",),
    ),
)


def preset(key: str) -> Preset:
    """The preset with this key. Raises KeyError."""
    return {found.key: found for found in PRESETS}[key]
