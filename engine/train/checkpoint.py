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
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.errors import CheckpointError
from engine.grpo.entropy_control import EntropyControl
from engine.runs.durable import commit_directory, newest_valid, verify_directory
from engine.train.session import Session

PREFIX = "step-"
REFERENCE = "reference.safetensors"


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
    """Write the state after `step`, then delete all but the newest `keep` checkpoints.

    Raises CheckpointError when the disk has no room for it: the run's older checkpoints stay as they are.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _check_space(parent, session)
    for leftover in parent.glob(".tmp-*"):  # of a process that was killed while saving; the lease says it is gone
        shutil.rmtree(leftover)
    temporary = parent / f".tmp-{step:06d}-{os.getpid()}"
    temporary.mkdir()
    save_file(_contiguous(session.policy.adapter_state()), temporary / "policy.safetensors")
    save_file(_contiguous(_optimizer_tensors(session)), temporary / "optimizer.safetensors")
    if session.config.loss.sync_ref_model:
        save_file(_contiguous(session.policy.reference_state()), temporary / REFERENCE)
    (temporary / "state.json").write_text(json.dumps(asdict(_state(session, step, environment)), indent=2))
    final = parent / f"{PREFIX}{step:06d}"
    if final.exists():  # resume starts from the newest checkpoint that verifies, so this one did not
        final.rename(parent / f".bad-{final.name}-{os.getpid()}")
    commit_directory(temporary, final)
    # Newer ones than this did not verify when the run was resumed: they must not count as kept.
    for old in [path for path in _all(parent) if path.name <= final.name][:-keep]:
        shutil.rmtree(old)
    return final


def newest_checkpoint(parent: Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint that verifies, or None; and a sentence for each newer one that does not."""
    return newest_valid(parent, PREFIX)


def load_checkpoint(path: Path, session: Session) -> CheckpointState:
    """Put a checkpoint's state into the session. Raises CheckpointError when a file does not verify or fit."""
    verify_directory(path)
    raw = json.loads((path / "state.json").read_text())
    state = CheckpointState(**raw)
    device = str(next(parameter for _, parameter in session.policy.trainable()).device)
    session.policy.load_state(load_file(path / "policy.safetensors", device=device))
    _restore_optimizer(session, load_file(path / "optimizer.safetensors", device=device), path)
    if reference := _reference_of(path, device):
        session.policy.load_reference_state(reference)
    session.num_tokens, session.next_example = state.num_tokens, state.next_example
    last_entropy = math.inf if state.last_entropy is None else state.last_entropy
    session.entropy_control = EntropyControl(state.entropy_coef, last_entropy)
    return state


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
    copies = 4 if session.config.loss.sync_ref_model else 3  # weights, two moments, and a reference that is refreshed
    needed = 2 * copies * parameters + 16 * 2**20  # twice over, and some air
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise CheckpointError(
            f"{parent}: {free / 2**20:.0f} MiB free, a checkpoint needs {needed / 2**20:.0f} MiB.",
            hint="Free some space, then resume the run.",
        )


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _all(parent: Path) -> list[Path]:
    return sorted(path for path in parent.glob(f"{PREFIX}*") if path.is_dir())
