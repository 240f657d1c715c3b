"""A tiny model folder, a cache of its own for conversions, and no network: the Hub client fails when it is called."""

from pathlib import Path

import pytest
import torch

from tests.model_folders import write_model


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """The models are small: two threads wait for each other longer than they compute."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The working directory, the Hub's cache and ours are empty folders below tmp_path."""
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("GRPO_LAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny")
