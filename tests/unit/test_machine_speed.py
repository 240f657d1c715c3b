"""What was measured of a machine, kept in the cache: found again, and never taken from a file that is not sound."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from engine.benchmark import measure_speed
from engine.machine_speed import MachineSpeed, keep_speed, known_speed

SPEED = MachineSpeed("cpu", 2, 1e11, 1e10, 1e-6)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRPO_LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "speed"


def test_a_measured_speed_is_found_for_its_device_and_threads_alone() -> None:
    assert known_speed("cpu", 2) is None
    keep_speed(SPEED)
    assert known_speed("cpu", 2) == SPEED
    assert known_speed("cpu", None) is known_speed("cpu", 1) is known_speed("cuda", 2) is None


def text(**changes: object) -> str:
    return json.dumps({**asdict(SPEED), **changes})


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", text(matmul_flops="x"), text(matmul_flops=0), text(threads=3), text(more=1)]
)
def test_a_file_that_is_not_sound_is_as_good_as_none(cache: Path, text: str) -> None:
    cache.mkdir(parents=True)
    (cache / "cpu-2.json").write_text(text)
    assert known_speed("cpu", 2) is None


def test_a_measurement_gives_numbers_above_zero_and_keeps_the_random_state() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    try:
        found = measure_speed("cpu", 1)
    finally:
        torch.set_num_threads(threads)
    assert (found.device, found.threads) == ("cpu", 1)
    assert min(found.matmul_flops, found.weight_bytes, found.operation_s) > 0
    assert torch.equal(torch.get_rng_state(), state)
