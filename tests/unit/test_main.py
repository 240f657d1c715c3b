"""The engine's process: its exit codes, and what it settles before torch is imported."""

import os
from pathlib import Path

import pytest

from engine import __main__ as program
from engine.errors import RunBusyError


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """What OMP_WAIT_POLICY was when the run began."""
    policies: list[str | None] = []

    def run_engine(_: object) -> str:
        policies.append(os.environ.get("OMP_WAIT_POLICY"))
        return "finished"

    monkeypatch.setattr("engine.train.loop.run_engine", run_engine)
    monkeypatch.setenv("OMP_WAIT_POLICY", "")  # so that what the program sets is taken back after the test
    monkeypatch.delenv("OMP_WAIT_POLICY")
    return policies


def test_waiting_threads_sleep_unless_the_user_decided_otherwise(
    seen: list[str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert program.main([str(tmp_path)]) == 0
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert program.main([str(tmp_path)]) == 0
    assert seen == ["PASSIVE", "ACTIVE"]


def test_an_error_of_ours_ends_the_process_with_its_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def busy(_: object) -> str:
        raise RunBusyError("another engine has it")

    monkeypatch.setattr("engine.train.loop.run_engine", busy)
    assert program.main([str(tmp_path)]) == RunBusyError.exit_code
    assert "another engine has it" in capsys.readouterr().err


def test_a_wrong_number_of_arguments_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([]) == 2
    assert "usage: python -m engine RUN_DIRECTORY" in capsys.readouterr().err
