"""Fixtures of the run-store tests: an open writer, a reader of the same file, and a stub engine."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tests.stub_engine
from engine.runs import launch
from engine.runs.paths import list_runs
from engine.runs.reader import RunReader
from engine.runs.store import StoreWriter


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StoreWriter]:
    writer = StoreWriter(tmp_path / "run.db", clock=lambda: 1000.0)
    writer.begin_attempt(0, {"torch": "2.10"})
    yield writer
    writer.close()


@pytest.fixture
def reader(store: StoreWriter) -> RunReader:
    return RunReader(store.path)


@pytest.fixture
def stub_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Call it with a behaviour of tests/stub_engine.py: engines that are started from then on do that."""

    def behave(behaviour: str) -> None:
        command = [sys.executable, "-P", str(Path(tests.stub_engine.__file__).resolve())]
        monkeypatch.setattr(launch, "engine_command", lambda directory: [*command, str(directory), behaviour])

    yield behave
    for paths in list_runs(tmp_path):
        launch.kill_run(paths, grace_s=0.0)
    for child in launch._children.values():
        child.wait()
    launch.reap()
