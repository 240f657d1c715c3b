"""Rewards that compare need answers to compare with."""

import json
from pathlib import Path

import pytest

from engine.config import DataConfig, RewardSpec
from engine.data.answers import check_answers, count_numbers
from engine.data.examples import Dataset, open_dataset
from engine.errors import DatasetError


def answered(folder: Path, answers: list[str] | None) -> Dataset:
    rows = [{"prompt": f"{i}?", **({"answer": answers[i]} if answers else {})} for i in range(3)]
    path = folder / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return open_dataset(DataConfig(source=str(path), held_out=1), 0)


def test_a_reward_that_compares_needs_an_answer_column(tmp_path: Path) -> None:
    data = answered(tmp_path, None)
    check_answers([RewardSpec(name="digits_only")], data)
    with pytest.raises(
        DatasetError, match=r"d\.jsonl has no column that looks like an answer, and exact_match"
    ) as caught:
        check_answers([RewardSpec(name="digits_only"), RewardSpec(name="exact_match")], data)
    assert caught.value.field == "data.answer_column"


def test_a_numeric_reward_needs_at_least_one_number(tmp_path: Path) -> None:
    rewards = [RewardSpec(name="numeric_match")]
    with pytest.raises(DatasetError, match="no reference answer is a number, and numeric_match needs numbers"):
        check_answers(rewards, answered(tmp_path, ["a", "b", "c"]))
    data = answered(tmp_path, ["a", "1,000", "#### 7"])
    check_answers(rewards, data)
    assert count_numbers(data) == (2, 3)
