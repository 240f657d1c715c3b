"""Checkpoints that are whole or absent: tensors as safetensors, the rest as JSON, committed by one rename.

checkpoints/step-000050/ holds policy.safetensors (the adapter, or all weights), optimizer.safetensors, state.json and
the manifest. A reference that is refreshed is in reference.safetensors; else it is the base model, which the
configuration names.
"""

import json
import math
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.errors import CheckpointError, DatasetError
from engine.grpo.entropy_control import EntropyControl
from engine.runs.best import read_best
from engine.runs.checkpoints import PREFIX, checkpoint_name, step_of
from engine.runs.durable import commit_directory, disk_errors, newest_valid, numbered, verify_directory
from engine.train.session import Session

REFERENCE = "reference.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files were all compared with its manifest: newest_checkpoint and verified make them."""

    path: Path
    step: int


@dataclass(frozen=True)
class CheckpointState:
    """What is not a tensor. `environment` is what bit-exactness depends on."""

    step: int
    num_tokens: int
    next_example: int
    entropy_coef: float
    last_entropy: float | None  # None: no update yet
    environment: dict[str, Any]


def save_checkpoint(parent: Path, session: Session, step: int, environment: dict[str, Any], keep: int) -> Path:
    """Write the state after `step`, then delete the checkpoints that `prune_checkpoints` does not keep.

    Raises CheckpointError when the disk has no room for it, LabError for any other trouble with the disk: the run's
    older checkpoints stay as they are.
    """
    with disk_errors(parent):
        return _save(parent, session, step, environment, keep)


def _save(parent: Path, session: Session, step: int, environment: dict[str, Any], keep: int) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    _check_space(parent, session)
    for leftover in parent.glob(".tmp-*"):  # of a process that was killed while saving; the lease says it is gone
        shutil.rmtree(leftover)
    temporary = parent / f".tmp-{step:06d}-{os.getpid()}"
    temporary.mkdir()
    _write_tensors(session.policy.adapter_state(), temporary / "policy.safetensors")
    _write_tensors(_optimizer_tensors(session), temporary / "optimizer.safetensors")
    if session.reference_moved:
        _write_tensors(session.policy.reference_state(), temporary / REFERENCE)
    (temporary / "state.json").write_text(json.dumps(asdict(_state(session, step, environment)), indent=2))
    final = parent / checkpoint_name(step)
    if final.exists():  # resume starts from the newest checkpoint that verifies, so this one did not
        final.rename(parent / f".bad-{final.name}-{os.getpid()}")
    commit_directory(temporary, final)
    prune_checkpoints(parent, step, keep)
    return final


def prune_checkpoints(parent: Path, step: int, keep: int) -> None:
    """Delete all checkpoints up to that of `step` but the newest `keep`, and the one that best.json names.

    Newer ones than `step` did not verify when the run was resumed: they must not count as kept. A link leads to where
    somebody moved a checkpoint: that one is theirs to delete.
    """
    best = read_best(parent)
    protected = None if best is None else best.step
    ours = [path for path in numbered(parent, PREFIX) if not path.is_symlink() and step_of(path) <= step]
    for old in ours[:-keep]:
        if step_of(old) != protected:
            shutil.rmtree(old)


def verified(path: Path) -> Checkpoint:
    """A checkpoint by its folder. Raises CheckpointError that names the file which is missing, cut or changed."""
    verify_directory(path)
    return Checkpoint(path, step_of(path))


def newest_checkpoint(parent: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that verifies, or None; and a sentence for each newer one that does not."""
    path, problems = newest_valid(parent, PREFIX)
    return (None if path is None else Checkpoint(path, step_of(path))), problems


def load_checkpoint(checkpoint: Checkpoint, session: Session) -> CheckpointState:
    """Put a checkpoint's state into the session. Raises CheckpointError when it is none, or does not fit the model."""
    path = checkpoint.path
    device = str(next(parameter for _, parameter in session.policy.trainable()).device)
    try:
        state = CheckpointState(**json.loads((path / "state.json").read_text()))
        policy = load_file(path / "policy.safetensors", device=device)
        optimizer = load_file(path / "optimizer.safetensors", device=device)
        reference = _reference_of(path, device)
        last_entropy = math.inf if state.last_entropy is None else float(state.last_entropy)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} holds no checkpoint ({type(error).__name__}: {error}).", hint="Remove it to use the one before it."
        ) from error
    if state.step != checkpoint.step:
        raise CheckpointError(
            f"{path} holds the state after step {state.step}.", hint="Give the folder its own name back, or remove it."
        )
    session.policy.load_state(policy)
    _restore_optimizer(session, optimizer, path)
    if reference:
        session.policy.load_reference_state(reference)
        session.reference_moved = True
    session.num_tokens, session.next_example = state.num_tokens, state.next_example
    session.entropy_control = EntropyControl(state.entropy_coef, last_entropy)
    return state


def check_data(state: CheckpointState, data: str | int, source: str) -> None:
    """Raises DatasetError when the data, given by session.fingerprint, are not those of the checkpoint."""
    if state.environment.get("data") != data:
        raise DatasetError(
            f"{source}: the data are not those of the checkpoint of step {state.step}, so held-out examples may have "
            "been trained on.",
            hint="Put the data back as they were, or clone the run.",
        )


def _state(session: Session, step: int, environment: dict[str, Any]) -> CheckpointState:
    control = session.entropy_control
    last_entropy = control.last_entropy if math.isfinite(control.last_entropy) else None
    return CheckpointState(step, session.num_tokens, session.next_example, control.coef, last_entropy, environment)


def _reference_of(path: Path, device: str) -> dict[str, Tensor]:
    """A refreshed reference; empty when the reference is still the base model."""
    file = path / REFERENCE
    return load_file(file, device=device) if file.exists() else {}


def _optimizer_tensors(session: Session) -> dict[str, Tensor]:
    """Moments by parameter name: "<name>|exp_avg" and so on. Empty before the first step."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in session.policy.trainable():
        for key, value in session.optimizer.state.get(parameter, {}).items():
            tensors[f"{name}|{key}"] = torch.as_tensor(value)
    return tensors


def _restore_optimizer(session: Session, tensors: dict[str, Tensor], path: Path) -> None:
    session.optimizer.state.clear()
    known = dict(session.policy.trainable())
    for full_name, value in tensors.items():
        name, _, key = full_name.rpartition("|")
        if name not in known:
            raise CheckpointError(f"{path.name}: the optimizer state has a parameter '{name}' that the model has not.")
        # AdamW keeps its step counter on the CPU.
        session.optimizer.state[known[name]][key] = value.cpu() if key == "step" else value


def _check_space(parent: Path, session: Session) -> None:
    parameters = sum(p.numel() * p.element_size() for _, p in session.policy.trainable())
    copies = 4 if session.reference_moved else 3  # weights, two moments, and a reference that is refreshed
    needed = 2 * copies * parameters + 16 * 2**20  # twice over, and some air
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise CheckpointError(
            f"{parent}: {free / 2**20:.0f} MiB free, a checkpoint needs {needed / 2**20:.0f} MiB.",
            hint="Free some space, then resume the run.",
        )


def _write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)
    except SafetensorError as error:  # what the system said, in other words
        raise CheckpointError(f"{path}: {error}.", hint="The folder must be writable and have room.") from error
