"""Model folders and files made to break or to run code: refused with one sentence, and nothing of theirs runs."""

import json
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.config import ModelConfig
from engine.errors import ModelError
from engine.models.catalog import list_models
from engine.models.load import load_policy
from tests.model_folders import GGUF_METADATA, GGUF_TENSORS, edit_json, gguf_bytes, gguf_string, write_model

LIMIT_S = 10.0
CANARY = "import pathlib; pathlib.Path({!r}).write_text('ran')"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole model, which each case then spoils."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("GRPO_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return write_model(tmp_path / "model")


def refusal(source: Path) -> str:
    """The one sentence with which a source is refused, in time."""
    started = time.monotonic()
    with pytest.raises(ModelError) as error:
        load_policy(ModelConfig(source=str(source), adapter="full"), "cpu", seed=0)
    assert time.monotonic() - started < LIMIT_S
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000
    return str(error.value)


def safetensors(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def only_pickle(folder: Path) -> None:
    """A pickle that would run code while it is read."""
    canary = CANARY.format(str(folder / "canary"))
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cbuiltins\nexec\n(S" + repr(canary).encode() + b"\ntR.")


def own_code(folder: Path, file: str) -> None:
    (folder / "modeling.py").write_text(CANARY.format(str(folder / "canary")))
    edit_json(folder / file, auto_map={"AutoModelForCausalLM": "modeling.Model", "AutoTokenizer": ["modeling.T", None]})


def write_weights(data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "model.safetensors").write_bytes(data)


def write_index(weight_map: object) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))

    return spoil


def write_json(file: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / file).write_text(text)


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def tensor(shape: list[object], end: object) -> bytes:
    return json.dumps({"w": {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}}).encode()


def many_tensors() -> bytes:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    return json.dumps({str(index): entry for index in range(100_001)}).encode()


def endless_layers(folder: Path) -> None:
    edit_json(folder / "config.json", num_hidden_layers=10**9)


def wide_layers(folder: Path) -> None:
    edit_json(folder / "config.json", hidden_size=2**40, intermediate_size=2**40)


FOLDERS: list[tuple[str, Callable[[Path], object], str]] = [
    ("only pickle", only_pickle, "only as pickle (pytorch_model.bin), which can run code"),
    ("code in config", lambda folder: own_code(folder, "config.json"), "such code is never run"),
    ("code in tokenizer config", lambda folder: own_code(folder, "tokenizer_config.json"), "such code is never run"),
    (
        "adapter of another model",
        write_json("adapter_config.json", '{"base_model_name_or_path": "x/y"}'),
        "LoRA adapter",
    ),
    ("no config", lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    ("no weights", lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
    ("no tokenizer", lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer"),
    ("config is no JSON", write_json("config.json", "{'a': 1}"), "does not hold valid JSON"),
    ("config is empty", write_json("config.json", ""), "does not hold valid JSON"),
    ("config is a list", write_json("config.json", "[]"), "does not hold a JSON object"),
    ("config is deep", write_json("config.json", "[" * 100_000), "does not hold valid JSON"),
    ("config is binary", lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe\x00"), "valid JSON"),
    ("config without architecture", write_json("config.json", "{}"), "does not load"),
    ("endless layers", endless_layers, "it asks for 1,000,000,000 layers"),
    ("wide layers", wide_layers, "does not load"),
    ("tokenizer is no JSON", write_json("tokenizer.json", "{"), "The tokenizer in"),
    ("tokenizer of nothing", write_json("tokenizer.json", "{}"), "The tokenizer in"),
    ("weights are empty", write_weights(b""), "its header claims 0 bytes"),
    ("weights are text", write_weights(b"version https://git-lfs.github.com/spec/v1"), "its header claims"),
    ("weights are a pickle", write_weights(b"\x80\x04\x95" + bytes(40)), "model.safetensors cannot be used"),
    ("weights are cut", cut, "model.safetensors cannot be used: it should have"),
    ("header longer than the file", write_weights(struct.pack("<Q", 2**62) + b"{}"), "its header claims"),
    (
        "header a little longer",
        write_weights(struct.pack("<Q", 100) + b"{}"),
        "its header claims 100 bytes in a file of 10",
    ),
    ("header is no JSON", write_weights(safetensors(b"not json")), "does not hold valid JSON"),
    ("header is a list", write_weights(safetensors(b"[1]")), "does not hold a JSON object"),
    ("header of other things", write_weights(safetensors(b'{"w": 1}')), "does not describe tensors"),
    ("shape of words", write_weights(safetensors(tensor(["a"], 4), bytes(4))), "does not describe tensors"),
    ("shape that overflows", write_weights(safetensors(tensor([2**62, 2**62], 4), bytes(4))), "its shapes make"),
    ("tensor beyond the file", write_weights(safetensors(tensor([2**58], 2**60), bytes(4))), "it should have"),
    ("too many tensors", write_weights(safetensors(many_tensors())), "it lists 100,001 tensors"),
    ("index of nothing", write_index({}), "it has no weight_map"),
    ("index of a list", write_index([1]), "it has no weight_map"),
    ("index leads out", write_index({"w": "../other.safetensors"}), "it names the shard '../other.safetensors'"),
    ("index names a pickle", write_index({"w": "pytorch_model.bin"}), "it names the shard 'pytorch_model.bin'"),
    ("index lacks a shard", write_index({"w": "model-00001-of-00002.safetensors"}), "lacks model-00001-of-00002"),
]


@pytest.mark.parametrize(("spoil", "reason"), [case[1:] for case in FOLDERS], ids=[case[0] for case in FOLDERS])
def test_a_hostile_folder_is_refused(folder: Path, spoil: Callable[[Path], object], reason: str) -> None:
    spoil(folder)
    assert reason in refusal(folder)
    assert not (folder / "canary").exists()


GGUF_FILES: list[tuple[str, bytes, str]] = [
    # 49 bytes on which a reader that believes the counts never ends.
    ("huge counts", struct.pack("<4sIQQ", b"GGUF", 3, 2**63, 2**63) + bytes(25), "9,223,372,036,854,775,808 tensors"),
    ("empty", b"", "more bytes where 0 are left"),
    ("another kind", b"\x7fELF" + bytes(60), "does not begin with the letters GGUF"),
    ("version 1", gguf_bytes(GGUF_METADATA, GGUF_TENSORS, version=1), "its version is 1"),
    ("big-endian", gguf_bytes(GGUF_METADATA, GGUF_TENSORS, version=0x03000000), "its version is"),
    ("long string", gguf_bytes({"a": struct.pack("<IQ", 8, 2**62)}, GGUF_TENSORS), "more bytes where"),
    ("long array", gguf_bytes({"a": struct.pack("<IIQ", 9, 8, 2**62)}, GGUF_TENSORS), "more bytes where"),
    ("nested arrays", gguf_bytes({"a": struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 6000}, {}, counts=(1, 1)),
     "array of the type 9"),
    ("no architecture", gguf_bytes({"a": gguf_string("b")}, GGUF_TENSORS), "which architecture"),
    ("huge tensor", gguf_bytes(GGUF_METADATA, {"w": (2**63, 2**63)}), "brings it to"),
    ("many dimensions", gguf_bytes(GGUF_METADATA, {"w": (1,) * 9}), "has 9 dimensions"),
    ("header cut", gguf_bytes(GGUF_METADATA, GGUF_TENSORS)[:-5], "more bytes where"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "reason"), [case[1:] for case in GGUF_FILES], ids=[case[0] for case in GGUF_FILES])
def test_a_hostile_gguf_file_is_refused(folder: Path, data: bytes, reason: str) -> None:
    path = folder.parent / "model.gguf"
    path.write_bytes(data)
    assert reason in refusal(path)
    assert not (folder.parent / "cache").exists()  # no conversion was begun


def test_the_list_of_models_survives_all_of_them(folder: Path) -> None:
    for index, (_, spoil, _) in enumerate(FOLDERS):
        spoil(write_model(folder.parent / "models" / f"{index:02d}"))
    for index, (_, data, _) in enumerate(GGUF_FILES):
        (folder.parent / "models" / f"{index:02d}.gguf").write_bytes(data)
    listed = [choice for choice in list_models() if "/models/" in choice.source]
    assert len(listed) == len(FOLDERS) + len(GGUF_FILES) - 1  # a folder without config.json is not a model
    assert all(choice.available or choice.reason for choice in listed)
    assert not list(folder.parent.rglob("canary"))
