"""Loads a model that judges instead of learning: a sequence classifier (a reward model), or a causal model as a judge.

Under the rules of the policy: a checked folder of safetensors, no code that comes with a model. A Hub id that is not on
this machine is downloaded, because somebody named it; catalog.cached_snapshot tells beforehand whether it is here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from engine.errors import ModelError
from engine.models.catalog import resolve_source
from engine.models.folder import architectures, read_config
from engine.models.load import local_folder, read_causal_model
from engine.models.pretrained import longest_sequence, read_model, read_tokenizer, require_rows

CLASSIFIER = "ForSequenceClassification"  # how transformers ends the names of such architectures

Progress = Callable[[str], None]


def load_classifier(source: str, device: str, progress: Progress = lambda _: None) -> tuple[Any, Any]:
    """(model, tokenizer) of a sequence classifier: `model(**batch).logits` is [rows, model.config.num_labels].

    One label is a reward model's score; with more, `model.config.id2label` names them. The model is frozen, float32 and
    in evaluation mode. Pad on the right, as the tokenizer does here, and truncate: `tokenizer(texts, padding=True,
    truncation=True, return_tensors="pt")`. Raises ModelError: what load_policy raises, no classifier, a GGUF file.
    """
    from transformers import AutoModelForSequenceClassification

    if resolve_source(source).kind == "gguf":
        raise ModelError(
            f"{source} is a GGUF file, and those hold no classifiers.",
            hint="Name a folder of safetensors, or a Hub id.",
        )
    folder = local_folder(source, progress)
    names = architectures(read_config(folder))
    if not any(name.endswith(CLASSIFIER) for name in names):
        raise ModelError(
            f"{source} holds {', '.join(names)[:200] or 'no named architecture'}, not a sequence classifier.",
            hint=f"Choose a reward model: its config.json names an architecture that ends in {CLASSIFIER}.",
        )
    tokenizer = read_tokenizer(folder)
    model = read_model(folder, AutoModelForSequenceClassification, torch.float32)
    require_rows(folder, model, tokenizer)
    return _frozen(model, tokenizer, folder, device)


def load_judge(source: str, device: str, progress: Progress = lambda _: None) -> tuple[Any, Any]:
    """(model, tokenizer) of a causal language model: `model(**batch).logits` is [rows, tokens, vocabulary].

    Frozen, float32, in evaluation mode. The tokenizer pads on the right, so the next token after row i is judged by
    `logits[i, attention_mask[i].sum() - 1]`; with pads on the left some architectures count positions wrongly.
    Every source of a policy will do. Raises ModelError as load_policy does.
    """
    return _frozen(*read_causal_model(source, torch.float32, progress), device)


def _frozen(model: Any, tokenizer: Any, folder: Path, device: str) -> tuple[Any, Any]:
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    tokenizer.model_max_length = longest_sequence(folder, tokenizer)
    # A decoder that classifies looks for each row's last token that is not this one.
    model.config.pad_token_id = tokenizer.pad_token_id
    return model.to(device).eval().requires_grad_(False), tokenizer
