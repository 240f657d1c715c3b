"""How much memory a run will take, part by part, from its configuration and the sizes of its model. Light, arithmetic.

An estimate of the engine process at its peak, for a transformer with a gated feed-forward layer and fused attention,
with every completion as long as the limit allows. benchmarks/memory.py holds it against what runs really take.

L prompt tokens, T completion tokens at most, B completions of a step; the sizes of the model are those of ModelShape.
"""

import math
from dataclasses import dataclass
from typing import Literal

from engine.config import RunConfig
from engine.data.tasks.registry import is_task, sample_items, task_problems
from engine.models.folder import ModelFacts
from engine.models.shape import ModelShape

FLOAT32 = 4
DTYPE_BYTES = {"float32": FLOAT32, "bfloat16": 2}
# Python with torch and transformers, and what their allocators keep: measured, see benchmarks/memory.py.
PROCESS_BYTES = 400 * 2**20
# Those of engine/grpo/logprobs.py and engine/train/evaluate.py, which cannot be imported without torch.
MAX_LOGITS = 2**26
COMPLETIONS_AT_ONCE = 64
# Logits as they are, divided by the temperature, softmax, and one of them in the making: of each row [V] while a token
# is drawn, and of each completion token while its log-probability and entropy are measured.
LOGIT_COPIES = 4
# What the heap holds beyond the tensors: temporaries that were freed between tensors that stay. Peaks on a CPU were 1.1
# to 1.6 times the tensors of their phase, see benchmarks/memory.py.
HEAP_GAPS = 0.4
# The length of a question in GSM8K's form, and what English takes in a vocabulary of tens of thousands.
ASSUMED_QUESTION, CHARACTERS_PER_TOKEN = 64, 4
SAMPLED_QUESTIONS = 64  # of a built-in task: of two-digit sums, four in five are of the greatest length

Phase = Literal["always", "sampling", "updating"]


@dataclass(frozen=True)
class Part:
    """One part of the memory. `phase` says when it is there; `how` is its arithmetic in words."""

    name: str
    phase: Phase
    size_bytes: int
    how: str


@dataclass(frozen=True)
class MemoryEstimate:
    """`critic_bytes`: what PPO's value model would have added to this run."""

    parts: tuple[Part, ...]
    critic_bytes: int
    critic_how: str

    @property
    def peak_bytes(self) -> int:
        """What is always there, and the larger of sampling and updating."""
        sums = {phase: sum(p.size_bytes for p in self.parts if p.phase == phase) for phase in ("sampling", "updating")}
        return sum(p.size_bytes for p in self.parts if p.phase == "always") + max(sums.values())


def estimate_memory(config: RunConfig, facts: ModelFacts, prompt_tokens: int) -> MemoryEstimate | None:
    """The memory of a run whose prompts have `prompt_tokens` tokens; None for a model whose sizes are not known."""
    shape, parameters = facts.shape, facts.parameters
    if shape is None or not parameters:
        return None
    width = DTYPE_BYTES[config.model.dtype]
    is_lora = config.model.adapter == "lora"
    weights = parameters * width
    adapter = lora_parameters(shape, config.model.lora_rank) * FLOAT32 if is_lora else 0
    trained = adapter if is_lora else weights
    parts = (
        Part("Process", "always", PROCESS_BYTES, "Python, torch and transformers"),
        Part("Weights", "always", weights + adapter, _weights_how(config, parameters, adapter)),
        _reference(config, weights, adapter),
        Part("Gradients", "always", trained, "one for each trained weight"),
        Part("Optimizer", "always", 2 * trained, "AdamW: two moments for each trained weight"),
        *_with_gaps("sampling", _sampling(config, shape, prompt_tokens)),
        *_with_gaps("updating", _updating(config, shape, prompt_tokens)),
    )
    activations = int(activation_bytes(config, shape, prompt_tokens) * (1 + HEAP_GAPS))
    critic, critic_how = _critic(is_lora, weights, adapter, activations)
    return MemoryEstimate(tuple(part for part in parts if part.size_bytes), critic, critic_how)


def assumed_prompt_tokens(config: RunConfig, facts: ModelFacts) -> int:
    """A guess until prompts were measured: built-in tasks by their longest questions.

    Other questions count ASSUMED_QUESTION tokens. The template's text counts CHARACTERS_PER_TOKEN to a token.
    """
    data, template = config.data, len(config.data.prompt_template.replace("{prompt}", ""))
    if is_task(data.source) and not task_problems(data.source, data.params, "data.params"):
        longest = max(len(item.question) for item in sample_items(data.source, data.params, SAMPLED_QUESTIONS))
        # Of numbers and signs a tokenizer may count every character.
        return template + (longest if data.source == "arithmetic" else longest // CHARACTERS_PER_TOKEN)
    guess = ASSUMED_QUESTION + template // CHARACTERS_PER_TOKEN
    return guess if facts.context_length is None else min(guess, facts.context_length)


def lora_parameters(shape: ModelShape, rank: int) -> int:
    """Weights of an adapter on every linear layer but the head: rank × (inputs + outputs) of each."""
    sides = (
        (shape.hidden, shape.attention), (shape.hidden, shape.kv), (shape.hidden, shape.kv),  # q, k, v
        (shape.attention, shape.hidden),  # o
        (shape.hidden, shape.intermediate), (shape.hidden, shape.intermediate), (shape.intermediate, shape.hidden),
    )  # fmt: skip
    return shape.layers * rank * sum(inputs + outputs for inputs, outputs in sides)


def kv_cache_bytes(config: RunConfig, shape: ModelShape, prompt_tokens: int) -> int:
    """rows × (L + T) × layers × 2 × kv: keys and values of what is sampled at once, each at full length."""
    length = prompt_tokens + config.rollout.max_completion_length
    width = DTYPE_BYTES[config.model.dtype]
    return _rows_at_once(config, prompt_tokens) * length * shape.layers * 2 * shape.kv * width


def activation_bytes(config: RunConfig, shape: ModelShape, prompt_tokens: int) -> int:
    """What the forward pass of one micro-batch keeps for its backward pass, without gradient checkpointing.

    Each token in each layer keeps, in numbers: 2 norms × (input, output) of the hidden size, and with all weights
    trained the normalised values too; queries, the attention's output and a copy of it in order; gate, its activation,
    up, and their product. Each row keeps the keys and values of its whole sequence, repeated for every query head.
    A LoRA adapter adds its 7 inner vectors.
    """
    rows, prompts = _micro_batch(config, prompt_tokens)
    limit = config.rollout.max_completion_length
    is_lora = config.model.adapter == "lora"
    inner = 7 * config.model.lora_rank if is_lora else 0
    norms = (4 if is_lora else 6) * shape.hidden
    of_a_token = norms + 3 * shape.attention + 4 * shape.intermediate + inner
    tokens = prompts * prompt_tokens + rows * limit
    keys_and_values = rows * (prompt_tokens + limit) * 2 * shape.attention
    return shape.layers * (tokens * of_a_token + keys_and_values) * DTYPE_BYTES[config.model.dtype]


def _rows_at_once(config: RunConfig, prompt_tokens: int) -> int:
    """Completions that are sampled together: those of a step or of an evaluation, within max_batch_tokens."""
    rollout, evaluation = config.rollout, config.evaluation
    prompts = max(1, COMPLETIONS_AT_ONCE // evaluation.num_generations)
    asked = min(prompts, evaluation.num_prompts, config.data.held_out) * evaluation.num_generations
    rows = max(rollout.prompts_per_step * rollout.num_generations, asked)
    fitting = rollout.max_batch_tokens // (prompt_tokens + rollout.max_completion_length)
    return max(1, min(rows, fitting))


def _micro_batch(config: RunConfig, prompt_tokens: int) -> tuple[int, int]:
    """Rows and prompts of the largest micro-batch: prompts × L + rows × T within micro_batch_tokens, at least a row."""
    rollout, budget = config.rollout, config.optim.micro_batch_tokens
    group, limit = rollout.num_generations, rollout.max_completion_length
    whole = prompt_tokens + group * limit
    of_a_part = max(0, (budget % whole - prompt_tokens) // limit)  # rows of a group that does not fit as a whole
    update = math.ceil(rollout.prompts_per_step / config.loss.num_minibatches) * group
    rows = max(1, min(update, budget // whole * group + of_a_part))
    return rows, math.ceil(rows / group)


def _sampling(config: RunConfig, shape: ModelShape, prompt_tokens: int) -> tuple[Part, ...]:
    rows = _rows_at_once(config, prompt_tokens)
    logits = rows * shape.vocabulary * FLOAT32 * LOGIT_COPIES
    length = prompt_tokens + config.rollout.max_completion_length
    cache_how = f"{rows:,} rows × {length:,} tokens, keys and values of each layer"
    return (
        Part("KV cache", "sampling", kv_cache_bytes(config, shape, prompt_tokens), cache_how),
        Part("Logits, sampling", "sampling", logits, f"{LOGIT_COPIES} × rows × vocabulary"),
    )


def _updating(config: RunConfig, shape: ModelShape, prompt_tokens: int) -> tuple[Part, ...]:
    rows, _ = _micro_batch(config, prompt_tokens)
    positions = min(rows * config.rollout.max_completion_length, max(1, MAX_LOGITS // shape.vocabulary))
    logits = positions * shape.vocabulary * FLOAT32 * LOGIT_COPIES
    activations = activation_bytes(config, shape, prompt_tokens)
    logits_how = f"{LOGIT_COPIES} × completion tokens × vocabulary, at most {MAX_LOGITS:,} numbers at once"
    return (
        Part("Activations", "updating", activations, "of one micro-batch, kept for its backward pass"),
        Part("Logits, update", "updating", logits, logits_how),
    )


def _with_gaps(phase: Phase, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    gaps = int(sum(part.size_bytes for part in parts) * HEAP_GAPS)
    name = "Heap gaps, sampling" if phase == "sampling" else "Heap gaps, update"
    return (*parts, Part(name, phase, gaps, f"freed memory between tensors that stay: about {HEAP_GAPS:.0%}"))


def _weights_how(config: RunConfig, parameters: int, adapter: int) -> str:
    base = f"{parameters:,} × {DTYPE_BYTES[config.model.dtype]} bytes"
    return f"{base}, and a LoRA adapter of {adapter // FLOAT32:,} × {FLOAT32}" if adapter else base


def _reference(config: RunConfig, weights: int, adapter: int) -> Part:
    if config.model.adapter == "full":
        return Part("Reference", "always", weights, "a frozen copy of the model")
    kept = adapter if config.loss.sync_ref_model else 0  # else it is the model with its adapter switched off
    return Part("Reference", "always", kept, "the adapter as it was at the last refresh")


def _critic(is_lora: bool, weights: int, adapter: int, activations: int) -> tuple[int, str]:
    """A value model of the policy's size. Its head of one output is too small to count."""
    if is_lora:
        how = "its adapter with gradients and moments, and activations; the frozen base weights are shared"
        return 4 * adapter + activations, how
    return 4 * weights + activations, "its weights, gradients and moments, and activations"
