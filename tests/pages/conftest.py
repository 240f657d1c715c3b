"""A folder of runs, which the pages take for the user's: empty, or with two short runs."""

from pathlib import Path

import pytest

from tests.fakes import write_fake_run


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path))
    return tmp_path


@pytest.fixture
def short(root: Path) -> Path:
    """Two short runs with different seeds of their numbers."""
    write_fake_run(root, "plain", steps=4)
    write_fake_run(root, "other", steps=3, seed=1)
    return root
