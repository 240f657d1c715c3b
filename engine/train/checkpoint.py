"""Checkpoints that are whole or absent: tensors as safetensors, the rest as JSON, committed by one rename.

checkpoints/step-000050/ holds policy.safetensors (the adapter, or all weights), optimizer.safetensors, state.json and
the manifest. The reference is not saved: it is the base model, which the configuration names.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.errors import CheckpointError
from engine.runs.durable import commit_directory, newest_valid
from engine.train.session import Session

PREFIX = "step-"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files were all compared with its manifest: newest_checkpoint alone makes one."""

    path: Path
    step: int


@dataclass(frozen=True)
class CheckpointState:
    """What is not a tensor. `environment` is what bit-exactness depends on."""

    step: int
    num_tokens: int
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
    state = {"step": step, "num_tokens": session.num_tokens, "environment": environment}
    (temporary / "state.json").write_text(json.dumps(state, indent=2))
    final = parent / f"{PREFIX}{step:06d}"
    if final.exists():  # resume starts from the newest checkpoint that verifies, so this one did not
        final.rename(parent / f".bad-{final.name}-{os.getpid()}")
    commit_directory(temporary, final)
    # Newer ones than this did not verify when the run was resumed: they must not count as kept.
    for old in [path for path in _all(parent) if path.name <= final.name][:-keep]:
        shutil.rmtree(old)
    return final


def newest_checkpoint(parent: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that verifies, or None; and a sentence for each newer one that does not."""
    path, problems = newest_valid(parent, PREFIX)
    return (None if path is None else Checkpoint(path, int(path.name.removeprefix(PREFIX)))), problems


def load_checkpoint(checkpoint: Checkpoint, session: Session) -> CheckpointState:
    """Put a checkpoint's state into the session. Raises CheckpointError when it does not fit the model."""
    path = checkpoint.path
    raw = json.loads((path / "state.json").read_text())
    state = CheckpointState(raw["step"], raw["num_tokens"], raw["environment"])
    device = str(next(parameter for _, parameter in session.policy.trainable()).device)
    session.policy.load_state(load_file(path / "policy.safetensors", device=device))
    _restore_optimizer(session, load_file(path / "optimizer.safetensors", device=device), path)
    session.num_tokens = state.num_tokens
    return state


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
    needed = 2 * 3 * parameters + 16 * 2**20  # weights and two moments, twice over, and some air
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
