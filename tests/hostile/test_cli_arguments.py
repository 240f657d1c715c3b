"""Arguments and files that the command line cannot use: one sentence and an exit code, and nothing is started."""

import argparse
import sqlite3
from pathlib import Path

import pytest

from engine.cli import main, port_number
from engine.models.catalog import ModelChoice
from engine.runs.paths import RunPaths, list_runs
from tests.fakes import write_fake_run


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


@pytest.mark.parametrize("seed", ["-1", "99999999999"])
def test_a_seed_out_of_bounds_starts_no_run(root: Path, capsys: pytest.CaptureFixture[str], seed: str) -> None:
    assert main(["demo", "--headless", "--seed", seed]) == 2
    assert f"seed: {seed} is not accepted: should be at least 0" in capsys.readouterr().err
    assert list_runs(root) == []


@pytest.mark.parametrize("port", ["-5", "65536", "99999999", "1e3", "²", ""])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no port"):
        port_number(port)
    with pytest.raises(SystemExit):
        main([f"--port={port}", "--no-browser"])


def test_the_ports_there_are_are_taken() -> None:
    assert [port_number(text) for text in ("0", "8501", "65535")] == [0, 8501, 65535]


def test_an_endless_config_file_is_read_no_further_than_it_may_reach(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "/dev/zero"]) == 1
    assert "/dev/zero has more than 4,194,304 bytes" in capsys.readouterr().err


def test_what_a_folder_is_called_steers_no_terminal(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "engine.models.catalog.list_models",
        lambda: [ModelChoice("x", "evil\x1b[31m", reason="no\x07")],
    )
    assert main(["doctor"]) == 0
    assert r"model evil\x1b[31m: no\x07" in capsys.readouterr().out


def test_what_an_engine_printed_steers_no_terminal(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_fake_run(root, "ended", steps=2, outcome="failed")
    with sqlite3.connect(paths.db) as db:
        db.execute("UPDATE attempts SET message = ?", ("\x1b[2Jwiped",))
    db.close()
    monkeypatch.setattr("engine.cli.resume_run", lambda _root, run_id: RunPaths(paths.root))
    assert main(["resume", "ended"]) == 1
    assert "\x1b" not in (told := capsys.readouterr().err) and r"\x1b[2Jwiped" in told


def test_a_stop_that_cannot_be_written_is_one_sentence(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_fake_run(root, "live", steps=2)
    paths.control.write_text("a file where a folder belongs")
    monkeypatch.setattr("engine.cli.is_live", lambda _paths: True)
    assert main(["stop", "live"]) == 1
    assert f"{paths.control}: File exists." in capsys.readouterr().err
