"""The search path of child processes."""

import os
from pathlib import Path

import pytest

from engine.child_environment import child_environment, python_path

HOME = str(Path(__file__).parents[2])


def test_this_engine_comes_before_what_is_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/mine")
    assert child_environment()["PYTHONPATH"] == python_path() == f"{HOME}{os.pathsep}/mine"


def test_an_empty_path_does_not_stand_for_the_folder_that_the_child_starts_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert python_path() == HOME
    monkeypatch.setenv("PYTHONPATH", "")
    assert python_path() == HOME
