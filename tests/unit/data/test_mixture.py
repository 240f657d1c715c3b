"""Mixtures: who has his turn when, what is held out, and where an example is from."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.config import DataConfig
from engine.data.examples import Dataset, open_dataset
from engine.data.mixture import _pattern, apportioned, block_shares
from engine.errors import DatasetError


def rows(folder: Path, name: str, count: int, **extra: Any) -> str:
    path = folder / name
    path.write_text("".join(json.dumps({"q": f"{name} {i}", "a": i, **extra}) + "\n" for i in range(count)))
    return str(path)


def mixture(folder: Path, seed: int = 0, held_out: int = 8, **first: Any) -> Dataset:
    """Sums, twice as many rows of one file, and as many of another."""
    columns = {"prompt_column": "q", "answer_column": "a"}
    others = [
        {"source": rows(folder, "two.jsonl", 40), "weight": 2.0, "prompt_template": "2: {prompt}", **columns},
        {"source": rows(folder, "one.jsonl", 30, data_source="its own"), **columns},
    ]
    return open_dataset(
        DataConfig.model_validate({"source": "arithmetic", "mixture": others, "held_out": held_out, **first}), seed
    )


def sources(data: Dataset, positions: range) -> Counter[str]:
    return Counter(data.train(i).columns["data_source"] for i in positions)


def test_every_stretch_of_positions_has_its_shares(tmp_path: Path) -> None:
    data = mixture(tmp_path)
    for start in (0, 4, 400, 1236):
        assert sources(data, range(start, start + 8)) == {"arithmetic": 2, "two.jsonl": 4, "its own": 2}


def test_an_example_depends_on_its_position_alone(tmp_path: Path) -> None:
    data, again, other = mixture(tmp_path, 1), mixture(tmp_path, 1), mixture(tmp_path, 2)
    assert [data.train(i).id for i in (90, 3, 4)] == [again.train(i).id for i in (4, 3, 90)][::-1]
    assert [data.train(i).id for i in range(9)] != [other.train(i).id for i in range(9)]
    assert data.held_out == again.held_out != other.held_out


def test_each_source_goes_through_all_its_rows_before_it_begins_anew(tmp_path: Path) -> None:
    data = mixture(tmp_path)
    asked = [data.train(i).prompt for i in range(72)]
    of_two = [prompt for prompt in asked if prompt.startswith("2: ")]
    assert len(of_two) == 36 == len(set(of_two))  # 40 rows, 4 of them held out
    assert data.row_of(0).startswith("two.jsonl, line ") and data.train_size is None


def test_the_held_out_set_is_mixed_in_the_same_shares(tmp_path: Path) -> None:
    data = mixture(tmp_path)
    for start in (0, 4):
        found = Counter(e.columns["data_source"] for e in data.held_out[start : start + 4])
        assert found == {"arithmetic": 1, "two.jsonl": 2, "its own": 1}


def test_what_one_source_holds_out_no_other_trains_on(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    sums = [f'{{"prompt": "{a}+{b}=", "answer": "{a + b}"}}\n' for a in range(30) for b in range(30)]
    path.write_text("".join(sums))
    config = {"source": str(path), "mixture": [{"source": str(path)}, {"source": "arithmetic"}], "held_out": 90}
    data = open_dataset(DataConfig.model_validate(config), 0)
    held_out = {example.prompt for example in data.held_out}
    assert len(held_out) >= 80 and not held_out & {data.train(i).prompt for i in range(3000)}


def test_sources_of_one_name_are_told_apart(tmp_path: Path) -> None:
    config = {"source": "arithmetic", "mixture": [{"source": "arithmetic", "params": {"digits": 3}}]}
    data = open_dataset(DataConfig.model_validate(config), 0)
    assert sources(data, range(6)) == {"arithmetic": 3, "arithmetic (2)": 3}
    assert data.name == "arithmetic + arithmetic (2)"


def test_fewer_held_out_examples_than_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="2 held-out examples cannot come from 3 sources"):
        mixture(tmp_path, held_out=2)


@pytest.mark.parametrize(
    ("weights", "total", "parts"),
    [
        ([1, 1], 5, [3, 2]),
        ([2, 1, 1], 8, [4, 2, 2]),
        ([1000, 1, 1], 10, [8, 1, 1]),  # never nothing
        ([0.5, 0.3, 0.2], 10, [5, 3, 2]),
        ([1, 1, 1], 3, [1, 1, 1]),
    ],
)
def test_a_total_is_shared_out_in_whole_parts(weights: list[float], total: int, parts: list[int]) -> None:
    assert apportioned(weights, total) == parts


def test_turns_are_spread_evenly() -> None:
    assert block_shares([1, 2, 1]) == [1, 2, 1] and block_shares([0.75, 0.25]) == [3, 1]
    assert _pattern([1, 2, 1]) == [1, 0, 2, 1] and _pattern([3, 1]) == [0, 0, 1, 0]
