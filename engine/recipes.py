"""Recipes: the methods of six papers, each as published and as a RunConfig for a small machine. Light: no torch."""

from functools import partial
from typing import Any

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
from engine.presets import SMOLLM2, write_sums
from engine.recipe import Published, Recipe

_EMBEDDED = ModelConfig(source="embedded", adapter="full")
# 512 held-out sums: with 64, chance alone moves pass@1 by 6 points.
_SUMS = DataConfig(source="arithmetic", params={"digits": 2}, held_out=512)
_RIGHT_SUM = RewardSpec(name="exact_match")
_OPTIM = OptimConfig(learning_rate=1e-4, warmup_steps=5, max_steps=100)
_EVALUATION = EvaluationConfig(every=20, num_prompts=512)
_CHECKPOINT = CheckpointConfig(every=20)


def _rollout(**changes: Any) -> RolloutConfig:
    """16 prompts × 8 completions of up to 6 tokens: a right sum takes 3 or 4, its end token counted."""
    return RolloutConfig(**{"num_generations": 8, "prompts_per_step": 16, "max_completion_length": 6, **changes})


def _on_sums(name: str, loss: LossConfig, **changes: Any) -> RunConfig:
    """The embedded model on two-digit sums, with this loss."""
    parts: dict[str, Any] = {
        "rewards": (_RIGHT_SUM,),
        "rollout": _rollout(),
        "optim": _OPTIM,
        "threads": 1,  # its matrices are too small to be worth sharing out
        **changes,
    }
    return RunConfig(
        name=name, model=_EMBEDDED, data=_SUMS, loss=loss, evaluation=_EVALUATION, checkpoint=_CHECKPOINT, **parts
    )


# DeepSeekMath, section 4.2, "Training and Evaluating DeepSeekMath-RL": rate 1e-6, KL 0.04, 64 outputs, length 1024,
# batch 1024, a single update after each exploration. The clip range is not stated (with one update nothing is clipped).
# Its KL estimate, equation 4, is not multiplied by the ratio: DeepSeek-V3.2 added that.
_DEEPSEEKMATH_PUBLISHED = {
    "loss.loss_type": Published("grpo"),
    "loss.beta": Published(0.04),
    "loss.kl_estimator": Published("k3"),
    "loss.use_bias_correction_kl": Published(False),
    "loss.scale_rewards": Published("group"),
    "loss.num_iterations": Published(1),
    "loss.num_minibatches": Published(1),
    "rollout.num_generations": Published(64),
    "rollout.prompts_per_step": Published(16, "a training batch of 1024 outputs = 16 questions × 64"),
    "rollout.max_completion_length": Published(1024),
    "optim.learning_rate": Published(1e-6),
}

DEEPSEEKMATH = Recipe(
    "deepseekmath",
    "GRPO, as first published",
    "DeepSeekMath's outcome supervision: one score for the whole answer, compared with the other answers of its group.",
    "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models",
    "2402.03300",
    "sections 4.1.2 and 4.2",
    _DEEPSEEKMATH_PUBLISHED,
    _on_sums("GRPO as in DeepSeekMath", LossConfig(loss_type="grpo", beta=0.04, use_bias_correction_kl=False)),
    no_setting=(
        "The score comes from a reward model that was trained for it; here the sum is compared with the right one.",
    ),
)

DEEPSEEKMATH_PROCESS = Recipe(
    "deepseekmath-process",
    "GRPO with process supervision",
    "Every digit of a sum is a step with a score of its own, and a token is credited with the steps from there on.",
    DEEPSEEKMATH.paper,
    DEEPSEEKMATH.arxiv,
    "sections 4.1.3 and 4.2",
    _DEEPSEEKMATH_PUBLISHED,
    DEEPSEEKMATH.config.model_copy(
        update={
            "name": "GRPO with process supervision",
            "rewards": (RewardSpec(name="digit_steps"), RewardSpec(name="exact_match", weight=0.0)),
            "evaluation": _EVALUATION.model_copy(update={"pass_reward": "exact_match"}),
        }
    ),
    no_setting=("A reward model that was trained for it scores the steps; here each digit is compared.",),
)

# R1 in the form of Nature and arXiv v2, section 3.2.1, "Training details of the first RL stage"; the rewards are from
# sections 2.2 and 3.1. R1 counts an update of 512 outputs as a step, and samples for 16 of them at once; a step here is
# all of that.
DEEPSEEK_R1 = Recipe(
    "deepseek-r1",
    "DeepSeek-R1",
    "SmolLM2 thinks in tags before it answers: rewards for the right answer, for the tags, and for one language.",
    "DeepSeek-R1: Incentivizing Reasoning Capability in LLMs via Reinforcement Learning",
    "2501.12948",
    "sections 2.2 and 3.2.1",
    {
        "loss.loss_type": Published("grpo"),
        "loss.beta": Published(0.001),
        "loss.epsilon": Published(10.0),
        "loss.kl_estimator": Published("k3"),
        "loss.use_bias_correction_kl": Published(False),
        "loss.scale_rewards": Published("group"),
        "loss.num_iterations": Published(1),
        "loss.num_minibatches": Published(16),
        "loss.sync_ref_model": Published(True),
        "loss.ref_model_sync_steps": Published(25, "every 400 updates = 25 rollouts of 16 updates"),
        "loss.ref_model_mixup_alpha": Published(1.0, "the reference is replaced"),
        "rollout.num_generations": Published(16),
        "rollout.prompts_per_step": Published(512, "8192 outputs per rollout = 512 questions × 16"),
        "rollout.max_completion_length": Published(32_768),
        "rollout.temperature": Published(1.0),
        "optim.learning_rate": Published(3e-6),
        "rewards[0].weight": Published(1.0),
        "rewards[1].weight": Published(1.0, "accuracy and format have the same weight"),
        "rewards[2].weight": Published(1.0, "added directly to the reward"),
    },
    RunConfig(
        name="DeepSeek-R1, small",
        # As plain text: asked in a chat, a model of this size ignores the tags.
        model=ModelConfig(source=SMOLLM2, adapter="lora", lora_rank=16, chat_template=False),
        data=DataConfig(
            source="sums-to-20.jsonl",
            prompt_template=(
                "2 + 3\n<think>2 plus 3 is 5.</think><answer>5</answer>\n\n"
                "10 + 4\n<think>10 plus 4 is 14.</think><answer>14</answer>\n\n{prompt}\n"
            ),
            held_out=64,
        ),
        rewards=(
            RewardSpec(name="numeric_match", params={"extract": "tag"}),
            RewardSpec(name="think_answer_format"),
            RewardSpec(name="language_consistency"),
        ),
        rollout=RolloutConfig(num_generations=8, prompts_per_step=4, max_completion_length=40),
        loss=LossConfig(
            loss_type="grpo",
            beta=0.001,
            epsilon=10.0,
            num_minibatches=2,
            sync_ref_model=True,
            ref_model_sync_steps=10,
            ref_model_mixup_alpha=1.0,
            use_bias_correction_kl=False,
        ),
        optim=OptimConfig(learning_rate=1e-4, warmup_steps=2, max_steps=40),
        evaluation=EvaluationConfig(every=20, num_prompts=64),
        checkpoint=CheckpointConfig(every=10),
    ),
    no_setting=(
        "Language consistency counts words of the target language; here, letters of the Latin alphabet.",
        "General questions are scored by reward models for helpfulness and safety.",
    ),
    make_data=partial(write_sums, n=441),
)

# Dr. GRPO states the two corrections in section 3.2; the numbers are those of the authors' code, understand-r1-zero,
# examples/qwen2.5-math-7b.sh (TRL's paper index uses them too): 128 prompts × 8 samples, updates of 128 samples.
_CODE = "the authors' code, understand-r1-zero"
DR_GRPO = Recipe(
    "dr-grpo",
    "Dr. GRPO",
    "Two biases of GRPO removed: no division by the length of an answer, none by the spread of its group.",
    "Understanding R1-Zero-Like Training: A Critical Perspective",
    "2503.20783",
    "section 3.2; numbers from the authors' code",
    {
        "loss.loss_type": Published("dr_grpo"),
        "loss.scale_rewards": Published("none"),
        "loss.beta": Published(0.0, _CODE),
        "loss.num_iterations": Published(1, _CODE),
        "loss.num_minibatches": Published(8, f"{_CODE}: 1024 answers in updates of 128"),
        "rollout.num_generations": Published(8, _CODE),
        "rollout.prompts_per_step": Published(128, _CODE),
        "rollout.max_completion_length": Published(3000, _CODE),
        "rollout.temperature": Published(1.0, _CODE),
        "optim.learning_rate": Published(1e-6, _CODE),
        "optim.lr_scheduler_type": Published("constant", _CODE),
    },
    _on_sums("Dr. GRPO", LossConfig(loss_type="dr_grpo", scale_rewards="none", beta=0.0, num_minibatches=2)),
)

# DAPO, section 4.1; the reward of ±1 is equation 7, no KL is section 2.3, the overlong punishment is section 3.4.
DAPO = Recipe(
    "dapo",
    "DAPO",
    "A higher upper clip, only groups that carry signal, every token the same weight, and a soft limit on length.",
    "DAPO: An Open-Source LLM Reinforcement Learning System at Scale",
    "2503.14476",
    "sections 2.3, 3 and 4.1",
    {
        "loss.loss_type": Published("dapo"),
        "loss.epsilon": Published(0.2),
        "loss.epsilon_high": Published(0.28),
        "loss.beta": Published(0.0),
        "loss.scale_rewards": Published("group"),
        "loss.mask_truncated_completions": Published(True, "overlong filtering"),
        "loss.num_minibatches": Published(16, "mini-batches of 512, so 16 updates for each rollout"),
        "rollout.dynamic_sampling": Published(True),
        "rollout.num_generations": Published(16),
        "rollout.prompts_per_step": Published(512),
        "rollout.max_completion_length": Published(20_480, "16,384 expected, and 4,096 more"),
        "rewards[0].weight": Published(2.0, "+1 and −1 there; 1 and 0 twice over have the same spread"),
        "rewards[1].params.max_length": Published(20_480),
        "rewards[1].params.cache": Published(4096),
        "optim.learning_rate": Published(1e-6),
        "optim.lr_scheduler_type": Published("constant"),
        "optim.warmup_steps": Published(20),
    },
    _on_sums(
        "DAPO",
        LossConfig(
            loss_type="dapo",
            epsilon=0.2,
            epsilon_high=0.28,
            beta=0.0,
            mask_truncated_completions=True,
            num_minibatches=2,
        ),
        rewards=(
            RewardSpec(name="exact_match", weight=2.0),
            RewardSpec(name="overlong_penalty", params={"max_length": 6, "cache": 2}),
        ),
        rollout=_rollout(dynamic_sampling=True),
    ),
    no_setting=(
        "Prompts are dropped when all answers are right, or all wrong; here, when all total rewards are equal: a group "
        "whose answers differ in the overlong penalty alone stays.",
    ),
)

# GSPO, section 5.1: clipping ranges 3e-4 and 4e-4, each rollout in four mini-batches. Group size, rate and lengths are
# not stated. No KL penalty: its authors in verl pull request 2775, which TRL's paper index cites.
GSPO = Recipe(
    "gspo",
    "GSPO",
    "One importance ratio for a whole answer instead of one for each token, and a very narrow clip on it.",
    "Group Sequence Policy Optimization",
    "2507.18071",
    "section 5.1",
    {
        "loss.loss_type": Published("grpo"),
        "loss.importance_sampling_level": Published("sequence"),
        "loss.epsilon": Published(3e-4),
        "loss.epsilon_high": Published(4e-4),
        "loss.num_minibatches": Published(4),
        "loss.scale_rewards": Published("group"),
        "loss.beta": Published(0.0, "not in the paper; its authors in verl pull request 2775"),
    },
    _on_sums(
        "GSPO",
        LossConfig(
            loss_type="grpo",
            importance_sampling_level="sequence",
            epsilon=3e-4,
            epsilon_high=4e-4,
            beta=0.0,
            num_minibatches=4,
        ),
    ),
)

# MiniMax-M1, section 3.1: 16 rounds of off-policy updates per generation batch, dynamic sampling and length penalty of
# DAPO, no KL; section 3.2: β2 0.95. The cap, the group size and the learning rate are not stated anywhere in it.
CISPO = Recipe(
    "cispo",
    "CISPO",
    "Importance weights are capped instead of clipped, so that no token ever stops learning.",
    "MiniMax-M1: Scaling Test-Time Compute Efficiently with Lightning Attention",
    "2506.13585",
    "sections 3.1 and 3.2",
    {
        "loss.loss_type": Published("cispo"),
        "loss.epsilon_high": Published(5.0, "not in the paper; ScaleRL, arXiv:2510.13786, as in TRL's paper index"),
        "loss.beta": Published(0.0),
        "loss.scale_rewards": Published("group"),
        "loss.num_minibatches": Published(16, "16 rounds of updates for each batch of answers"),
        "rollout.dynamic_sampling": Published(True),
        "optim.adam_beta2": Published(0.95),
    },
    _on_sums(
        "CISPO",
        LossConfig(loss_type="cispo", epsilon_high=5.0, beta=0.0, num_minibatches=4),
        rewards=(
            RewardSpec(name="exact_match", weight=2.0),
            RewardSpec(name="overlong_penalty", params={"max_length": 6, "cache": 2}),
        ),
        rollout=_rollout(dynamic_sampling=True),
        optim=_OPTIM.model_copy(update={"adam_beta2": 0.95}),
    ),
    no_setting=(
        "AdamW's ε is 1e-15 in the paper, and PyTorch's 1e-8 here.",
        "The length penalty is taken from DAPO without its numbers.",
    ),
)

RECIPES: tuple[Recipe, ...] = (DEEPSEEKMATH, DEEPSEEKMATH_PROCESS, DEEPSEEK_R1, DR_GRPO, DAPO, GSPO, CISPO)


def recipe(key: str) -> Recipe:
    """The recipe with this key. Raises KeyError."""
    return {found.key: found for found in RECIPES}[key]
