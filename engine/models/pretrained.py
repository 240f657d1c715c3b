"""Loads the tokenizer and the weights of a checked folder with transformers; every failure is one readable sentence.

Safetensors only, no code that comes with a model, no network. load.py makes a policy of them, classifier.py a judge.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import ModelError
from engine.models.folder import context_length, read_config
from engine.models.tokenizer_check import check_tokenizer

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "tekken.json")
_NO_LIMIT = 10**7  # tokenizers without a limit give a number far beyond this as their model_max_length

logger = logging.getLogger(__name__)


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer of the folder; it has a pad token. Raises ModelError when there is none, or it does not load."""
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        raise ModelError(
            f"{folder} has no tokenizer.", hint="Put the tokenizer.json that belongs to the model beside its weights."
        )
    check_tokenizer(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    except Exception as error:  # a hostile or damaged file can make the libraries raise anything
        raise _not_loadable(folder, "tokenizer", error) from error
    return tokenizer


def read_model(folder: Path, auto_class: Any, dtype: torch.dtype, **options: Any) -> Any:
    """The model of the folder by an Auto class of transformers, with every weight found and finite.

    Raises ModelError when it does not load, lacks weights, or holds NaN or infinite values.
    """
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model, info = auto_class.from_pretrained(
            str(folder),
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    except Exception as error:  # a hostile or damaged file can make the libraries raise anything
        raise _not_loadable(folder, "model", error) from error
    if missing := sorted(info["missing_keys"]):
        raise ModelError(
            f"{folder} lacks {len(missing)} of the model's weights, such as {missing[0]}.",
            hint="Download or save the model again.",
        )
    _require_finite(folder, model)
    return model


def require_rows(folder: Path, model: Any, tokenizer: Any) -> None:
    """Raises ModelError when the tokenizer makes tokens that the model has no embedding for.

    A pad token that was added beyond them is replaced: it is never looked at, but the model has to know its number.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    beyond = {number: text for text, number in tokenizer.get_vocab().items() if number >= rows}
    if tokenizer.pad_token_id in beyond:
        del beyond[tokenizer.pad_token_id]
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(_known(tokenizer.eos_token_id, rows))
    if beyond:
        first = min(beyond)
        raise ModelError(
            f"{folder} has a tokenizer with {len(beyond):,} tokens, such as {beyond[first][:40]!r} ({first:,}), beyond "
            f"the {rows:,} that the model knows.",
            hint="Use the tokenizer that belongs to the model.",
        )


def _known(token: int | None, rows: int) -> int:
    return token if token is not None and token < rows else 0


def longest_sequence(folder: Path, tokenizer: Any) -> int:
    """In tokens: as config.json says, else as the tokenizer says; models such as Mamba have no limit."""
    length = context_length(read_config(folder)) or int(tokenizer.model_max_length)
    return min(length, _NO_LIMIT)


def first_line(error: Exception) -> str:
    """What an error of a library says, as the end of a sentence."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300].rstrip(".") + "."


def _require_finite(folder: Path, model: nn.Module) -> None:
    tensors: Iterable[tuple[str, Tensor]] = [*model.named_parameters(), *model.named_buffers()]
    for name, tensor in tensors:
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(
                f"{folder} has NaN or infinite values in {name}.", hint="Download or save the model again."
            )


def _not_loadable(folder: Path, what: str, error: Exception) -> ModelError:
    logger.exception("the %s in %s does not load", what, folder)
    return ModelError(
        f"The {what} in {folder} does not load: {first_line(error)}", hint="Download or save the model again."
    )
