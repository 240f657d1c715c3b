"""Loads what a configuration names: the tokenizer alone, or the whole policy. Every failure is one readable sentence.

Weights come from safetensors only, code never comes with a model, and the Hub is asked only for a model that is named
by its Hub id and is not on disk.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from engine.config import ModelConfig
from engine.errors import ModelError
from engine.models.catalog import resolve_source
from engine.models.folder import check_folder
from engine.models.from_run import own_copy, policy_of
from engine.models.gguf import converted_folder
from engine.models.hub import hub_folder
from engine.models.lora import with_lora
from engine.models.policy import Policy
from engine.models.pretrained import longest_sequence, read_model, read_tokenizer, require_rows
from engine.models.run_source import RunStart, is_run_source, run_start
from engine.runs.paths import RunPaths

__all__ = ["Policy", "load_policy", "load_tokenizer", "local_folder", "read_causal_model", "starting_weights"]

Progress = Callable[[str], None]


def local_folder(source: str, progress: Progress = lambda _: None) -> Path:
    """The checked folder of safetensors behind a source; downloads or converts it if need be.

    Raises ModelError, also for a run's checkpoint: only read_causal_model makes a model of one.
    """
    resolved = resolve_source(source)
    if resolved.kind == "run":
        raise ModelError(f"{source} is a run's checkpoint, not a model folder.", hint="Choose another model.")
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
    return read_tokenizer(_tokenizer_folder(source, progress))


def read_causal_model(source: str, dtype: torch.dtype, progress: Progress = lambda _: None) -> tuple[Any, Any, Path]:
    """(model, tokenizer, the tokenizer's folder) of any source, on the CPU. Raises ModelError, and CheckpointError."""
    if is_run_source(source):
        model, folder = _of_run(run_start(source), progress)
        model = model.to(dtype)
    else:
        folder = local_folder(source, progress)
        model = _read(folder, dtype)
    tokenizer = read_tokenizer(folder)
    require_rows(folder, model, tokenizer)
    return model, tokenizer, folder


def starting_weights(
    paths: RunPaths, config: ModelConfig, *, is_new: bool, progress: Progress = lambda _: None
) -> Path | None:
    """The folder of the weights that a run started from, where those are another run's; None for any other run.

    `is_new`: the run has no step yet, and makes the copy. Raises ModelError and CheckpointError as own_copy does.
    """
    return own_copy(paths, config.source, is_new=is_new, make=lambda start: _of_run(start, progress))


def load_policy(
    config: ModelConfig, device: str, *, seed: int, start: Path | None = None, progress: Progress = lambda _: None
) -> Policy:
    """The policy on its device, in evaluation mode, with its reference.

    LoRA matrices start from `seed` alone and are float32, whatever `config.dtype` is. `start`, what starting_weights
    gave, is a folder in the place of config.source. `progress(detail)` hears of downloads and conversions. Raises
    ModelError: not found, offline, not loadable, weights missing or not finite; CheckpointError for a damaged run.
    """
    source = config.source if start is None else str(start)
    model, tokenizer, folder = read_causal_model(source, getattr(torch, config.dtype), progress)
    # LoRA starts on the CPU, so that its first values are the same for every device.
    trained = with_lora(model, config, seed) if config.adapter == "lora" else model
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


def _read(folder: Path, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM

    return read_model(folder, AutoModelForCausalLM, dtype, attn_implementation="sdpa")


def _of_run(start: RunStart, progress: Progress) -> tuple[Any, Path]:
    """The policy of a run's checkpoint in float32, and the folder that its tokenizer is in."""
    folder = local_folder(start.base, progress)
    return policy_of(start, _read(folder, getattr(torch, start.model.dtype))), folder


def _tokenizer_folder(source: str, progress: Progress) -> Path:
    return local_folder(run_start(source).base if is_run_source(source) else source, progress)


def _eos_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a completion: the generation settings', the model's and the tokenizer's."""
    named = (model.generation_config.eos_token_id, model.config.eos_token_id, tokenizer.eos_token_id)
    ids = [token for group in named for token in (group if isinstance(group, list | tuple) else [group])]
    if odd := [token for token in ids if token is not None and not isinstance(token, int)]:
        raise ModelError(
            f"The model names {str(odd[0])[:40]!r} as its end token, which is no number.",
            hint="Correct eos_token_id in its generation_config.json and config.json.",
        )
    return frozenset(token for token in ids if token is not None)
