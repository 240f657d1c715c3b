"""Drives TRL 1.16.0's own GRPOTrainer without a model: its lines run, on log-probabilities that we give it.

Only make_fixtures.py imports this, in a Python that has TRL. What is replaced: the forward pass, generation, and the
accelerator (one process, where gathering and reducing change nothing).
"""

from collections import defaultdict, deque
from types import SimpleNamespace

import torch
from torch import Tensor
from trl import GRPOConfig, GRPOTrainer

EOS, PAD, FILLER, FIRST_ROW_ID = 2, 0, 5, 100  # the first token of a completion names its row


def trainer_for(config: dict, group_size: int = 2, batch_size: int = 6, **arguments: object) -> GRPOTrainer:
    """A trainer that was never initialised, with what its loss and advantages read. config: GRPOConfig fields."""
    args = GRPOConfig(
        output_dir="unused", bf16=False, use_cpu=True, report_to=[], num_generations=group_size,
        per_device_train_batch_size=batch_size, **{"gradient_accumulation_steps": 1} | config | arguments,
    )  # fmt: skip
    trainer = object.__new__(GRPOTrainer)
    trainer.args = args
    for name in (
        "beta", "loss_type", "importance_sampling_level", "top_entropy_quantile", "off_policy_mask_threshold",
        "max_completion_length", "use_vllm", "vllm_importance_sampling_correction", "entropy_coef", "num_generations",
        "use_adaptive_entropy", "scale_rewards", "multi_objective_aggregation", "num_iterations", "pad_to_multiple_of",
        "mask_truncated_completions",
    ):  # fmt: skip
        setattr(trainer, name, getattr(args, name))
    trainer.epsilon_low = args.epsilon
    trainer.epsilon_high = args.epsilon if args.epsilon_high is None else args.epsilon_high
    trainer._entropy_bonus_enabled = trainer.entropy_coef != 0.0 or trainer.use_adaptive_entropy
    trainer._last_world_entropy = float("inf")
    trainer._entropy_window_stats = None
    trainer.current_gradient_accumulation_steps = args.gradient_accumulation_steps
    trainer.aux_loss_enabled = False
    trainer.model = SimpleNamespace(training=True, is_gradient_checkpointing=False)
    trainer.ref_model = SimpleNamespace()
    trainer.accelerator = one_process()
    trainer._metrics = {"train": defaultdict(list)}
    return trainer


def one_process() -> SimpleNamespace:
    return SimpleNamespace(
        device=torch.device("cpu"), num_processes=1, process_index=0, is_main_process=True, sync_gradients=True,
        gather=lambda tensor: tensor, reduce=lambda tensor, reduction: tensor,
        pad_across_processes=lambda tensor, dim, pad_index: tensor,
    )  # fmt: skip


def micro_batch_loss(trainer: GRPOTrainer, inputs: dict[str, Tensor]) -> tuple[float, Tensor, Tensor | None]:
    """TRL's loss of one micro-batch with its gradients for log-probabilities and entropies (None without one).

    inputs: logprobs, old_logprobs, ref_logprobs, entropies [B, T], mask [B, T], advantages [B] or [B, T].
    """
    logprobs = inputs["logprobs"].clone().requires_grad_()
    entropies = inputs["entropies"].clone().requires_grad_()
    trainer._get_per_token_logps_and_entropies = lambda *_, **__: (logprobs, entropies, None)
    rows, length = logprobs.shape
    mask = inputs["mask"].long()
    loss = trainer._compute_loss(
        trainer.model,
        {
            "prompt_ids": torch.ones(rows, 1, dtype=torch.long), "prompt_mask": torch.ones(rows, 1, dtype=torch.long),
            "completion_ids": torch.full((rows, length), FILLER), "completion_mask": mask,
            "advantages": inputs["advantages"], "old_per_token_logps": inputs["old_logprobs"],
            "ref_per_token_logps": inputs["ref_logprobs"], "num_items_in_batch": mask.sum(),
        },
    )  # fmt: skip
    loss.backward()
    return loss.item(), logprobs.grad, entropies.grad


def generation_for(trainer: GRPOTrainer, lengths: list[int], truncated: list[int], rewards: list[list[float | None]]):
    """Give the trainer completions of these lengths instead of generating; reward function k returns column k."""
    rows = range(len(lengths))
    ids = [[FIRST_ROW_ID + row, *[FILLER] * lengths[row]][: lengths[row]] for row in rows]
    for row in rows:
        if row not in truncated:
            ids[row][-1] = EOS
    prompts = [[7]] * len(lengths)
    trainer._generate = lambda _: (prompts, ids, None, ["text"] * len(lengths), None, {}, None, None)
    trainer._tokenizer = SimpleNamespace(pad_token_id=PAD)
    trainer.eos_token_ids = [EOS]
    trainer.tools = trainer.environment_factories = trainer.environments = None
    trainer.reward_funcs = [lambda k=k, **_: [row[k] for row in rewards] for k in range(len(rewards[0]))]
    trainer.reward_func_names = [f"f{k}" for k in range(len(rewards[0]))]
    trainer.reward_processing_classes = [None] * len(rewards[0])
    weights = trainer.args.reward_weights
    trainer.reward_weights = torch.tensor([1.0] * len(rewards[0]) if weights is None else weights)
    trainer.state = SimpleNamespace(global_step=0)
    trainer.log_multimodal = False
    trainer._logs = {
        "prompt": deque(), "completion": deque(), "advantages": deque(), "rewards": defaultdict(deque),
        "extra": defaultdict(deque),
    }  # fmt: skip
    trainer._pending_extra_logs, trainer._pending_metrics = defaultdict(list), defaultdict(list)
    trainer._buffered_inputs, trainer._step = None, 0
    return [{"prompt": "text"} for _ in rows]


def forward_of_stored(trainer: GRPOTrainer, stored: dict[str, Tensor], leaf: Tensor) -> None:
    """Answer every forward pass with the stored values of the rows at hand; `leaf` are the policy's, with gradient."""

    def forward(model, input_ids, attention_mask, logits_to_keep, compute_entropy=False, **_):
        rows = input_ids[:, -logits_to_keep] - FIRST_ROW_ID
        if compute_entropy:  # the loss asks for them, the passes before it do not
            return leaf[rows], stored["entropies"][rows], None
        return stored["ref_logprobs" if model is trainer.ref_model else "old_logprobs"][rows], None, None

    trainer._get_per_token_logps_and_entropies = forward
