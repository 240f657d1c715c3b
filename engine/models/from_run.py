"""Makes a model of a run's checkpoint: the base weights with what the run learned, merged; and a new run's own copy.

The copy, `start/` in the new run's folder, is a whole model folder in float32. It is made once, before the first step,
and is the reference for as long as the run lives: the other run may then be changed or deleted.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from engine.errors import CheckpointError, ModelError
from engine.models.folder import MAX_JSON_BYTES, SHARD_INDEX
from engine.models.lora import with_lora
from engine.models.policy import load_trainable
from engine.models.run_source import POLICY, RunStart, is_run_source, run_start
from engine.runs.durable import MANIFEST, commit_directory, disk_errors, read_small_json, verify_directory
from engine.runs.paths import RunPaths

TOKENIZER_SUFFIXES = (".json", ".jinja", ".model", ".txt")
ORIGIN, MAX_ORIGIN_BYTES = "from_run.json", 4096  # in a copy: which checkpoint it was made of
NOT_THE_TOKENIZERS = ("config.json", "generation_config.json", SHARD_INDEX, ORIGIN, MANIFEST)


def policy_of(start: RunStart, base: Any) -> Any:
    """The policy of a checkpoint as a plain float32 model. `base`: the run's model before training, in its own dtype.

    bfloat16 weights are widened first, which is exact; a LoRA adapter is then added to them, W + (alpha / rank) B A.
    Raises CheckpointError when the checkpoint is damaged or does not belong to the base.
    """
    verify_directory(start.checkpoint)
    try:
        state = load_file(start.checkpoint / POLICY)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{start.checkpoint} cannot be read: {error}.", hint="Choose another one.") from error
    model = base.float()
    if start.model.adapter == "full":
        load_trainable(model, state)
        return model
    adapted: Any = with_lora(model, start.model, seed=0)
    load_trainable(adapted, state)
    return adapted.merge_and_unload()


def own_copy(
    paths: RunPaths, source: str, *, is_new: bool, make: Callable[[RunStart], tuple[Any, Path]]
) -> Path | None:
    """The run's own folder of the weights it starts from; None for a run that starts from an ordinary model.

    A new run makes it: `make(start)` gives the model, and the folder that its tokenizer is in. Raises ModelError when
    the other run is gone before that, or the copy is gone after; CheckpointError when the copy is damaged.
    """
    if not is_run_source(source):
        return None
    if paths.start.is_dir():
        verify_directory(paths.start)
        return paths.start
    if not is_new:
        raise ModelError(
            f"{paths.start} is missing, and with it the weights that this run started from.",
            hint="Restore the folder, or start a new run.",
        )
    start = run_start(source)
    model, tokenizer_folder = make(start)
    with disk_errors(paths.start):
        _write(paths, start, model, tokenizer_folder)
    return paths.start


def told_origin(folder: Path) -> str:
    """Which weights a copy holds, in words."""
    found = read_small_json(folder / ORIGIN, MAX_ORIGIN_BYTES)
    known = found if isinstance(found, dict) else {}
    return f"run {known.get('run')} ({known.get('name')}) after its step {known.get('step')}"


def _write(paths: RunPaths, start: RunStart, model: Any, tokenizer_folder: Path) -> None:
    for leftover in paths.root.glob(".tmp-start-*"):  # of a process that was killed; the lease says it is gone
        shutil.rmtree(leftover)
    temporary = paths.root / f".tmp-start-{os.getpid()}"
    with torch.no_grad():
        model.save_pretrained(temporary)
    for path in sorted(tokenizer_folder.iterdir()):
        is_text = path.suffix in TOKENIZER_SUFFIXES or path.name == "README.md"
        if is_text and path.name not in NOT_THE_TOKENIZERS and path.is_file() and path.stat().st_size <= MAX_JSON_BYTES:
            shutil.copyfile(path, temporary / path.name)
    (temporary / ORIGIN).write_text(json.dumps({"run": start.run_id, "name": start.name, "step": start.step}))
    commit_directory(temporary, paths.start)
