"""Hidden folders of pre-flights: found by their settings, few, and cleared without touching anything else."""

import hashlib
import os
from pathlib import Path

import pytest

from engine.config import RewardSpec, RunConfig
from engine.config_io import default_params
from engine.errors import LabError, RunNotFoundError
from engine.preflight import folder
from engine.preflight.folder import FOLDER, KEPT, cancel_preflight, find_preflight, open_preflight, start_preflight
from engine.runs.lease import Lease
from engine.runs.paths import RunPaths, list_runs, read_config
from tests.fakes import fake_config


@pytest.fixture(autouse=True)
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would have been started."""
    found: list[list[str]] = []
    monkeypatch.setattr(folder, "spawn", lambda paths, cwd, command: found.append(command))
    return found


def config(**rollout: object) -> RunConfig:
    base = fake_config(name="a", steps=20)
    return base.model_copy(update={"rollout": base.rollout.model_copy(update=rollout)})


def start(root: Path, size: int, at: int) -> RunPaths:
    """A pre-flight with groups of this size; `at` orders them in time."""
    paths = start_preflight(root, config(num_generations=size))
    os.utime(paths.config, (at, at))
    return paths


def test_a_preflight_is_hidden_from_lists_and_found_by_its_settings(tmp_path: Path, commands: list[list[str]]) -> None:
    paths = start_preflight(tmp_path, config(), prompts=5)
    assert list_runs(tmp_path) == []
    assert find_preflight(tmp_path, config()) == paths == open_preflight(tmp_path, paths.run_id)
    assert commands[0][-2:] == [str(paths.root), "5"]


def test_settings_that_change_nothing_in_it_find_the_same_one(tmp_path: Path) -> None:
    paths = start_preflight(tmp_path, config())
    other = config(dynamic_sampling=True)
    optim = other.optim.model_copy(update={"learning_rate": 1e-6, "max_steps": 7})
    evaluation = other.evaluation.model_copy(update={"every": 3})
    other = other.model_copy(update={"name": "b", "optim": optim, "evaluation": evaluation})
    assert find_preflight(tmp_path, other) == paths


@pytest.mark.parametrize("change", [{"temperature": 0.7}, {"num_generations": 16}, {"max_completion_length": 9}])
def test_settings_that_matter_find_none(change: dict[str, object], tmp_path: Path) -> None:
    start_preflight(tmp_path, config())
    assert find_preflight(tmp_path, config(**change)) is None


def test_the_weight_of_a_reward_and_the_seed_matter(tmp_path: Path) -> None:
    start_preflight(tmp_path, config())
    base = config()
    lighter = base.rewards[0].model_copy(update={"weight": 0.5})
    assert find_preflight(tmp_path, base.model_copy(update={"rewards": (lighter, *base.rewards[1:])})) is None
    assert find_preflight(tmp_path, base.model_copy(update={"seed": 1})) is None


def test_another_content_of_a_reward_file_is_another_question(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def reward(completion, answer):\n    return 1.0\n")
    spec = RewardSpec(name="mine", function="python_file", params={**default_params("python_file"), "path": "mine.py"})
    mine = config().model_copy(update={"rewards": (spec,)})
    first = start_preflight(tmp_path, mine, cwd=tmp_path)
    assert find_preflight(tmp_path, mine, tmp_path) == first
    assert read_config(first).rewards[0].params["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_text("def reward(completion, answer):\n    return 0.0\n")
    assert find_preflight(tmp_path, mine, tmp_path) is None
    file.unlink()  # the process will say that it is missing
    assert find_preflight(tmp_path, mine, tmp_path) is None


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    made = [start(tmp_path, size, at=size) for size in range(2, 2 + KEPT + 3)]
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == sorted(p.run_id for p in made[-KEPT:])


def test_one_at_work_is_kept_however_old_and_found_instead_of_started_again(
    tmp_path: Path, commands: list[list[str]]
) -> None:
    old = start(tmp_path, 2, at=1)
    with Lease(old.lock):
        for size in range(3, 3 + KEPT + 1):
            start(tmp_path, size, at=size)
        assert old.root.is_dir()
        assert start_preflight(tmp_path, config(num_generations=2)) == old
    assert len(commands) == 1 + KEPT + 1


def test_clearing_touches_nothing_of_another_name_and_follows_no_link(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "config.json").write_text("precious")
    os.utime(mine / "config.json", (1, 1))
    hidden = tmp_path / FOLDER
    hidden.mkdir()
    (hidden / "notes").mkdir()
    (hidden / "preflight.000000000000.0000").symlink_to(mine)
    for size in range(2, 2 + KEPT + 2):
        start(tmp_path, size, at=size)
    assert (mine / "config.json").read_text() == "precious"
    assert (hidden / "notes").is_dir() and (hidden / "preflight.000000000000.0000").is_symlink()


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / FOLDER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LabError, match="is a symbolic link"):
        start_preflight(tmp_path, config())
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    "key", ["", "..", "../run", "run", "preflight", "preflight.0.0", "preflight.zzzzzzzzzzzz.0000"]
)
def test_names_that_are_no_preflight_open_nothing(key: str, tmp_path: Path) -> None:
    (tmp_path / FOLDER / "run").mkdir(parents=True)
    with pytest.raises(RunNotFoundError):
        open_preflight(tmp_path, key)


def test_cancelling_removes_the_folder(tmp_path: Path) -> None:
    paths = start_preflight(tmp_path, config())
    cancel_preflight(tmp_path, paths)
    assert not paths.root.exists() and find_preflight(tmp_path, config()) is None


@pytest.mark.parametrize("prompts", [0, -1, 257])
def test_an_impossible_number_of_prompts_is_refused(prompts: int, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="Ask for 1 to 256"):
        start_preflight(tmp_path, config(), prompts=prompts)
    assert not (tmp_path / FOLDER).exists()


def test_a_link_is_never_taken_for_a_preflight(tmp_path: Path) -> None:
    paths = start_preflight(tmp_path, config())
    elsewhere = tmp_path / "elsewhere"
    paths.root.rename(elsewhere)
    paths.root.symlink_to(elsewhere)
    assert find_preflight(tmp_path, config()) is None
    with pytest.raises(RunNotFoundError):
        open_preflight(tmp_path, paths.run_id)


def test_a_process_that_has_not_said_yet_who_it_is_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel knows that the lock is held before the file beside it says by whom."""
    paths = start_preflight(tmp_path, config())
    answers = [False, False, True]
    monkeypatch.setattr(folder, "kill_run", lambda *_: answers.pop(0))
    monkeypatch.setattr(folder, "is_live", lambda _: bool(answers))
    cancel_preflight(tmp_path, paths)
    assert answers == [] and not paths.root.exists()
