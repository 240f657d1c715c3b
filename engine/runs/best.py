"""Which checkpoint belongs to the best evaluation: checkpoints/best.json, written once that checkpoint is whole."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.runs.durable import fsync_dir, read_small_json, write_atomic
from engine.runs.shapes import LAST_STEP

FILE = "best.json"
MAX_BYTES = 4096


@dataclass(frozen=True)
class Best:
    """The step of a checkpoint, and the metric of its evaluation that was better than in all before it."""

    step: int
    metric: str
    value: float


def read_best(checkpoints: Path) -> Best | None:
    """What the record in a folder of checkpoints says; None when there is none, or it is not of this form."""
    raw = read_small_json(checkpoints / FILE, MAX_BYTES)
    try:
        best = Best(int(raw["step"]), str(raw["metric"]), float(raw["value"]))
    except (ValueError, LookupError, TypeError, ArithmeticError):
        return None
    return best if math.isfinite(best.value) and 0 <= best.step <= LAST_STEP else None


def write_best(checkpoints: Path, best: Best) -> None:
    """Replace the record, durably and at once."""
    write_atomic(checkpoints / FILE, (json.dumps(asdict(best)) + "\n").encode())


def forget_best(checkpoints: Path) -> None:
    """Remove the record of a checkpoint that is no longer there."""
    (checkpoints / FILE).unlink(missing_ok=True)
    fsync_dir(checkpoints)
