"""A LoRA adapter on every linear layer but the head."""

import warnings

import torch
from torch import nn

from engine.config import ModelConfig
from engine.errors import ModelError
from engine.models.pretrained import first_line


def with_lora(model: nn.Module, config: ModelConfig, seed: int) -> nn.Module:
    """The model with a fresh adapter, whose values follow from `seed`; everything else is frozen. Raises ModelError."""
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
