"""The sizes of a transformer, from which its memory follows: from config.json, or from a GGUF file's metadata."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# What architectures call each size in config.json: Llama and most others, GPT-2, Falcon, MPT, OPT.
_NAMES = {
    "layers": ("num_hidden_layers", "num_layers", "n_layers", "n_layer"),
    "hidden": ("hidden_size", "n_embd", "d_model"),
    "heads": ("num_attention_heads", "num_heads", "n_head", "n_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads"),
    "head_dim": ("head_dim",),
    "intermediate": ("intermediate_size", "n_inner", "ffn_dim"),
    "vocabulary": ("vocab_size",),
}
# The same in a GGUF file, after the name of the architecture.
_GGUF_NAMES = {
    "layers": ("block_count",),
    "hidden": ("embedding_length",),
    "heads": ("attention.head_count",),
    "kv_heads": ("attention.head_count_kv",),
    "head_dim": ("attention.key_length",),
    "intermediate": ("feed_forward_length",),
    "vocabulary": ("vocab_size",),
}


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a decoder: of its residual stream, heads, feed-forward layer and vocabulary."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int

    @property
    def attention(self) -> int:
        """Numbers in the queries of one token."""
        return self.heads * self.head_dim

    @property
    def kv(self) -> int:
        """Numbers in the keys, or in the values, of one token in one layer."""
        return self.kv_heads * self.head_dim


def config_shape(config: Mapping[str, Any]) -> ModelShape | None:
    """From config.json; None when it lacks a size that has no usual value."""
    nested = config.get("text_config")
    sections = [config, nested] if isinstance(nested, Mapping) else [config]
    return _shape({size: _first(sections, names) for size, names in _NAMES.items()})


def gguf_shape(architecture: str, metadata: Mapping[str, Any], vocabulary: int | None) -> ModelShape | None:
    """From a GGUF file's metadata; `vocabulary` is what its embedding says, for files that have no vocab_size."""
    found = {
        size: _first([metadata], [f"{architecture}.{name}" for name in names]) for size, names in _GGUF_NAMES.items()
    }
    return _shape({**found, "vocabulary": found["vocabulary"] or vocabulary})


def _shape(found: Mapping[str, int | None]) -> ModelShape | None:
    layers, hidden, heads, vocabulary = (found[size] for size in ("layers", "hidden", "heads", "vocabulary"))
    if not (layers and hidden and heads and vocabulary):
        return None
    return ModelShape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=found["kv_heads"] or heads,
        head_dim=found["head_dim"] or hidden // heads,
        intermediate=found["intermediate"] or 4 * hidden,  # the usual ratio, which GPT-2's config leaves out
        vocabulary=vocabulary,
    )


def _first(sections: Iterable[Mapping[str, Any]], names: Iterable[str]) -> int | None:
    """The first of these keys that holds a whole number above 0."""
    names = list(names)
    for section in sections:
        for name in names:
            value = section.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
    return None
