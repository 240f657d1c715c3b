"""The process of a pre-flight, with the embedded model: it works on its own, shows progress, and can be ended."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import cli
from engine.config_io import dump_config
from engine.preflight.folder import cancel_preflight, find_preflight, result_path, start_preflight
from engine.preflight.result import read_result
from engine.presets import LEARN_TO_ADD
from engine.runs.paths import list_runs
from engine.runs.process import read_launch
from engine.runs.status import run_status
from tests.waiting import wait_until

pytestmark = pytest.mark.slow  # each starts a process that loads torch


def test_the_command_line_tells_what_to_expect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path / "runs"))
    file = tmp_path / "config.json"
    file.write_text(dump_config(LEARN_TO_ADD))
    assert cli.main(["preflight", str(file), "--prompts", "4"]) == 0
    said = capsys.readouterr()
    assert "4 prompts × 8 completions" in said.out and "G = 8" in said.out and "(chosen)" in said.out
    found = find_preflight(tmp_path / "runs", LEARN_TO_ADD)
    assert found is not None and len(read_result(result_path(found)).prompts) == 4
    assert list_runs(tmp_path / "runs") == []


def test_one_at_work_is_ended_and_leaves_nothing(tmp_path: Path) -> None:
    paths = start_preflight(tmp_path, LEARN_TO_ADD, prompts=256)
    launch = read_launch(paths)
    assert launch is not None and run_status(paths).is_live
    cancel_preflight(tmp_path, paths)
    wait_until(lambda: not launch.process.is_alive(), "the end of the process")
    assert not paths.root.exists()


def test_a_model_that_is_not_there_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path / "runs"))
    file = tmp_path / "config.json"
    missing = LEARN_TO_ADD.model_copy(update={"model": LEARN_TO_ADD.model.model_copy(update={"source": "/none"})})
    file.write_text(dump_config(missing))
    assert cli.main(["preflight", str(file)]) == 1
    error = capsys.readouterr().err
    assert "The pre-flight failed" in error and "/none" in error and "Traceback" not in error


@pytest.mark.parametrize("arguments", [[], ["somewhere"], ["somewhere", "x"]])
def test_wrong_arguments_are_told_at_once(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "engine.preflight", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()})
    assert done.returncode == 2 and "usage" in done.stderr
