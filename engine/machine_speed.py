"""How fast this machine is, in the few numbers that a step's time follows from; measured at each check, and kept.

Light: benchmark.py measures, in the child that checks a configuration.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.cache import cache_root
from engine.runs.durable import read_small_json, write_atomic

MAX_BYTES = 16 * 1024


@dataclass(frozen=True)
class MachineSpeed:
    """matmul_flops: of large float32 products, a second; weight_bytes: of weights that a product with a few rows reads,
    a second; operation_s: of one small operation of torch, in which nothing is computed to speak of. threads: 0 is all.
    """

    device: str
    threads: int
    matmul_flops: float
    weight_bytes: float
    operation_s: float


def known_speed(device: str, threads: int | None) -> MachineSpeed | None:
    """What was measured on this machine with this many threads, None for all cores; None when nothing was."""
    raw = read_small_json(_file(device, threads or 0), MAX_BYTES)
    try:
        speed = MachineSpeed(**raw)
        is_sound = min(speed.matmul_flops, speed.weight_bytes, speed.operation_s) > 0
    except TypeError:  # no mapping of these fields, or no numbers
        return None
    return speed if is_sound and (speed.device, speed.threads) == (device, threads or 0) else None


def keep_speed(speed: MachineSpeed) -> None:
    """Raises OSError where the cache cannot be written."""
    path = _file(speed.device, speed.threads)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(asdict(speed), indent=2).encode())


def _file(device: str, threads: int) -> Path:
    return cache_root() / "speed" / f"{device}-{threads}.json"
