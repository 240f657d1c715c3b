"""The sizes of a transformer, read under the names that architectures give them."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.models.catalog import model_facts
from engine.models.folder import folder_facts
from engine.models.shape import ModelShape, config_shape, gguf_shape
from tests.model_folders import edit_json, edit_weights

LLAMA = {
    "num_hidden_layers": 30, "hidden_size": 576, "num_attention_heads": 9, "num_key_value_heads": 3,
    "intermediate_size": 1536, "vocab_size": 49_152,
}  # fmt: skip
SMOLLM2 = ModelShape(
    layers=30, hidden=576, heads=9, kv_heads=3, head_dim=64, intermediate=1536, vocabulary=49_152
)  # fmt: skip


def test_a_llama_config_tells_its_sizes():
    assert config_shape(LLAMA) == SMOLLM2
    assert (SMOLLM2.attention, SMOLLM2.kv) == (9 * 64, 3 * 64)


def test_a_head_size_of_its_own_is_believed():
    assert config_shape({**LLAMA, "head_dim": 128}) == replace(SMOLLM2, head_dim=128)


def test_gpt2_leaves_out_what_is_usual():
    shape = config_shape({"n_layer": 12, "n_embd": 768, "n_head": 12, "n_inner": None, "vocab_size": 50_257})
    assert shape == ModelShape(12, 768, 12, kv_heads=12, head_dim=64, intermediate=3072, vocabulary=50_257)


def test_a_text_model_inside_a_larger_one_is_found():
    assert config_shape({"model_type": "gemma3", "text_config": LLAMA}) == SMOLLM2


@pytest.mark.parametrize("key", ["num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size"])
@pytest.mark.parametrize("wrong", [None, 0, -1, "30", True, 1.5])
def test_without_a_size_that_matters_nothing_is_claimed(key, wrong):
    assert config_shape({**LLAMA, key: wrong}) is None


def test_a_gguf_file_tells_its_sizes():
    metadata = {
        "llama.block_count": 30, "llama.embedding_length": 576, "llama.attention.head_count": 9,
        "llama.attention.head_count_kv": 3, "llama.feed_forward_length": 1536,
    }  # fmt: skip
    assert gguf_shape("llama", metadata, 49_152) == SMOLLM2
    assert gguf_shape("llama", {**metadata, "llama.vocab_size": 7}, 49_152) == replace(SMOLLM2, vocabulary=7)
    assert gguf_shape("llama", metadata, None) is None
    assert gguf_shape("qwen2", metadata, 49_152) is None


def test_facts_bring_the_shape_and_the_number_format(model_folder):
    facts = folder_facts(model_folder)
    assert facts.shape == ModelShape(1, 16, 2, kv_heads=2, head_dim=8, intermediate=24, vocabulary=15)
    assert facts.dtype == "float32"
    edit_json(model_folder / "config.json", dtype="bfloat16")  # what is on disk counts, and most of it
    edit_weights(model_folder, model__norm__weight=torch.ones(16, dtype=torch.bfloat16))
    assert folder_facts(model_folder).dtype == "float32"
    halves = {name: value.half() for name, value in load_file(model_folder / "model.safetensors").items()}
    save_file(halves, model_folder / "model.safetensors", metadata={"format": "pt"})
    assert folder_facts(model_folder).dtype == "float16"


def test_the_embedded_model_has_a_shape():
    assert model_facts("embedded").shape == ModelShape(4, 128, 4, 4, 32, 344, 44)
