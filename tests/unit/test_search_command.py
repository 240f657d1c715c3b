"""`grpo-lab search`: what the Search view finds, in a terminal and in a file."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engine import search_command
from engine.cli import main
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.search import Found, find
from engine.runs.search_query import SearchQuery
from engine.runs.store import StoreWriter
from engine.trl.import_run import import_run
from tests.fakes import write_fake_run
from tests.unit.runs.records import dead, group, step


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunPaths:
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path))
    return write_fake_run(tmp_path, "fake", steps=12, hostile_text=True)


def count(paths: RunPaths, query: SearchQuery) -> int:
    return len(find(RunReader(paths.db), query, seconds=60).keys)


def test_hits_are_listed_newest_first_with_their_count(paths: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "fake", "\x1b[31m", "--limit", "3", "--passed", "--step-max", "11"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert len(lines) == 3 and "\\x1b[31m" in lines[0] and "\x1b" not in said.out
    assert [int(line.split()[1]) for line in lines] == sorted((int(line.split()[1]) for line in lines), reverse=True)
    assert said.err == f"{count(paths, SearchQuery(chr(27) + '[31m', passed=True, step_max=11))} completions found.\n"


def test_a_file_holds_all_hits(paths: RunPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.parquet"
    flags = [
        "--finish-reason",
        "eos",
        "--no-dead",
        "--total-min",
        "0.5",
        "--reward",
        "digit_match",
        "--reward-min",
        "1",
    ]
    assert main(["search", "fake", "1", *flags, "--format", "parquet", "--out", str(out)]) == 0
    query = SearchQuery("1", finish_reason="eos", dead=False, total_min=0.5, reward="digit_match", reward_min=1)
    assert len(pd.read_parquet(out)) == count(paths, query) > 0
    assert f"{count(paths, query)} completions written." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def test_without_a_file_it_goes_to_standard_output(paths: RunPaths, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["search", "fake", "--reward-missing", "--format", "jsonl"]) == 0
    rows = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert len(rows) == count(paths, SearchQuery(reward_missing=True)) > 0


def test_what_is_listed_is_what_was_found_though_the_step_is_replaced_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path))
    store = StoreWriter(write_fake_run(tmp_path, "run", steps=0).db)
    store.commit_step(step(1, groups=[group(completions=dead("apple", "pear"))]))

    def then_replaced(*asked: Any, **how: Any) -> Found:
        found = find(*asked, **how)
        store.commit_step(step(1, groups=[group(completions=dead("plum", "fig", exact=0.5))]))
        return found

    monkeypatch.setattr(search_command, "find", then_replaced)
    assert main(["search", "run", "apple"]) == 0
    store.close()
    said = capsys.readouterr()
    assert "apple" in said.out and "plum" not in said.out


def test_what_cannot_be_done_is_a_sentence(paths: RunPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = tmp_path / "taken.csv"
    taken.write_text("mine")
    for arguments, words in (
        (["--out", "x"], "--out needs a --format"),
        (["--format", "csv", "--out", str(taken)], "taken.csv exists"),
        (["--format", "csv", "--out", str(tmp_path / "no" / "x.csv")], "No such file or directory"),
        (["--step-min", "5", "--step-max", "3"], "step: from 5 to 3 holds nothing"),
        (["--reward", "speed"], "no reward function 'speed'"),
    ):
        assert main(["search", "fake", "1", *arguments]) != 0
        assert words in capsys.readouterr().err
    assert taken.read_text() == "mine"


def test_of_a_completion_whose_end_was_not_recorded_none_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path))
    run_id = import_run(tmp_path, Path(__file__).parents[1] / "trl_runs" / "chat").run_id
    assert main(["search", run_id, "", "--limit", "1"]) == 0
    assert "  –  " in capsys.readouterr().out
    assert main(["search", run_id, "", "--length-min", "0"]) == 0
    assert "0 completions found." in capsys.readouterr().err
