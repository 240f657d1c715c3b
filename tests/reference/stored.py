"""Reads the stored numbers of TRL. They are float32, and so is what we compute to compare with them.

Tolerance: 1e-6 relative. Both sides do some ten float32 operations of 6e-8 each (TRL writes exp(d) - d - 1 where we
write expm1(d) - d) and sum in another order. Where terms cancel, the rounding is that of the terms: FLOOR times
the largest number of the same tensor, or of the terms that a mean is made of.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.testing import assert_close

from engine.config_loss import LossConfig

RELATIVE, FLOOR = 1e-6, 1.2e-7
FILES = ("loss", "advantages", "update", "entropy_control", "defaults")


def read(name: str) -> dict[str, Any]:
    """{"trl", "torch", "inputs_sha256", "inputs", "cases": [{"case", "result"}]} of one file."""
    content: dict[str, Any] = json.loads((Path(__file__).parent / f"{name}.json").read_text())
    return content


def hash_of_inputs(content: dict[str, Any]) -> str:
    sent = json.dumps([content["inputs"], [pair["case"] for pair in content["cases"]]], sort_keys=True)
    return hashlib.sha256(sent.encode()).hexdigest()


def tensor(values: Any) -> Tensor:
    """float32; null reads as NaN."""
    if isinstance(values, list) and values and isinstance(values[0], list):
        return torch.stack([tensor(row) for row in values])
    return torch.tensor([torch.nan if value is None else value for value in values], dtype=torch.float32)


def loss_config(settings: dict[str, Any]) -> LossConfig:
    """Ours from TRL's, for the settings that have the same name."""
    return LossConfig(**{name: value for name, value in settings.items() if name in LossConfig.model_fields})


def assert_same(found: Tensor, stored: Tensor, name: str, size: float = 0.0) -> None:
    """size: that of the terms, where it is larger than what they sum to."""
    size = max(size, float(stored.abs().max()))
    assert_close(
        found.float(), stored, rtol=RELATIVE, atol=FLOOR * size, equal_nan=True, msg=lambda text: f"{name}: {text}"
    )


def loss_inputs() -> dict[str, dict[str, Tensor]]:
    """The named inputs of loss.json."""
    return {
        name: {key: tensor(value) for key, value in values.items()} for name, values in read("loss")["inputs"].items()
    }
