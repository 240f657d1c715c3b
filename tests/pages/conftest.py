"""A folder of runs, which the pages take for the user's: empty, or with two short runs."""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner

from tests.fakes import write_fake_run


@pytest.fixture(autouse=True, scope="session")
def installed_components() -> Iterator[None]:
    """Every AppTest reads the metadata of all installed packages, which takes longer than most pages: once will do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def written_short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short runs with different seeds of their numbers, as they are written; tests change copies of them."""
    folder = tmp_path_factory.mktemp("written")
    write_fake_run(folder, "plain", steps=4)
    write_fake_run(folder, "other", steps=3, seed=1)
    return folder


@pytest.fixture
def short(root: Path, written_short: Path) -> Path:
    """Two short runs with different seeds of their numbers."""
    return shutil.copytree(written_short, root, dirs_exist_ok=True)
