"""A run directory whose engine trains the toy model."""

from pathlib import Path

import pytest
import torch

from engine.config import RunConfig
from engine.config_io import dump_config
from engine.runs.paths import RunPaths
from tests.toy import toy_policy


@pytest.fixture(autouse=True)
def toy_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.train.session.load_policy", lambda *_, **__: toy_policy())


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """The toy's matrices are far too small to share between threads."""
    torch.set_num_threads(1)


def make_run(root: Path, config: RunConfig) -> RunPaths:
    root.mkdir(parents=True)
    (root / "config.json").write_text(dump_config(config))
    return RunPaths(root)
