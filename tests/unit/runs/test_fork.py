"""Making a fork: what it copies, what it refuses in words, and that nothing half-made is left or seen."""

import os
from pathlib import Path
from typing import Any

import pytest

from engine.config import RunConfig
from engine.config_io import parse_config
from engine.errors import CheckpointError, ConfigError, LabError, RunNotFoundError
from engine.runs import fork as fork_module
from engine.runs import launch
from engine.runs.durable import commit_directory, verify_directory
from engine.runs.fork import fork_problems, fork_run
from engine.runs.lease import Lease
from engine.runs.lineage import Origin, read_origin
from engine.runs.paths import RunPaths, list_runs, read_config
from engine.runs.process import write_launch
from engine.runs.status import run_status
from tests.fakes import write_fake_run


def with_checkpoints(root: Path, *steps: int, run_id: str = "parent") -> RunPaths:
    """A finished fake run of 20 steps; its checkpoints hold a few bytes."""
    paths = write_fake_run(root, run_id, steps=20, prompts=1, group_size=2)
    paths.checkpoints.mkdir()
    for step in steps:
        temporary = paths.checkpoints / f".tmp-{step}"
        temporary.mkdir()
        (temporary / "policy.safetensors").write_bytes(b"weights %d" % step)
        commit_directory(temporary, paths.checkpoints / f"step-{step:06d}")
    return paths


@pytest.fixture
def parent(tmp_path: Path) -> RunPaths:
    return with_checkpoints(tmp_path, 10, 20)


@pytest.fixture(autouse=True)
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    started: list[tuple[str, str]] = []
    monkeypatch.setattr(launch, "spawn", lambda paths, cwd: started.append((paths.run_id, cwd)))
    return started


def changed(paths: RunPaths, **sections: dict[str, Any]) -> RunConfig:
    raw = read_config(paths).model_dump(mode="json")
    raw["name"] = "the fork"
    for name, values in sections.items():
        raw[name] = {**raw[name], **values}
    return parse_config(raw)


def hidden(root: Path) -> list[str]:
    return [entry.name for entry in root.iterdir() if entry.name.startswith(".fork-")]


def test_a_fork_has_the_checkpoint_the_settings_and_the_name_of_its_parent(
    tmp_path: Path, parent: RunPaths, spawned: list[tuple[str, str]]
) -> None:
    launched = fork_run(tmp_path, "parent", 10, changed(parent, loss={"beta": 0.5}))
    child = RunPaths(tmp_path / launched.run_id)
    assert launched.created and launched.run_id.startswith("the-fork-")
    assert read_config(child).loss.beta == 0.5
    assert read_origin(child) == Origin("fork", "parent", 10, "parent", ("loss.beta",))
    assert [path.name for path in child.checkpoints.iterdir()] == ["step-000010"]
    assert (child.checkpoints / "step-000010" / "policy.safetensors").read_bytes() == b"weights 10"
    assert spawned == [(launched.run_id, os.getcwd())]
    assert not child.lock.exists() and hidden(tmp_path) == []
    assert run_status(child).state == "new"


def test_a_checkpoint_takes_no_room_twice_and_outlives_the_parents(tmp_path: Path, parent: RunPaths) -> None:
    child = RunPaths(tmp_path / fork_run(tmp_path, "parent", 10, changed(parent)).run_id)
    ours, theirs = (p.checkpoints / "step-000010" / "policy.safetensors" for p in (child, parent))
    assert ours.stat().st_ino == theirs.stat().st_ino
    theirs.unlink()
    verify_directory(ours.parent)


def test_where_there_are_no_second_names_the_files_are_copied(
    tmp_path: Path, parent: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    child = RunPaths(tmp_path / fork_run(tmp_path, "parent", 10, changed(parent)).run_id)
    ours, theirs = (p.checkpoints / "step-000010" / "policy.safetensors" for p in (child, parent))
    assert ours.stat().st_ino != theirs.stat().st_ino and ours.read_bytes() == theirs.read_bytes()


def test_a_fork_from_step_0_is_a_clone(tmp_path: Path, parent: RunPaths) -> None:
    config = changed(parent, model={"lora_rank": 4}, optim={"max_steps": 5})
    child = RunPaths(tmp_path / fork_run(tmp_path, "parent", 0, config).run_id)
    assert read_origin(child) == Origin("clone", "parent", 0, "parent", ("model.lora_rank", "optim.max_steps"))
    assert not child.checkpoints.exists()


def test_what_the_checkpoint_fixes_is_refused_field_by_field(tmp_path: Path, parent: RunPaths) -> None:
    model = {"source": "other", "lora_rank": 4, "lora_alpha": 8, "dtype": "bfloat16", "system_prompt": ""}
    with pytest.raises(ConfigError) as caught:
        fork_run(tmp_path, "parent", 10, changed(parent, model=model, optim={"max_steps": 30}))
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["model.source", "model.lora_rank", "model.lora_alpha", "model.dtype"]
    assert "'other' cannot go on from a checkpoint of 'embedded'" in str(caught.value)
    assert [paths.run_id for paths in list_runs(tmp_path)] == ["parent"]


def test_the_rank_of_an_adapter_that_is_not_there_is_free(parent: RunPaths) -> None:
    full = changed(parent, model={"adapter": "full"}, optim={"max_steps": 30})
    assert fork_problems(full, changed(parent, model={"adapter": "full", "lora_rank": 4}), 10) == []
    assert [p.field for p in fork_problems(full, changed(parent), 10)] == ["model.adapter"]


@pytest.mark.parametrize("steps", [10, 9])
def test_steps_that_are_done_already_are_refused_with_both_numbers(parent: RunPaths, steps: int) -> None:
    (problem,) = fork_problems(read_config(parent), changed(parent, optim={"max_steps": steps}), 10)
    assert problem.field == "optim.max_steps"
    assert f"{steps} is not more than 10, the step that the fork starts from." in problem.message


def test_a_step_without_a_checkpoint_names_those_there_are(tmp_path: Path, parent: RunPaths) -> None:
    with pytest.raises(CheckpointError, match=r"parent has no checkpoint of step 15\. Kept are: 10, 20\.") as caught:
        fork_run(tmp_path, "parent", 15, changed(parent))
    assert str(caught.value).endswith("Kept are: 10, 20.") and hidden(tmp_path) == []


def test_a_damaged_checkpoint_is_refused_and_leaves_nothing(tmp_path: Path, parent: RunPaths) -> None:
    (parent.checkpoints / "step-000010" / "policy.safetensors").write_bytes(b"WEIGHTS 10")
    with pytest.raises(CheckpointError, match="does not have the content that its manifest names"):
        fork_run(tmp_path, "parent", 10, changed(parent))
    assert [paths.run_id for paths in list_runs(tmp_path)] == ["parent"] and hidden(tmp_path) == []


def test_a_checkpoint_that_the_parents_engine_deletes_meanwhile_is_named(
    tmp_path: Path, parent: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(source: Path, _target: Path) -> None:
        raise FileNotFoundError(2, "No such file or directory", str(source))

    monkeypatch.setattr(fork_module, "_link_or_copy", gone)
    with pytest.raises(CheckpointError, match="step-000010 was deleted while it was read"):
        fork_run(tmp_path, "parent", 10, changed(parent))


def test_a_full_disk_is_named_and_leaves_nothing(
    tmp_path: Path, parent: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "there")

    monkeypatch.setattr(fork_module, "_link_or_copy", full)
    with pytest.raises(LabError, match="there: No space left on device"):
        fork_run(tmp_path, "parent", 10, changed(parent))
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("name", ["../parent", "none", ""])
def test_a_parent_that_is_not_there_is_refused(tmp_path: Path, parent: RunPaths, name: str) -> None:
    with pytest.raises(RunNotFoundError):
        fork_run(tmp_path, name, 10, changed(parent))


def test_a_second_click_finds_the_first_fork_and_other_steps_or_settings_do_not(
    tmp_path: Path, parent: RunPaths
) -> None:
    first = fork_run(tmp_path, "parent", 10, changed(parent, optim={"max_steps": 30}))
    with Lease(RunPaths(tmp_path / first.run_id).lock):  # its engine has come so far
        again = fork_run(tmp_path, "parent", 10, changed(parent, optim={"max_steps": 30}))
        other = fork_run(tmp_path, "parent", 20, changed(parent, optim={"max_steps": 30}))
    assert (again.run_id, again.created, other.created) == (first.run_id, False, True)
    assert hidden(tmp_path) == []


def test_what_a_killed_fork_left_is_cleared_away_and_one_at_work_is_not(tmp_path: Path, parent: RunPaths) -> None:
    for name in (".fork-1-dead", ".fork-2-busy"):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
    with Lease(tmp_path / ".fork-2-busy" / "engine.lock"):
        fork_run(tmp_path, "parent", 10, changed(parent))
        assert hidden(tmp_path) == [".fork-2-busy"]
    assert {paths.run_id for paths in list_runs(tmp_path)} > {"parent"} and len(list_runs(tmp_path)) == 2


def test_relative_paths_mean_in_a_fork_what_they_mean_in_its_parent(
    tmp_path: Path, parent: RunPaths, spawned: list[tuple[str, str]]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    write_launch(parent, os.getpid(), at=0.0, argv=[], cwd=str(tmp_path / "elsewhere"))
    fork_run(tmp_path, "parent", 10, changed(parent))
    assert spawned[0][1] == str(tmp_path / "elsewhere")


def test_a_checkpoint_that_was_moved_and_linked_is_followed(tmp_path: Path, parent: RunPaths) -> None:
    (parent.checkpoints / "step-000010").rename(tmp_path / ".elsewhere")
    (parent.checkpoints / "step-000010").symlink_to(tmp_path / ".elsewhere")
    child = RunPaths(tmp_path / fork_run(tmp_path, "parent", 10, changed(parent)).run_id)
    assert not (child.checkpoints / "step-000010").is_symlink()
    verify_directory(child.checkpoints / "step-000010")
