"""The facts of a model folder, read without loading it."""

import struct
from pathlib import Path

import pytest

from engine.errors import ModelError
from engine.models.folder import check_folder, context_length, count_weights, folder_facts, read_config, weight_files
from tests.model_folders import CONTEXT, PARAMETERS, edit_json


def test_facts_of_a_folder(model_folder: Path) -> None:
    facts = folder_facts(model_folder)
    assert facts.architecture == "LlamaForCausalLM"
    assert facts.context_length == CONTEXT
    assert facts.parameters == PARAMETERS
    assert facts.has_chat_template is False


def test_a_chat_template_is_found_in_the_tokenizer_config_or_in_its_own_file(model_folder: Path) -> None:
    edit_json(model_folder / "tokenizer_config.json", chat_template="{{ messages }}")
    assert folder_facts(model_folder).has_chat_template
    edit_json(model_folder / "tokenizer_config.json", chat_template=None)
    assert not folder_facts(model_folder).has_chat_template
    (model_folder / "chat_template.jinja").write_text("{{ messages }}")
    assert folder_facts(model_folder).has_chat_template


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"max_position_embeddings": 2048}, 2048),
        ({"n_positions": 1024}, 1024),
        ({"text_config": {"max_position_embeddings": 512}}, 512),
        ({"max_position_embeddings": "many", "n_ctx": 77}, 77),
        ({"max_position_embeddings": True}, None),
        ({"max_position_embeddings": -1}, None),
        ({}, None),
    ],
)
def test_context_length_goes_by_several_names(config: dict[str, object], expected: int | None) -> None:
    assert context_length(config) == expected


def test_shards_are_found_through_their_index(model_folder: Path) -> None:
    (model_folder / "model.safetensors").rename(model_folder / "model-00001-of-00001.safetensors")
    (model_folder / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-00001-of-00001.safetensors", "b": "model-00001-of-00001.safetensors"}}'
    )
    assert [path.name for path in weight_files(model_folder)] == ["model-00001-of-00001.safetensors"]
    assert folder_facts(model_folder).parameters == PARAMETERS


def test_parameters_are_the_product_of_each_shape(tmp_path: Path) -> None:
    header = b'{"__metadata__": {"a": "b"}, "w": {"dtype": "U8", "shape": [2, 3], "data_offsets": [0, 6]}}'
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(6))
    assert count_weights(path) == {"U8": 6}


def test_json_beyond_the_limit_is_refused_unread(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (model_folder / "config.json").stat().st_size
    monkeypatch.setattr("engine.models.folder.MAX_JSON_BYTES", size)
    assert read_config(model_folder)["vocab_size"] == 15
    monkeypatch.setattr("engine.models.folder.MAX_JSON_BYTES", size - 1)
    with pytest.raises(ModelError, match=rf"config\.json cannot be used: it has {size:,} bytes"):
        read_config(model_folder)


def test_pickle_beside_safetensors_does_no_harm(model_folder: Path) -> None:
    (model_folder / "pytorch_model.bin").write_bytes(b"\x80\x04")
    check_folder(model_folder)
    assert [path.name for path in weight_files(model_folder)] == ["model.safetensors"]


def test_an_adapter_folder_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="holds a LoRA adapter, not a whole model"):
        check_folder(tmp_path)
