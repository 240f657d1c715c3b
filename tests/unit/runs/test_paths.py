"""No name leads out of the runs folder."""

import os
import random
import string
from datetime import datetime
from pathlib import Path

import pytest

from engine.errors import ConfigError, RunNotFoundError
from engine.runs.paths import RunPaths, is_valid_run_id, list_runs, new_run_id, open_run, read_config, runs_root
from tests.fakes import write_fake_run

NOW = datetime(2026, 11, 22, 12, 30, 59)
PIECES = [
    "..",
    "/",
    "\\",
    ".",
    "~",
    "\x00",
    "\n",
    " ",
    "%2e",
    "*",
    "$HOME",
    "-",
    "_",
    "é",
    "\u202e",
    "😀",
    "run",
    "a",
    "C:",
    "|",
]


def test_a_run_id_has_the_name_the_time_and_a_random_part() -> None:
    assert new_run_id("Learn to add: é!", NOW)[:-4] == "learn-to-add-e-20261122-123059-"
    assert new_run_id("加法", NOW).startswith("run-20261122")
    assert len({new_run_id("same", NOW) for _ in range(20)}) > 15


def test_whatever_the_name_the_new_id_is_valid_and_opens(tmp_path: Path) -> None:
    rng = random.Random(1)
    for _ in range(2000):
        name = "".join(rng.choices([*PIECES, *string.printable], k=rng.randint(1, 80)))
        run_id = new_run_id(name, NOW)
        assert is_valid_run_id(run_id), name
        assert (tmp_path / run_id).resolve().parent == tmp_path.resolve()


def test_ten_thousand_hostile_names_never_leave_the_root(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    (root / "run").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    rng = random.Random(2)
    opened = 0
    for _ in range(10_000):
        name = "".join(rng.choices(PIECES, k=rng.randint(1, 5)))
        try:
            paths = open_run(root, name)
        except RunNotFoundError:
            continue
        opened += 1
        assert paths.root == root / "run"
    assert opened > 0  # "run" itself came up


@pytest.mark.parametrize("name", ["", ".", "..", ".trash", "a/b", "/etc", "a" * 65, "run\n", "../runs/run", "ru n"])
def test_names_that_are_no_plain_folder_names_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    assert not is_valid_run_id(name)
    with pytest.raises(RunNotFoundError, match="There is no run"):
        open_run(tmp_path, name)


def test_a_symbolic_link_is_not_a_run(tmp_path: Path) -> None:
    root, outside = tmp_path / "runs", tmp_path / "outside"
    root.mkdir()
    write_fake_run(tmp_path, "outside", steps=0)
    (root / "link").symlink_to(outside)
    with pytest.raises(RunNotFoundError):
        open_run(root, "link")
    assert list_runs(root) == []


def test_a_root_that_is_itself_a_link_works(tmp_path: Path) -> None:
    write_fake_run(tmp_path / "real", "a", steps=0)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert open_run(tmp_path / "link", "a").config.exists()
    assert [paths.run_id for paths in list_runs(tmp_path / "link")] == ["a"]


def test_runs_are_listed_newest_first_and_only_those_with_a_configuration(tmp_path: Path) -> None:
    for run_id, ended_at in [("older", 1000.0), ("newest", 3000.0), ("middle", 2000.0)]:
        write_fake_run(tmp_path, run_id, steps=0, ended_at=ended_at)
    (tmp_path / "empty").mkdir()
    (tmp_path / ".trash").mkdir()
    (tmp_path / "file").touch()
    assert [paths.run_id for paths in list_runs(tmp_path)] == ["newest", "middle", "older"]
    assert list_runs(tmp_path / "nowhere") == []


def test_the_root_comes_from_the_environment_or_is_runs_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRPO_LAB_RUNS", str(tmp_path))
    assert runs_root() == tmp_path
    monkeypatch.delenv("GRPO_LAB_RUNS")
    assert runs_root() == Path(os.getcwd()) / "runs"


def test_the_configuration_comes_back(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=3)
    assert read_config(paths).optim.max_steps == 3


def test_a_missing_or_broken_configuration_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError, match=r"config\.json: No such file"):
        read_config(RunPaths(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="not JSON"):
        read_config(RunPaths(tmp_path))
