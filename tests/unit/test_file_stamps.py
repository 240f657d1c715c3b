"""What says that the files of a configuration have changed: of data, folders, models, checkpoints and judges."""

import os
from pathlib import Path

import pytest

from engine.config import RunConfig
from engine.config_data import DataConfig
from engine.file_stamps import changed, changed_words, data_stamps, stamps_of
from engine.models.catalog import EMBEDDED_FOLDER
from tests.toy import toy_config


def write(path: Path, text: str = "{}", at: int = 5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(at, at))
    return path


def test_files_are_told_with_size_and_time_and_what_is_not_there_is_not_told(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl")
    sources = "a.jsonl\nnot-there.jsonl\norg/sums\nnul\0.jsonl\n~nobody-of-that-name/x.jsonl"
    assert data_stamps(DataConfig(source=sources), tmp_path) == {str(tmp_path / "a.jsonl"): (2, 5)}


def test_of_a_folder_the_data_files_are_told_and_no_others(tmp_path: Path) -> None:
    kept = write(tmp_path / "data" / "deep" / "b.jsonl", at=7)
    write(tmp_path / "data" / "notes.md")
    assert data_stamps(DataConfig(source="data"), tmp_path) == {str(kept): (2, 7)}
    assert data_stamps(DataConfig(source="empty"), tmp_path) == {}


def test_a_file_in_a_data_folder_that_came_went_grew_or_was_touched_is_named(tmp_path: Path) -> None:
    config = DataConfig(source="data")
    names = [write(tmp_path / "data" / f"{name}.jsonl") for name in ("gone", "grown", "older", "same")]
    before = data_stamps(config, tmp_path)
    names[0].unlink()
    write(names[1], "{} ")
    write(names[2], at=4)  # a copy keeps the time of what it is a copy of
    write(tmp_path / "data" / "new.jsonl")
    assert changed(before, data_stamps(config, tmp_path)) == ["gone.jsonl", "grown.jsonl", "new.jsonl", "older.jsonl"]


@pytest.mark.parametrize("as_judge", [False, True])
def test_the_files_of_a_model_folder_count_as_policy_and_as_judge(tmp_path: Path, as_judge: bool) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in EMBEDDED_FOLDER.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    config = with_model(str(folder), as_judge)
    before = stamps_of(config)
    assert str(folder / "config.json") in before
    os.utime(folder / "config.json", ns=(5, 5))
    assert changed(before, stamps_of(config)) == ["config.json"]


def test_a_relative_model_begins_where_the_run_works(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    kept = write(tmp_path / "model" / "config.json", at=7)
    assert stamps_of(with_model("model", as_judge=False), tmp_path)[str(kept)] == (2, 7)
    assert stamps_of(with_model("embedded", as_judge=False), tmp_path) == {}


def with_model(source: str, as_judge: bool) -> RunConfig:
    if not as_judge:
        return toy_config(model={"source": source})
    raw = toy_config().model_dump(mode="json")
    return RunConfig.model_validate({**raw, "rewards": [{"name": "fluency", "params": {"source": source}}]})


def test_many_names_are_counted() -> None:
    assert changed_words(["a"]) == "a"
    assert changed_words(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
