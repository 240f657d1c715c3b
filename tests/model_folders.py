"""Model folders and GGUF files for tests: a tiny Llama with random weights, and headers made by hand."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from tests.toy import CHARACTERS, EOS, PAD, toy_tokenizer

CONTEXT = 64
# Embedding and head 15 × 16 each, final norm 16; in the layer 4 matrices of 16 × 16, 3 of 16 × 24, and 2 norms of 16.
PARAMETERS = 2 * 15 * 16 + 16 + 4 * 16 * 16 + 3 * 16 * 24 + 2 * 16


def tiny_llama() -> LlamaForCausalLM:
    """One layer, 16 wide, with weights that are always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(CHARACTERS),
                hidden_size=16,
                intermediate_size=24,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=CONTEXT,
                tie_word_embeddings=False,
                bos_token_id=None,
                eos_token_id=EOS,
                pad_token_id=PAD,
            )
        )


def write_model(folder: Path) -> Path:
    """A whole model folder, as transformers saves it."""
    tiny_llama().save_pretrained(folder)
    toy_tokenizer().save_pretrained(folder)
    return folder


def edit_json(path: Path, **changes: Any) -> None:
    """Set keys of a JSON object in place; None takes a key away."""
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def edit_weights(folder: Path, **changes: torch.Tensor | None) -> None:
    """Replace tensors of model.safetensors, or drop them with None; "." in a name is written "__"."""
    path = folder / "model.safetensors"
    tensors: dict[str, torch.Tensor | None] = {
        **load_file(path),
        **{k.replace("__", "."): v for k, v in changes.items()},
    }
    save_file({name: value for name, value in tensors.items() if value is not None}, path, metadata={"format": "pt"})


def gguf_text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def gguf_bytes(
    metadata: Mapping[str, bytes],
    tensors: Mapping[str, tuple[int, ...]],
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """A GGUF header: `metadata` values are encoded with their type; `counts` overrides (tensors, keys)."""
    num_tensors, num_keys = counts or (len(tensors), len(metadata))
    parts = [b"GGUF", struct.pack("<IQQ", version, num_tensors, num_keys)]
    parts += [gguf_text(key) + value for key, value in metadata.items()]
    for name, shape in tensors.items():
        parts += [gguf_text(name), struct.pack("<I", len(shape)), struct.pack(f"<{len(shape)}Q", *shape)]
        parts.append(struct.pack("<IQ", 0, 0))  # type F32 at offset 0
    return b"".join(parts)


def gguf_string(text: str) -> bytes:
    """A metadata value of the type string."""
    return struct.pack("<I", 8) + gguf_text(text)


def gguf_u32(number: int) -> bytes:
    """A metadata value of the type unsigned 32-bit integer."""
    return struct.pack("<II", 4, number)


GGUF_METADATA = {
    "general.architecture": gguf_string("llama"),
    "general.name": gguf_string("Tiny"),
    "llama.context_length": gguf_u32(256),
    "tokenizer.chat_template": gguf_string("{{ messages }}"),
    "tokenizer.ggml.tokens": struct.pack("<IIQ", 9, 8, 2) + gguf_text("a") + gguf_text("b"),
    "tokenizer.ggml.scores": struct.pack("<IIQ", 9, 6, 2) + struct.pack("<2f", 0.0, 1.0),
}
GGUF_TENSORS = {"token_embd.weight": (4, 2), "output_norm.weight": (4,)}  # 12 weights
