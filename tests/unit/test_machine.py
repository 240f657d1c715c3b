"""What is free on this machine, and within the limit of a container."""

import resource
from pathlib import Path

import pytest

from engine import machine
from engine.machine import memory_limit


@pytest.fixture
def files(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal:  9000 kB\nMemFree:  1 kB\nMemAvailable:    5000 kB\n")
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    return tmp_path


def limit(folder, maximum: str, current: int = 1_000_000) -> None:
    (folder / "memory.max").write_text(f"{maximum}\n")
    (folder / "memory.current").write_text(f"{current}\n")
    (folder / "memory.stat").write_text("anon 5\ninactive_file 200000\n")


def test_available_memory_is_read_in_kib(files):
    assert machine.free_memory_bytes() == 5000 * 1024


def test_a_container_has_what_its_limit_leaves(files):
    limit(files, "2000000")
    assert machine.free_memory_bytes() == 2_000_000 - 1_000_000 + 200_000  # files' pages can be given back


def test_a_container_without_a_limit_has_the_machines(files):
    limit(files, "max")
    assert machine.free_memory_bytes() == 5000 * 1024


def test_what_cannot_be_read_is_not_known(files):
    (files / "meminfo").write_text("MemAvailable: many\n")
    assert machine.free_memory_bytes() is None
    (files / "meminfo").unlink()
    assert machine.free_memory_bytes() is None


def test_a_gpu_is_seen_by_its_device(files, monkeypatch):
    monkeypatch.setattr(machine, "NVIDIA", files / "nvidia0")
    assert not machine.may_have_gpu()
    (files / "nvidia0").touch()
    assert machine.may_have_gpu()


def test_a_memory_limit_holds_inside_its_block_and_is_gone_after_it() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(MemoryError), memory_limit(2**20):
        bytearray(2**28)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    with memory_limit(2**28):
        assert len(bytearray(2**24)) == 2**24


def test_a_system_that_does_not_say_what_a_process_has_sets_no_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("engine.machine.STATUS", tmp_path / "none")
    with memory_limit(1):
        assert len(bytearray(2**24)) == 2**24
