"""Loads what a configuration names: the tokenizer alone, or the whole policy. Every failure is one readable sentence.

Weights come from safetensors only, code never comes with a model, and the Hub is asked only for a model that is named
by its Hub id and is not on disk.
"""

import copy
import logging
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.config import ModelConfig
from engine.errors import ModelError
from engine.models.catalog import resolve_source
from engine.models.folder import check_folder, context_length, read_config
from engine.models.gguf import converted_folder
from engine.models.hub import hub_folder
from engine.models.policy import Policy

__all__ = ["Policy", "load_policy", "load_tokenizer", "local_folder"]

Progress = Callable[[str], None]

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "tekken.json")
_NO_LIMIT = 10**7  # tokenizers without a limit give a number far beyond this as their model_max_length

logger = logging.getLogger(__name__)


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
    return _tokenizer_from(local_folder(source, progress))


def load_policy(config: ModelConfig, device: str, *, seed: int, progress: Progress = lambda _: None) -> Policy:
    """The policy on its device, in evaluation mode, with its reference.

    LoRA matrices start from `seed` alone and are float32, whatever `config.dtype` is. `progress(detail)` hears of
    downloads and conversions. Raises ModelError: not found, offline, not loadable, weights missing or not finite.
    """
    folder = local_folder(config.source, progress)
    tokenizer = _tokenizer_from(folder)
    model = _model_from(folder, getattr(torch, config.dtype))
    _require_finite(folder, model)
    _require_rows(folder, model, tokenizer)
    # LoRA starts on the CPU, so that its first values are the same for every device.
    trained = _with_lora(model, config, seed) if config.adapter == "lora" else model
    trained = trained.to(device).eval()
    frozen_copy = copy.deepcopy(trained).requires_grad_(False) if config.adapter == "full" else None
    return Policy(
        model=trained,
        tokenizer=tokenizer,
        context_length=_context_length(folder, tokenizer),
        eos_ids=_eos_ids(model, tokenizer),
        pad_id=int(tokenizer.pad_token_id),
        frozen_copy=frozen_copy,
    )


def _tokenizer_from(folder: Path) -> Any:
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        raise ModelError(
            f"{folder} has no tokenizer.", hint="Put the tokenizer.json that belongs to the model beside its weights."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    except Exception as error:  # a hostile or damaged file can make the libraries raise anything
        raise _not_loadable(folder, "tokenizer", error) from error
    return tokenizer


def _model_from(folder: Path, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    loader: Any = AutoModelForCausalLM
    try:
        model, info = loader.from_pretrained(
            str(folder),
            dtype=dtype,
            attn_implementation="sdpa",
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except Exception as error:  # a hostile or damaged file can make the libraries raise anything
        raise _not_loadable(folder, "model", error) from error
    if missing := sorted(info["missing_keys"]):
        raise ModelError(
            f"{folder} lacks {len(missing)} of the model's weights, such as {missing[0]}.",
            hint="Download or save the model again.",
        )
    return model


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
            f"LoRA cannot be put on {config.source}: {_first_line(error)}", hint="Train all weights instead."
        ) from error
    return adapted


def _require_finite(folder: Path, model: nn.Module) -> None:
    tensors: Iterable[tuple[str, Tensor]] = [*model.named_parameters(), *model.named_buffers()]
    for name, tensor in tensors:
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(
                f"{folder} has NaN or infinite values in {name}.", hint="Download or save the model again."
            )


def _require_rows(folder: Path, model: Any, tokenizer: Any) -> None:
    rows = model.get_input_embeddings().weight.shape[0]
    if tokenizer.vocab_size > rows:
        raise ModelError(
            f"{folder} has a tokenizer of {tokenizer.vocab_size:,} tokens, and a model that knows {rows:,}.",
            hint="Use the tokenizer that belongs to the model.",
        )


def _context_length(folder: Path, tokenizer: Any) -> int:
    """As config.json says, else as the tokenizer says; models such as Mamba have no limit."""
    length = context_length(read_config(folder)) or int(tokenizer.model_max_length)
    return min(length, _NO_LIMIT)


def _eos_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a completion: the generation settings', the model's and the tokenizer's."""
    named = (model.generation_config.eos_token_id, model.config.eos_token_id, tokenizer.eos_token_id)
    ids = (ids if isinstance(ids, list | tuple) else [ids] for ids in named)
    return frozenset(int(token) for group in ids for token in group if token is not None)


def _not_loadable(folder: Path, what: str, error: Exception) -> ModelError:
    logger.exception("the %s in %s does not load", what, folder)
    return ModelError(
        f"The {what} in {folder} does not load: {_first_line(error)}", hint="Download or save the model again."
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300].rstrip(".") + "."
