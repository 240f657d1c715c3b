"""Loads what a configuration names: the tokenizer alone, or the whole policy. Every failure is one readable sentence.

Weights come from safetensors only, code never comes with a model, and the Hub is asked only for a model that is named
by its Hub id and is not on disk.
"""

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.config import ModelConfig
from engine.errors import ModelError
from engine.models.catalog import resolve_source
from engine.models.folder import check_folder
from engine.models.gguf import converted_folder
from engine.models.hub import hub_folder
from engine.models.policy import Policy
from engine.models.pretrained import first_line, longest_sequence, read_model, read_tokenizer, require_rows

__all__ = ["Policy", "load_policy", "load_tokenizer", "local_folder"]

Progress = Callable[[str], None]


def local_folder(source: str, progress: Progress = lambda _: None) -> Path:
    """The checked folder of safetensors behind a source; downloads or converts it if need be. Raises ModelError."""
    resolved = resolve_source(source)
    if resolved.path is None:
        progress(f"fetching {source}")
        folder = hub_folder(source)
    elif resolved.kind == "gguf":
        folder = converted_folder(resolved.path, progress)
    else:
        return resolved.path
    check_folder(folder)
    return folder


def load_tokenizer(source: str, progress: Progress = lambda _: None) -> Any:
    """The tokenizer of a source, without its weights; it has a pad token. Raises ModelError."""
    return read_tokenizer(local_folder(source, progress))


def load_policy(config: ModelConfig, device: str, *, seed: int, progress: Progress = lambda _: None) -> Policy:
    """The policy on its device, in evaluation mode, with its reference.

    LoRA matrices start from `seed` alone and are float32, whatever `config.dtype` is. `progress(detail)` hears of
    downloads and conversions. Raises ModelError: not found, offline, not loadable, weights missing or not finite.
    """
    from transformers import AutoModelForCausalLM

    folder = local_folder(config.source, progress)
    tokenizer = read_tokenizer(folder)
    model = read_model(folder, AutoModelForCausalLM, getattr(torch, config.dtype), attn_implementation="sdpa")
    require_rows(folder, model, tokenizer)
    # LoRA starts on the CPU, so that its first values are the same for every device.
    trained = _with_lora(model, config, seed) if config.adapter == "lora" else model
    trained = trained.to(device).eval()
    frozen_copy = copy.deepcopy(trained).requires_grad_(False) if config.adapter == "full" else None
    return Policy(
        model=trained,
        tokenizer=tokenizer,
        context_length=longest_sequence(folder, tokenizer),
        eos_ids=_eos_ids(model, tokenizer),
        pad_id=int(tokenizer.pad_token_id),
        frozen_copy=frozen_copy,
    )


def _with_lora(model: Any, config: ModelConfig, seed: int) -> nn.Module:
    """The model with a fresh LoRA adapter on every linear layer but the head; everything else is frozen."""
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(
        task_type="CAUSAL_LM",
        target_modules="all-linear",
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=0.0,
        bias="none",
    )
    try:
        with torch.random.fork_rng(devices=()), warnings.catch_warnings():  # the caller's random state stays as it is
            warnings.filterwarnings(
                "ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning
            )  # peft asks it
            torch.manual_seed(seed)
            adapted: nn.Module = get_peft_model(model, lora)
    except ValueError as error:  # an architecture without layers that LoRA knows
        raise ModelError(
            f"LoRA cannot be put on {config.source}: {first_line(error)}", hint="Train all weights instead."
        ) from error
    return adapted


def _eos_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a completion: the generation settings', the model's and the tokenizer's."""
    named = (model.generation_config.eos_token_id, model.config.eos_token_id, tokenizer.eos_token_id)
    ids = (ids if isinstance(ids, list | tuple) else [ids] for ids in named)
    return frozenset(int(token) for group in ids for token in group if token is not None)
