"""A look at data in a child process, which may be ended and must not print what is not asked."""

import os
from pathlib import Path

import pytest

from engine.config import DataConfig
from engine.config_data import DataSource
from engine.data.columns import preview_source
from engine.data.preview_client import preview_in_child

ROWS = '{"messages": [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}], "x": "\\u00e9"}\n'


def test_the_child_sees_what_this_process_sees(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text(ROWS * 3 + "{\n")
    config = DataConfig(source=str(tmp_path / "d.jsonl"), held_out=1)
    found = preview_in_child(config, timeout_s=60)
    assert found == preview_source(config) and found.examples == [("1+1?", "2")] * 3
    assert found.problems[0].startswith("d.jsonl, line 4: is not JSON")
    assert preview_in_child(DataSource(source="d.jsonl"), timeout_s=60, cwd=tmp_path).num_rows == 3


def test_a_child_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    found = preview_in_child(DataSource(source=str(tmp_path)), timeout_s=0.001)
    assert found.problems == [f"Reading {tmp_path} took longer than 0.001 s."]


def test_a_child_that_dies_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "reasoning_gym"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "factory.py").write_text("import os; os._exit(3)")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    found = preview_in_child(DataSource(source="reasoning-gym:sums"), timeout_s=60)
    assert "reasoning-gym ended with exit code 3" in found.problems[0]


def test_what_is_on_the_hub_alone_is_not_fetched_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("engine.data.hub._download", lambda config: pytest.fail("downloaded"))
    found = preview_source(DataSource(source="org/sums"))
    assert found.problems == [] and found.note == "org/sums is not on this machine; starting the run downloads it."


def test_a_built_in_task_shows_its_first_items_and_reasoning_gym_a_note() -> None:
    found = preview_source(DataSource(source="sorting", params={"min_items": 4, "max_items": 4}), 2)
    assert len(found.examples) == 2 and found.columns == ["items", "direction", "answer"] and found.problems == []
    assert all(answer is not None and answer.count(",") == 3 for _, answer in found.examples)
    wrong = preview_source(DataSource(source="sorting", params={"min_items": 0}))
    assert "data.params.min_items: 0 is not accepted" in wrong.problems[0]
    gym = preview_source(DataSource(source="reasoning-gym:sums"))
    assert gym.problems == [] and "when the run starts" in gym.note
