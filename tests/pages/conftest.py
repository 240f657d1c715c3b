"""An empty folder of runs, which the pages take for the user's."""

from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path))
    return tmp_path
