"""Checkpoint folders that people have moved, copied or filled themselves: none is mistaken for the engine's own."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch

from engine.errors import CheckpointError, LabError
from engine.runs.durable import MANIFEST, commit_directory
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.train import checkpoint
from engine.train.loop import run_engine
from tests.toy import toy_config
from tests.unit.train.conftest import make_run


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    """A run of four steps that keeps the checkpoints of 3 and 4."""
    paths = make_run(tmp_path / "run", toy_config(optim={"max_steps": 4}, checkpoint={"every": 1, "keep": 2}))
    run_engine(paths)
    return paths


def names(paths: RunPaths) -> list[str]:
    return sorted(path.name for path in paths.checkpoints.iterdir())


def go_on(paths: RunPaths, steps: int) -> None:
    paths.config.write_text(paths.config.read_text().replace('"max_steps": 4', f'"max_steps": {steps}'))
    run_engine(paths)


@pytest.mark.parametrize(
    "name", ["step-000004-best", "step-000004 (copy)", "step-000002-2", "step-", "step-x", "step-²"]
)
def test_a_copy_under_another_name_is_neither_resumed_from_nor_deleted(paths: RunPaths, name: str) -> None:
    shutil.copytree(paths.checkpoints / "step-000003", paths.checkpoints / name)
    go_on(paths, 6)
    assert RunReader(paths.db).attempts()[-1].from_step == 4
    assert names(paths) == sorted(["step-000005", "step-000006", name])


def test_a_linked_checkpoint_is_left_to_who_linked_it(paths: RunPaths, tmp_path: Path) -> None:
    (paths.checkpoints / "step-000003").rename(tmp_path / "elsewhere")
    (paths.checkpoints / "step-000003").symlink_to(tmp_path / "elsewhere")
    go_on(paths, 6)
    assert (tmp_path / "elsewhere" / MANIFEST).is_file()
    assert names(paths) == ["step-000003", "step-000005", "step-000006"]


def test_a_checkpoint_under_another_step_s_name_is_refused(paths: RunPaths) -> None:
    (paths.checkpoints / "step-000004").rename(paths.checkpoints / "step-000099")
    with pytest.raises(CheckpointError, match="step-000099 holds the state after step 4"):
        run_engine(paths)
    assert RunReader(paths.db).last_step() == 4


CONTENTS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda folder: [path.unlink() for path in folder.iterdir()],
    "no state": lambda folder: (folder / "state.json").unlink(),
    "an empty state": lambda folder: (folder / "state.json").write_text("{}"),
    "a state of another kind": lambda folder: (folder / "state.json").write_text("[1]"),
    "no tensors": lambda folder: (folder / "policy.safetensors").write_bytes(b"\x80\x04pickle"),
    "other tensors": lambda folder: safetensors.torch.save_file({}, folder / "policy.safetensors"),
}


@pytest.mark.parametrize("spoil", CONTENTS.values(), ids=CONTENTS)
def test_a_folder_that_verifies_and_holds_no_checkpoint_is_one_sentence(
    paths: RunPaths, spoil: Callable[[Path], object]
) -> None:
    folder = paths.checkpoints / "step-000004"
    (folder / MANIFEST).unlink()
    spoil(folder)
    folder.rename(paths.checkpoints / "remade")
    commit_directory(paths.checkpoints / "remade", folder)
    with pytest.raises(CheckpointError):
        run_engine(paths)
    attempt = RunReader(paths.db).attempts()[-1]
    assert attempt.outcome == "failed" and "checkpoint" in str(attempt.message) and "\n" not in str(attempt.message)


def test_steps_beyond_a_million_still_count_in_order(tmp_path: Path) -> None:
    for name in ("step-999999", "step-1000000"):
        (tmp_path / name).mkdir()
    assert [checkpoint.step_of(path) for path in checkpoint.numbered(tmp_path, "step-")] == [999999, 1000000]


def test_a_disk_that_is_full_while_saving_is_named_and_costs_no_older_checkpoint(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, os.strerror(28), str(paths.checkpoints))

    monkeypatch.setattr(checkpoint, "commit_directory", full)
    with pytest.raises(LabError, match="No space left on device"):
        go_on(paths, 5)
    assert RunReader(paths.db).attempts()[-1].outcome == "failed"
    monkeypatch.undo()
    assert {"step-000003", "step-000004"} <= set(names(paths))


def test_a_full_disk_under_the_tensors_is_told_like_any_other(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_kw: object) -> None:
        raise checkpoint.SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(CheckpointError, match=r"policy\.safetensors: .*No space left"):
        go_on(paths, 5)


def test_a_folder_among_the_requests_is_no_request(paths: RunPaths) -> None:
    (paths.control / "stop").mkdir(parents=True)
    go_on(paths, 5)
    assert json.loads(paths.config.read_text())["optim"]["max_steps"] == RunReader(paths.db).last_step()
