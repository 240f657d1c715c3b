"""Model folders and files made to break or to run code: refused with one sentence, and nothing of theirs runs."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.models.catalog import list_models
from tests.hostile.limited import load_in_child
from tests.model_folders import (
    GGUF_METADATA,
    GGUF_TENSORS,
    edit_json,
    edit_weights,
    gguf_bytes,
    gguf_string,
    write_model,
)

pytestmark = pytest.mark.slow  # a hundred child processes, each of which loads a model or refuses it
LIMIT_S, LIMIT_BYTES = 10.0, 2 * 2**30
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
    """The one sentence with which a source is refused, in time and in little memory."""
    found = load_in_child(source, source.parent)
    assert found.crash is None
    assert found.refusal is not None
    assert found.cpu_seconds < LIMIT_S  # on a busy machine the same work takes longer by the clock
    assert found.peak_bytes < LIMIT_BYTES
    assert "\n" not in found.refusal
    assert len(found.refusal) < 1000
    return found.refusal


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


def link(name: str, target: str) -> Callable[[Path], None]:
    """A file that leads somewhere else."""

    def spoil(folder: Path) -> None:
        (folder.parent / "secret.txt").write_text("secret " * 100)
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return spoil


def pipe(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return spoil


def overlapping(folder: Path) -> None:
    """Two tensors that share their bytes."""
    entries = {name: {"dtype": "F32", "shape": [1000], "data_offsets": [0, 4000]} for name in ("a", "b")}
    write_weights(safetensors(json.dumps(entries).encode(), bytes(4000)))(folder)


def huge(name: str) -> Callable[[Path], None]:
    """A file that is large and takes no room on disk."""
    return lambda folder: os.truncate(folder / name, 200 * 2**20)


def config(**changes: object) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / "config.json", **changes)


def tokenizer(**parts: object) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / "tokenizer.json", **parts)


def split(pattern: str) -> dict[str, object]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def added(*contents: str) -> list[dict[str, Any]]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return [{"id": 15 + i, "content": content, **flags} for i, content in enumerate(contents)]


def doubling(times: int) -> dict[str, object]:
    step = {"type": "Replace", "pattern": {"String": "1"}, "content": "11"}
    return {"type": "Sequence", "normalizers": [step] * times}


def template(text: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        canary = str(folder / "canary")
        (folder / "chat_template.jinja").write_text(text.replace("CANARY", canary))

    return spoil


ESCAPES = "{{ cycler.__init__.__globals__.os.system('touch CANARY') }}"
SUBCLASSES = "{{ ''.__class__.__mro__[1].__subclasses__() }}"

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
    ("wide layers", wide_layers, "its sizes make"),
    ("tokenizer is no JSON", write_json("tokenizer.json", "{"), "does not hold valid JSON"),
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
    ("tensors overlap", overlapping, "does not load"),
    ("shapes overflow", write_weights(safetensors(tensor([2**32, 2**32], 4), bytes(4))), "its shapes make"),
    ("negative shape", write_weights(safetensors(tensor([-4], 16), bytes(16))), "its shapes make -4"),
    ("shape of text", write_weights(safetensors(tensor(["x"], 16), bytes(16))), "does not describe tensors"),
    ("weights not finite", lambda f: edit_weights(f, model__norm__weight=torch.full((16,), torch.nan)), "NaN"),
    ("weights lead out", link("model.safetensors", "../secret.txt"), "its header claims"),
    ("weights never end", link("model.safetensors", "/dev/zero"), "no weights"),
    ("config leads out", link("config.json", "../secret.txt"), "does not hold valid JSON"),
    ("config never ends", link("config.json", "/dev/zero"), "has no config.json"),
    ("config is a pipe", pipe("config.json"), "has no config.json"),
    ("config is huge", huge("config.json"), "it has 209,715,200 bytes"),
    ("config asks for a kernel", config(attn_implementation="org/kernel"), "asks for code from the Hub"),
    ("config of packed weights", config(quantization_config={"quant_method": "gptq"}), "quantised weights (gptq)"),
    ("config of another kind", config(architectures=["BertForMaskedLM"], model_type="bert"), "lacks"),
    ("endless context", config(max_position_embeddings=10**12), "claims a context of 1,000,000,000,000"),
    ("endless vocabulary", config(vocab_size=10**9), "its sizes make 16,000,000,000 weights"),
    ("many heads", config(num_attention_heads=10**6, num_key_value_heads=1, head_dim=10**6), "its sizes make"),
    ("no heads", config(num_attention_heads=0), "does not load"),
    ("negative sizes", config(hidden_size=-16), "does not load"),
    ("sizes of text", config(hidden_size="16; import os"), "does not load"),
    ("number format of code", config(dtype="__import__('os').system('x')"), "does not load"),
    ("generation settings are deep", write_json("generation_config.json", "[" * 100_000), "does not load"),
    ("end token of text", write_json("generation_config.json", '{"eos_token_id": "x"}'), "end token"),
    ("tokenizer is deep", write_json("tokenizer.json", "[" * 100_000), "does not hold valid JSON"),
    ("tokenizer is huge", huge("tokenizer.json"), "it has 209,715,200 bytes"),
    ("tokenizer never ends", link("tokenizer.json", "/dev/zero"), "has no tokenizer"),
    ("tokenizer settings are huge", huge("tokenizer_config.json"), "it has 209,715,200 bytes"),
    ("vocabulary is huge", lambda f: (f / "vocab.txt").write_text("") is None or huge("vocab.txt")(f), "209,715,200"),
    ("merges of nothing", tokenizer(model={"type": "BPE", "vocab": {"a": 0}, "merges": ["x y"] * 10**6}), "tokenizer"),
    ("pattern backtracks", tokenizer(pre_tokenizer=split(r"(\d+)+$")), "may take exponential time"),
    ("pattern backtracks inside", tokenizer(pre_tokenizer=split(r"((?:a|[b)]+)x?)*z")), "may take exponential time"),
    ("pattern is huge", tokenizer(pre_tokenizer=split("a|" * 5000)), "may take exponential time"),
    ("text doubles", tokenizer(normalizer=doubling(40)), "makes a text more than 64 times as long"),
    (
        "text doubles once decoded",
        tokenizer(
            decoder={
                "type": "Sequence",
                "decoders": [{"type": "Replace", "pattern": {"String": "1"}, "content": "1" * 1000}],
            }
        ),
        "64 times as long",
    ),
    ("many added tokens", tokenizer(added_tokens=added(*map(str, range(20_001)))), "it adds 20,001 tokens"),
    ("giant added token", tokenizer(added_tokens=added("x" * 10**6)), "it adds a token of 1,000,000 characters"),
    ("added tokens beyond the model", tokenizer(added_tokens=added("<a>", "<b>")), "2 tokens, such as '<a>' (15)"),
    (
        "template loops",
        template("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
        "takes longer than 5 s",
    ),
    ("template allocates", template("{{ 'a' * 10**10 }}"), "takes too much memory"),
    ("template allocates a list", template("{{ [0] * 10**10 }}"), "takes too much memory"),
    (
        "template doubles",
        template(
            "{% set ns = namespace(t='a') %}{% for _ in range(60) %}{% set ns.t = ns.t + ns.t %}{% endfor %}{{ ns.t }}"
        ),
        "chat template failed: it takes",
    ),
    ("template writes a book", template("{{ 'a' * 10**7 }}"), "it makes 10,000,000 characters of one prompt"),
    ("template runs code", template(ESCAPES), "chat template failed"),
    ("template looks around", template(SUBCLASSES), "chat template failed"),
    ("template includes a file", template("{% include '/etc/passwd' %}"), "chat template failed"),
    ("template is no template", template("{% if %}"), "chat template failed"),
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


def mixed(folder: Path) -> None:
    """Pickles and code beside whole weights: nothing needs them."""
    for name in ("pytorch_model.bin", "training_args.bin", "tokenizer.pickle"):
        canary = CANARY.format(str(folder / "canary"))
        (folder / name).write_bytes(b"cbuiltins\nexec\n(S" + repr(canary).encode() + b"\ntR.")
    (folder / "custom_generate").mkdir()
    for name in ("modeling_llama.py", "tokenization.py", "custom_generate/generate.py", "conftest.py", "json.py"):
        (folder / name).write_text(CANARY.format(str(folder / "canary")))


@pytest.mark.parametrize(
    "spoil",
    [
        mixed,
        lambda folder: edit_json(folder / "tokenizer_config.json", tokenizer_file="/etc/hostname", vocab_file="/x"),
        lambda folder: edit_json(folder / "config.json", _name_or_path="/elsewhere", base_model_name_or_path="x/y"),
        lambda folder: edit_json(folder / "config.json", custom_pipelines={"text-generation": {"impl": "x.Y"}}),
        lambda folder: pipe("special_tokens_map.json")(folder),
    ],
)
def test_what_only_looks_hostile_is_left_alone(folder: Path, spoil: Callable[[Path], object]) -> None:
    spoil(folder)
    found = load_in_child(folder, folder.parent)
    assert (found.refusal, found.crash) == (None, None)
    assert found.cpu_seconds < LIMIT_S and found.peak_bytes < LIMIT_BYTES
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
    without_config = 3  # no file, a device or a pipe: that is not a model
    assert len(listed) == len(FOLDERS) + len(GGUF_FILES) - without_config
    assert all(choice.available or choice.reason for choice in listed)
    assert not list(folder.parent.rglob("canary"))
