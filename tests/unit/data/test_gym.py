"""reasoning-gym in its child process, against a small package of that name: the real one is 350 MB."""

import sys
from pathlib import Path
from typing import Any

import pytest

from engine.config import DataConfig
from engine.config_data import DataSource
from engine.data.examples import Dataset, open_dataset
from engine.data.gym import gym_installed, gym_table, gym_tasks
from engine.errors import DatasetError
from tests.gym_package import install_gym


@pytest.fixture
def gym(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_gym(tmp_path, monkeypatch)


def task(name: str, seed: int = 0, **params: Any) -> Dataset:
    return open_dataset(DataConfig(source=f"reasoning-gym:{name}", params={"size": 6, **params}, held_out=2), seed)


@pytest.mark.usefixtures("gym")
def test_rows_keep_the_entry_that_the_packages_scorers_need() -> None:
    data = task("sums", config={"level": 3})
    example = data.train(0)
    assert data.train_size == 6 and len(data.held_out) == 2 and data.name == "reasoning-gym:sums"
    assert example.columns["task"] == "sums" and example.columns["answer"] == example.answer
    entry = example.columns["entry"]
    assert entry["question"] == example.prompt and entry["answer"] == example.answer
    assert entry["metadata"]["level"] == 3 and data.row_of(0).startswith("reasoning-gym:sums, row ")


@pytest.mark.usefixtures("gym")
def test_the_seed_decides_and_tasks_without_answers_have_none() -> None:
    first, other = task("sums", 1), task("sums", 2)
    assert [e.id for _, e in first.examples()] != [e.id for _, e in other.examples()]
    assert {example.answer for _, example in task("open").examples()} == {None}
    assert gym_tasks() == ["crash", "open", "sleepy", "sums"]


@pytest.mark.usefixtures("gym")
@pytest.mark.parametrize(
    ("name", "params", "told"),
    [
        ("summs", {}, "reasoning-gym has no task 'summs'. Did you mean 'sums'?"),
        ("sums", {"config": {"bad": 1}}, "cannot be made: ValueError: bad must not be set"),
        ("crash", {}, "reasoning-gym ended with exit code 7"),
        ("sums", {"size": 0}, "data.params.size: 0 is not accepted"),
        ("sums", {"sise": 9}, "data.params.sise: is not a setting."),
    ],
)
def test_what_cannot_be_made_is_told(name: str, params: dict[str, Any], told: str) -> None:
    with pytest.raises(DatasetError) as caught:
        task(name, **params)
    assert told in str(caught.value)


@pytest.mark.usefixtures("gym")
def test_a_task_that_takes_too_long_is_ended() -> None:
    with pytest.raises(DatasetError, match=r"took longer than 1 s"):
        gym_table(DataSource(source="reasoning-gym:sleepy"), 1, 0, timeout_s=1.0)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [path for path in sys.path if not (Path(path) / "reasoning_gym").exists()])
    assert not gym_installed() and gym_tasks() == []
    with pytest.raises(DatasetError, match="needs the package reasoning-gym, which is not installed") as caught:
        task("sums")
    assert "pip install" in caught.value.hint
