"""Which files of a folder are those of the run, and how much of them is read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from engine.errors import LabError
from engine.trl import recorded_files
from engine.trl.recorded_files import find_layout, read_tables


def state(path: Path, last: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"log_history": [{"step": last, "loss": 0.5}]}))
    return path


def written(path: Path, steps: list[int], **columns: Any) -> Path:
    """One group of 2 for each step."""
    rows = [step for step in steps for _ in range(2)]
    told = {"prompt": [f"p{step}" for step in rows], "completion": ["a", "b"] * len(steps)}
    numbers = {"right": [1.0, 0.0] * len(steps), "advantage": [0.5, -0.5] * len(steps)}
    parquet.write_table(pa.table({"step": rows, **told, **numbers, **columns}), path)
    return path


def test_a_column_of_references_to_one_text_counts_as_what_it_unpacks_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """128 × 1,000 characters, which the file holds once, are more than 100,000."""
    texts = pa.array(["x" * 1000] * 128).dictionary_encode()
    path = written(tmp_path / "completions_00001.parquet", [1] * 64, note=texts)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(recorded_files, "MAX_UNPACKED", 100_000)
    with pytest.raises(LabError, match="unpacks to more than 100,000 bytes"):
        list(read_tables(path))


def test_cells_count_though_they_hold_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 empty columns of 128 rows: 8 bytes a cell are 102,400, beside under 10,000 bytes of values."""
    empty = {f"x{place}": pa.nulls(128) for place in range(100)}
    path = written(tmp_path / "completions_00001.parquet", [1] * 64, **empty)
    monkeypatch.setattr(recorded_files, "MAX_UNPACKED", 100_000)
    with pytest.raises(LabError, match="unpacks to more than 100,000 bytes"):
        list(read_tables(path))


@pytest.mark.parametrize(("own", "saved", "taken"), [(9, 5, "own"), (5, 9, "saved"), (7, 7, "own")])
def test_the_log_with_the_larger_last_step_is_read(own: int, saved: int, taken: str, tmp_path: Path) -> None:
    paths = {
        "own": state(tmp_path / "trainer_state.json", own),
        "saved": state(tmp_path / "checkpoint-100" / "trainer_state.json", saved),
    }
    assert find_layout(tmp_path).state == paths[taken]


def test_a_log_that_cannot_be_read_is_still_the_newest_checkpoints(tmp_path: Path) -> None:
    broken = state(tmp_path / "checkpoint-100" / "trainer_state.json", 9)
    broken.write_text("{")
    state(tmp_path / "trainer_state.json", 1)
    assert find_layout(tmp_path).state == broken


def test_files_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = [f"completions_{number}.parquet" for number in ("99998", "99999", "100000")]
    for step, name in enumerate(names, 99_998):
        written(tmp_path / name, [step])
    assert [path.name for path in find_layout(tmp_path).completions] == names


def test_a_column_with_a_name_beyond_200_characters_is_refused_by_its_beginning(tmp_path: Path) -> None:
    words = r"has a column whose name has 201 characters, more than 200: 'xxx"
    with pytest.raises(LabError, match=words):
        list(read_tables(written(tmp_path / "completions_00001.parquet", [1], **{"x" * 201: [1.0, 2.0]})))
    with pytest.raises(LabError, match=words):
        inside = [[{"x" * 201: 1}]] * 2
        list(read_tables(written(tmp_path / "completions_00001.parquet", [1], note=inside)))
    (table,) = read_tables(written(tmp_path / "completions_00001.parquet", [1], **{"x" * 200: [1.0, 2.0]}))
    assert "x" * 200 in table.numbers


INSIDE = {
    "a list": pa.array([[True] * 1000] * 2),
    "a list of fixed length": pa.array([[True] * 1000] * 2, pa.list_(pa.bool_(), 1000)),
    "a list in an object": pa.array([{"x": [True] * 1000}] * 2),
    "a map": pa.array([[("k", True)] * 500] * 2, pa.map_(pa.string(), pa.bool_())),
}


@pytest.mark.parametrize("kind", INSIDE)
def test_what_is_inside_a_cell_counts_before_it_is_unpacked(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2,000 values at 64 bytes each are 128,000, though a bit of Arrow's holds each."""
    path = written(tmp_path / "completions_00001.parquet", [1], inside=INSIDE[kind])
    (table,) = read_tables(path)
    assert len(table.others["inside"]) == 2
    monkeypatch.setattr(recorded_files, "MAX_UNPACKED", 100_000)
    with pytest.raises(LabError, match="unpacks to more than 100,000 bytes"):
        list(read_tables(path))
    monkeypatch.setattr(recorded_files, "_check_shape", lambda name, file: None)  # as by a head that is not true
    with pytest.raises(LabError, match="unpacks to more than 100,000 bytes"):
        list(read_tables(path))


def test_a_file_is_refused_by_its_head_before_a_list_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """17 million values at 64 bytes each are more than 1 GiB, in a file of under 200 KB."""
    flags = pa.ListArray.from_arrays([0, 17_000_000, 17_000_000], pa.array(np.zeros(17_000_000, dtype=bool)))
    path = written(tmp_path / "completions_00001.parquet", [1], flags=flags)
    assert path.stat().st_size < 200_000
    monkeypatch.setattr(recorded_files, "_bytes_of", None)  # nothing may come to be counted
    with pytest.raises(LabError, match="unpacks to more than 1,073,741,824 bytes"):
        list(read_tables(path))


def test_categories_inside_lists_are_refused_in_words(tmp_path: Path) -> None:
    inside = pa.array([["easy"], ["hard"]], pa.list_(pa.dictionary(pa.int32(), pa.string())))
    path = written(tmp_path / "completions_00001.parquet", [1], topics=inside)
    with pytest.raises(LabError, match="the column 'topics' holds categories inside lists or objects"):
        list(read_tables(path))


@pytest.mark.parametrize("kind", INSIDE)
def test_a_part_of_an_array_counts_what_stands_in_it(kind: str) -> None:
    """One of the two rows holds 1,000 values, and the list in an object is one more."""
    part = INSIDE[kind].slice(1, 1)
    assert recorded_files._inner_cells(part) == (1001 if kind == "a list in an object" else 1000)
