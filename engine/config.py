"""RunConfig: every setting of a run, in frozen sections. Each field carries its label, help line, unit and bounds.

The New-run form is drawn from these models and the docs are checked against them, so nothing is described twice.
Names follow TRL's GRPOConfig where the meaning is the same. Parsing, and the checks that need more than one field,
are in config_io.py.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from engine.config_data import DataConfig, DataSource
from engine.config_loss import LossConfig
from engine.config_rewards import RewardSpec, weights_at
from engine.config_section import Section, knob

__all__ = [
    "CheckpointConfig",
    "DataConfig",
    "DataSource",
    "EvaluationConfig",
    "LossConfig",
    "ModelConfig",
    "OptimConfig",
    "RewardSpec",
    "RolloutConfig",
    "RunConfig",
]


class ModelConfig(Section):
    source: str = knob(
        ...,
        "The model to train: `embedded`, a local folder, a Hub id, a .gguf file, or a run's checkpoint as "
        "`run:ID/step-000050`, whose policy is then the start and the reference of this run.",
        label="Model",
        min_length=1,
    )
    adapter: Literal["lora", "full"] = knob(
        "lora",
        "A small low-rank adapter beside frozen weights (LoRA) needs less memory; all weights suits small models.",
        label="Train",
        words={"lora": "a LoRA adapter", "full": "all weights"},
    )
    lora_rank: int = knob(
        16,
        "Size of the LoRA matrices: a higher rank can learn more and needs more memory. 8 to 32 is usual.",
        label="LoRA rank",
        ge=1,
        le=512,
    )
    lora_alpha: int = knob(
        32,
        "What the adapter learns is multiplied by alpha / rank. Twice the rank is usual.",
        label="LoRA alpha",
        advanced=True,
        ge=1,
        le=2048,
    )
    dtype: Literal["float32", "bfloat16"] = knob(
        "float32",
        "Number format of the weights. float32 is the safe choice on a CPU.",
        label="Number format",
        advanced=True,
    )
    chat_template: bool | None = knob(
        None,
        "Wrap prompts in the chat template that comes with the tokenizer. Automatic: when there is one.",
        label="Chat template",
        empty="automatic",
        advanced=True,
    )
    system_prompt: str = knob(
        "",
        "An instruction sent before every prompt, such as how to format the answer. Needs a chat template.",
        label="System prompt",
        max_length=20_000,
    )


class RolloutConfig(Section):
    num_generations: int = knob(
        8,
        "Completions sampled for each prompt: the group size G. Each is judged against the others of its group.",
        label="Group size G",
        ge=2,
        le=256,
    )
    prompts_per_step: int = knob(8, "Prompts in each step, and so groups.", label="Prompts per step", ge=1, le=1024)
    max_completion_length: int = knob(
        64, "A completion is cut off after this many tokens.", label="Completion limit", unit="tokens", ge=1, le=8192
    )
    temperature: float = knob(
        1.0,
        "How freely completions are sampled: 1 follows the model's own probabilities, less is more careful. "
        "Training uses the same temperature.",
        label="Temperature",
        gt=0,
        le=5,
    )
    top_p: float = knob(
        1.0,
        "Sample only from the likeliest tokens that together have this much probability; 1 is off.",
        label="Top-p",
        advanced=True,
        gt=0,
        le=1,
    )
    top_k: int = knob(
        0,
        "Sample only from this many of the likeliest tokens; 0 is off.",
        label="Top-k",
        advanced=True,
        ge=0,
        le=100_000,
    )
    min_p: float = knob(
        0.0,
        "Drop tokens less likely than this share of the likeliest one; 0 is off.",
        label="Min-p",
        advanced=True,
        ge=0,
        lt=1,
    )
    stop_strings: tuple[Annotated[str, StringConstraints(min_length=1, max_length=100)], ...] = knob(
        (),
        "A completion ends where its text has one of these: for models that do not end by themselves. The string stays "
        "in the text that rewards read.",
        label="Stop strings",
        empty="none",
        source="as stop_strings of transformers",
        advanced=True,
        max_length=16,
        strict=False,  # JSON has lists, not tuples
    )
    dynamic_sampling: bool = knob(
        False,
        "Sample again until the step is full of groups with signal. Groups without are stored, but not trained on.",
        label="Dynamic sampling",
        source="DAPO, arXiv:2503.14476",
        advanced=True,
    )
    max_sampling_rounds: int = knob(
        4,
        "With dynamic sampling: how often a step samples at most before it trains on the groups it has.",
        label="Sampling rounds, at most",
        unit="rounds",
        advanced=True,
        ge=1,
        le=64,
    )
    num_alternatives: int = knob(
        3,
        "For each token of a completion, keep so many of the tokens that were likeliest in its place, with their "
        "probabilities: what the policy could have said. 0 is off. What is trained is the same.",
        label="Alternatives kept",
        unit="tokens",
        advanced=True,
        ge=0,
        le=20,
    )
    max_batch_tokens: int = knob(
        65_536,
        "Tokens, prompts and completions together, that are sampled at once. Lower needs less memory; what is sampled "
        "is the same but for rounding.",
        label="Sampled at once",
        unit="tokens",
        advanced=True,
        ge=16,
        le=10_000_000,
    )


class OptimConfig(Section):
    learning_rate: float = knob(
        1e-5,
        "How far a step moves the weights (AdamW). About 1e-4 for LoRA and small models, 1e-6 to 1e-5 for all weights "
        "of a large one. Too high destroys the model within a few steps.",
        label="Learning rate",
        gt=0,
        le=1,
    )
    lr_scheduler_type: Literal["constant", "linear", "cosine"] = knob(
        "constant",
        "How the learning rate falls after warm-up.",
        label="Schedule",
        equation="linear: η (1 − x); cosine: η (1 + cos πx) / 2; x = (step − 1 − warm-up) / (steps − warm-up)",
        source="transformers",
        advanced=True,
    )
    warmup_steps: int = knob(
        0,
        "Steps in which the learning rate rises from 0.",
        label="Warm-up",
        equation="η · step / warm-up",
        unit="steps",
        advanced=True,
        ge=0,
        le=100_000,
    )
    weight_decay: float = knob(0.0, "AdamW weight decay.", label="Weight decay", advanced=True, ge=0, le=1)
    adam_beta2: float = knob(0.999, "AdamW's memory of squared gradients.", label="Adam β2", advanced=True, gt=0, lt=1)
    max_grad_norm: float = knob(
        1.0, "Gradients longer than this are scaled down to it.", label="Gradient clip", advanced=True, gt=0, le=1000
    )
    max_steps: int = knob(
        100,
        "Steps until the run is finished. Each samples and scores once, and makes num_iterations × num_minibatches "
        "updates.",
        label="Training steps",
        ge=1,
        le=1_000_000,
    )
    micro_batch_tokens: int = knob(
        4096,
        "Tokens in one forward and backward pass. Lower needs less memory; the update is the same.",
        label="Micro-batch",
        unit="tokens",
        advanced=True,
        ge=16,
        le=1_000_000,
    )


class EvaluationConfig(Section):
    every: int = knob(
        25,
        "Evaluate on the held-out examples every so many steps, and always before and after training.",
        label="Evaluate every",
        unit="steps",
        ge=1,
        le=1_000_000,
    )
    num_prompts: int = knob(
        64,
        "Held-out examples asked in each evaluation.",
        label="Evaluation prompts",
        ge=1,
        le=10_000,
    )
    num_generations: int = knob(
        1,
        "Completions sampled for each held-out example. With more than 1, pass@k and majority@k are measured too.",
        label="Completions per prompt",
        advanced=True,
        ge=1,
        le=256,
    )
    pass_reward: str | None = knob(
        None,
        "The reward that decides whether a completion is right: right at its value 1. Empty: the first task reward.",
        label="Pass decided by",
        empty="the first task reward",
        advanced=True,
    )
    early_stopping_patience: int | None = knob(
        None,
        "Stop after so many evaluations in a row without a better one. Empty: train all steps.",
        label="Stop after no gain in",
        empty="off",
        unit="evaluations",
        advanced=True,
        ge=1,
        le=1000,
    )
    early_stopping_threshold: float = knob(
        0.0,
        "How much better an evaluation must be than the best before it, to count as a gain.",
        label="Least gain",
        advanced=True,
        ge=0,
        le=100,
    )


class CheckpointConfig(Section):
    every: int = knob(
        25,
        "Save a checkpoint every so many steps. A stopped or killed run resumes from the newest.",
        label="Checkpoint every",
        unit="steps",
        ge=1,
        le=1_000_000,
    )
    keep: int = knob(
        2, "How many of the newest checkpoints stay on disk.", label="Checkpoints kept", advanced=True, ge=1, le=1000
    )
    metric_for_best_model: Literal["pass_at_1", "pass_at_k", "majority_at_k", "reward"] | None = knob(
        None,
        "Keep the checkpoint of the best evaluation too, by this measure. Empty: keep none for its score.",
        label="Keep the best by",
        empty="none",
        words={
            "pass_at_1": "held-out pass@1",
            "pass_at_k": "held-out pass@k",
            "majority_at_k": "held-out majority@k",
            "reward": "held-out total reward",
        },
        advanced=True,
    )


class RunConfig(Section):
    """All settings of one run. Model and data have no default; everything else has."""

    name: str = knob("run", "What the run is called in lists and charts.", label="Name", min_length=1, max_length=80)
    model: ModelConfig
    data: DataConfig
    rewards: tuple[RewardSpec, ...] = Field(
        ...,
        min_length=1,
        max_length=16,
        strict=False,  # JSON has lists, not tuples
        description="Reward functions, with their weights.",
        json_schema_extra={"label": "Rewards", "unit": "", "advanced": False},
    )
    rollout: RolloutConfig = RolloutConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    seed: int = knob(
        0,
        "Every random choice of the run follows from it: the same seed gives the same run.",
        label="Seed",
        ge=0,
        le=2**31 - 1,
    )
    threads: int | None = knob(
        None,
        "CPU threads of the engine. Empty: all cores.",
        label="Threads",
        empty="all cores",
        advanced=True,
        ge=1,
        le=1024,
    )
    device: Literal["auto", "cpu", "cuda"] = knob(
        "auto", "Where to compute. auto: the GPU if there is one.", label="Device", advanced=True
    )

    def at_step(self, step: int) -> "RunConfig":
        """The configuration as one step has it: every reward with its weight there."""
        weights = weights_at(self.rewards, step, self.optim.max_steps)
        there = {"final_weight": None, "weight_from": 1, "weight_until": None}
        rewards = (spec.model_copy(update={"weight": weights[spec.name], **there}) for spec in self.rewards)
        return self.model_copy(update={"rewards": tuple(rewards)})
