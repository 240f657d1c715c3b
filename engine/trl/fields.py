"""Every field that a TRL 1.16 config may have: its default, what it becomes here, and what has no place here.

GRPOConfig with what it inherits from TrainingArguments, and what the YAML files of `trl grpo` add to it: ModelConfig
and the script's arguments. Fields of older versions are named too, so that nobody is told that they never existed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The same meaning under a name of ours: TRL's field → (ours, TRL's default).
SAME: Mapping[str, tuple[str, Any]] = {
    "num_generations": ("rollout.num_generations", 8),
    "max_completion_length": ("rollout.max_completion_length", 512),
    "temperature": ("rollout.temperature", 1.0),
    "top_p": ("rollout.top_p", 1.0),
    "top_k": ("rollout.top_k", 0),
    "min_p": ("rollout.min_p", None),
    "loss_type": ("loss.loss_type", "dapo"),
    "beta": ("loss.beta", 0.0),
    "use_bias_correction_kl": ("loss.use_bias_correction_kl", True),
    "epsilon": ("loss.epsilon", 0.2),
    "epsilon_high": ("loss.epsilon_high", None),
    "delta": ("loss.delta", None),
    "importance_sampling_level": ("loss.importance_sampling_level", "token"),
    "scale_rewards": ("loss.scale_rewards", "group"),
    "multi_objective_aggregation": ("loss.multi_objective_aggregation", "sum_then_normalize"),
    "mask_truncated_completions": ("loss.mask_truncated_completions", False),
    "top_entropy_quantile": ("loss.top_entropy_quantile", 1.0),
    "off_policy_mask_threshold": ("loss.off_policy_mask_threshold", None),
    "entropy_coef": ("loss.entropy_coef", 0.0),
    "use_adaptive_entropy": ("loss.use_adaptive_entropy", False),
    "entropy_target": ("loss.entropy_target", 0.2),
    "entropy_coef_min": ("loss.entropy_coef_min", 0.0),
    "entropy_coef_max": ("loss.entropy_coef_max", 1.0),
    "entropy_coef_delta": ("loss.entropy_coef_delta", 0.005),
    "sapo_temperature_pos": ("loss.sapo_temperature_pos", 1.0),
    "sapo_temperature_neg": ("loss.sapo_temperature_neg", 1.05),
    "vespo_k_pos": ("loss.vespo_k_pos", 2.0),
    "vespo_lambda_pos": ("loss.vespo_lambda_pos", 3.0),
    "vespo_k_neg": ("loss.vespo_k_neg", 3.0),
    "vespo_lambda_neg": ("loss.vespo_lambda_neg", 2.0),
    "sync_ref_model": ("loss.sync_ref_model", False),
    "ref_model_mixup_alpha": ("loss.ref_model_mixup_alpha", 0.6),
    "learning_rate": ("optim.learning_rate", 1e-6),
    "weight_decay": ("optim.weight_decay", 0.0),
    "adam_beta2": ("optim.adam_beta2", 0.999),
}

# Fields that need a rule of their own, with TRL's default.
SPECIAL: Mapping[str, Any] = {
    # stop strings are in it: task.py
    "generation_kwargs": None,
    # the size of a batch, and how it is counted: batch.py
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "steps_per_generation": None,
    "generation_batch_size": None,
    "num_iterations": 1,
    "max_steps": -1,
    "num_train_epochs": 3.0,
    # steps and schedules: convert.py
    "lr_scheduler_type": "linear",
    "warmup_steps": 0,
    "warmup_ratio": 0.0,
    "max_grad_norm": 1.0,
    "optim": "adamw_torch_fused",
    "ref_model_sync_steps": 512,
    "eval_strategy": "no",
    "evaluation_strategy": "no",
    "eval_steps": None,
    "num_generations_eval": None,
    "save_strategy": "steps",
    "save_steps": 500,
    "save_total_limit": None,
    "load_best_model_at_end": False,
    "metric_for_best_model": None,
    "greater_is_better": None,
    "seed": 42,
    "use_cpu": False,
    "bf16": None,
    "fp16": False,
    # model, data, rewards and name: task.py
    "model_name_or_path": None,
    "dtype": "float32",
    "torch_dtype": "float32",
    "model_init_kwargs": None,
    "use_peft": False,
    "lora_r": 16,
    "lora_alpha": 32,
    "dataset_name": None,
    "reward_funcs": None,
    "reward_weights": None,
    "reward_model_name_or_path": None,
    "run_name": None,
    "output_dir": None,
}


_ACCELERATOR = {
    "split_batches": False, "dispatch_batches": None, "even_batches": True, "use_seedable_sampler": True,
    "non_blocking": False, "gradient_accumulation_kwargs": None,
}  # fmt: skip


@dataclass(frozen=True)
class NotHere:
    """Fields without a counterpart, with TRL's defaults, and what is so instead."""

    text: str
    defaults: Mapping[str, Any]


NOT_HERE: tuple[NotHere, ...] = (
    NotHere(
        "Completions are sampled by the trained model itself, in the same process, so no correction between two "
        "engines is needed.",
        {
            "use_vllm": False, "vllm_mode": "colocate", "vllm_model_impl": "vllm", "vllm_enable_sleep_mode": False,
            "vllm_structured_outputs_regex": None, "vllm_server_base_url": None, "vllm_server_host": "0.0.0.0",
            "vllm_server_port": 8000, "vllm_server_timeout": 240.0, "vllm_group_port": 51216,
            "vllm_gpu_memory_utilization": 0.3, "vllm_max_model_length": None, "vllm_tensor_parallel_size": 1,
            "vllm_importance_sampling_correction": True, "vllm_importance_sampling_mode": "sequence_mask",
            "vllm_importance_sampling_clip_max": 3.0, "vllm_importance_sampling_clip_min": None,
            "vllm_importance_sampling_cap": None, "vllm_guided_decoding_regex": None, "vllm_device": None,
            "vllm_dtype": None, "use_transformers_continuous_batching": False,
            "transformers_continuous_batching_config": None, "use_transformers_paged": False,
            "cache_implementation": None, "ds3_gather_for_generation": True,
        },
    ),
    NotHere(
        "Completions are sampled from the model's own probabilities, without penalties.",
        {"repetition_penalty": 1.0},
    ),
    NotHere("A chat template gets no options of its own.", {"chat_template_kwargs": None}),
    NotHere("There are no tools that a completion could call.", {"max_tool_calling_iterations": None}),
    NotHere("Prompts are not cut; one that leaves no room for a completion is refused.", {"max_prompt_length": None}),
    NotHere(
        "One process on one device trains; there is no sharding or offloading.",
        {
            "deepspeed": None, "fsdp": None, "fsdp_config": None, "accelerator_config": _ACCELERATOR,
            "parallelism_config": None, "ddp_find_unused_parameters": None, "ddp_bucket_cap_mb": None,
            "ddp_broadcast_buffers": None, "ddp_static_graph": None, "ddp_backend": None, "ddp_timeout": 1800,
            "local_rank": -1, "average_tokens_across_devices": True, "ignore_bias_buffers": False, "tp_size": 0,
        },
    ),
    NotHere(
        "Memory is bounded by optim.micro_batch_tokens and rollout.max_batch_tokens instead; the update is the same.",
        {
            "gradient_checkpointing": True, "gradient_checkpointing_kwargs": None, "activation_checkpointing": True,
            "activation_checkpointing_kwargs": None, "auto_find_batch_size": False, "torch_empty_cache_steps": None,
            "use_cache": False, "pad_to_multiple_of": "auto", "optim_target_modules": None,
        },
    ),
    NotHere(
        "The model is computed as it is, without compilation or other kernels.",
        {
            "torch_compile": False, "torch_compile_backend": None, "torch_compile_mode": None,
            "use_liger_kernel": False,
            "use_liger_loss": False, "liger_kernel_config": None, "tf32": None, "attn_implementation": None,
            "bf16_full_eval": False, "fp16_full_eval": False, "cast_lm_head_to_fp32": False,
        },
    ),
    NotHere("AdamW has β1 = 0.9 and ε = 1e-8 here.", {"adam_beta1": 0.9, "adam_epsilon": 1e-8, "optim_args": None}),
    NotHere("Schedules have no options here.", {"lr_scheduler_kwargs": None}),
    NotHere(
        "The loss has no such term here.",
        {"router_aux_loss_coef": None, "label_smoothing_factor": 0.0, "neftune_noise_alpha": None},
    ),
    NotHere("There is never dropout here.", {"disable_dropout": False, "lora_dropout": 0.05}),
    NotHere(
        "LoRA matrices stand beside every linear layer, in their plain form.",
        {
            "lora_target_modules": None, "lora_target_parameters": None, "lora_modules_to_save": None,
            "lora_task_type": "CAUSAL_LM", "use_rslora": False, "use_dora": False,
        },
    ),
    NotHere(
        "Weights are not quantised.",
        {
            "load_in_8bit": False, "load_in_4bit": False, "bnb_4bit_quant_type": "nf4", "use_bnb_nested_quant": False,
            "bnb_4bit_quant_storage": None,
        },
    ),
    NotHere("Code that comes with a model is never run.", {"trust_remote_code": False}),
    NotHere("A model of the Hub is taken at its main revision.", {"model_revision": "main"}),
    NotHere(
        "Data are one file: its columns are found by name, its order follows from the seed, and evaluation.num_prompts "
        "of its held-out examples are evaluated.",
        {
            "shuffle_dataset": True, "data_seed": None, "dataset_config": None, "dataset_train_split": "train",
            "dataset_test_split": "test", "dataset_streaming": False, "datasets": [], "streaming": False,
            "test_split_size": None, "remove_unused_columns": False, "train_sampling_strategy": "random",
            "eval_on_start": False, "eval_delay": 0, "per_device_eval_batch_size": 8,
        },
    ),
    NotHere(
        "A run starts from the model; one of GRPO Lab is resumed with `grpo-lab resume`.",
        {
            "resume_from_checkpoint": None, "ignore_data_skip": False, "restore_callback_states_from_checkpoint": False,
            "save_only_model": False, "enable_jit_checkpoint": False,
        },
    ),
    NotHere(
        "Nothing leaves this machine.",
        {
            "push_to_hub": False, "hub_token": None, "hub_private_repo": None, "hub_model_id": None,
            "hub_strategy": "every_save", "hub_always_push": False, "hub_revision": None,
            "log_completions_hub_repo": None, "push_to_hub_model_id": None, "push_to_hub_organization": None,
            "push_to_hub_token": None,
        },
    ),
    NotHere(
        "Every step is recorded in full, with every completion, in the run's own folder.",
        {
            "logging_strategy": "steps", "logging_steps": 10, "logging_first_step": False, "log_on_each_node": True,
            "logging_dir": None,
            "logging_nan_inf_filter": True, "include_num_input_tokens_seen": "no", "log_level": "passive",
            "log_level_replica": "warning", "disable_tqdm": False, "report_to": [], "project": "huggingface",
            "trackio_space_id": None, "trackio_bucket_id": None, "trackio_static_space_id": None,
            "log_completions": False, "log_multimodal": True, "num_completions_to_print": None,
            "log_unique_prompts": False, "wandb_log_unique_prompts": False, "include_tokens_per_second": False,
        },
    ),
    NotHere("Environment variables are left as they are.", {"env": None}),
    NotHere(
        "These say nothing about the training of a GRPO run.",
        {
            "do_train": False, "do_eval": False, "do_predict": False, "debug": [], "skip_memory_metrics": True,
            "full_determinism": False, "prediction_loss_only": False, "eval_do_concat_batches": True,
            "eval_use_gather_object": False, "eval_accumulation_steps": None, "include_for_metrics": [],
            "batch_eval_metrics": False, "save_on_each_node": False, "label_names": None,
            "length_column_name": "length", "dataloader_drop_last": False, "dataloader_num_workers": 0,
            "dataloader_pin_memory": True, "dataloader_persistent_workers": False, "dataloader_prefetch_factor": None,
            "dataloader_multiprocessing_context": None, "dataloader_in_order": True, "save_safetensors": True,
            "overwrite_output_dir": False, "ref_model_init_kwargs": None, "group_by_length": False,
        },
    ),
)  # fmt: skip

DEFAULTS: Mapping[str, Any] = {
    **{name: default for name, (_, default) in SAME.items()},
    **SPECIAL,
    **{name: default for group in NOT_HERE for name, default in group.defaults.items()},
}


def is_default(name: str, value: Any) -> bool:
    """Whether a field says no more than its absence: TRL's default, null, an empty list, or a masked secret."""
    default = DEFAULTS[name]
    if value is None or value in ([], {}, "") or (name == "report_to" and value in ("none", ["none"])):
        return True
    if isinstance(value, str) and value == f"<{name.upper()}>":  # what to_dict() writes in place of a token
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return value is default
    try:
        return bool(value == default or float(value) == float(default))
    except (TypeError, ValueError, OverflowError):
        return False
