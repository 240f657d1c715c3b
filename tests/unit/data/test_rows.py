"""Examples from a file: rows, split, order, and what stops a run."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import DataConfig
from engine.data.examples import Dataset, open_dataset
from engine.errors import DatasetError
from engine.seeds import derive_seed


def write(folder: Path, rows: list[dict[str, Any]]) -> str:
    path = folder / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def sums(count: int) -> list[dict[str, Any]]:
    return [{"question": f"{i}+1?", "answer": i + 1} for i in range(count)]


def dataset(folder: Path, rows: list[dict[str, Any]], seed: int = 0, **settings: Any) -> Dataset:
    return open_dataset(DataConfig(**{"source": write(folder, rows), "held_out": 2, **settings}), seed)


def test_a_row_becomes_an_example(tmp_path: Path) -> None:
    data = dataset(tmp_path, sums(3))
    example = data.train(0)
    number = int(example.question.partition("+")[0])
    assert example.prompt == example.question and example.answer == str(number + 1)
    assert example.columns == {"question": example.question, "answer": str(number + 1)}
    assert data.row_of(0) == f"d.jsonl, line {number + 1}" and data.train_size == 1 and data.name == "d.jsonl"


def test_every_epoch_shows_every_training_row_once_in_another_order(tmp_path: Path) -> None:
    data = dataset(tmp_path, sums(22))
    epochs = [[data.train(epoch * 20 + i).question for i in range(20)] for epoch in range(3)]
    assert all(len(set(epoch)) == 20 for epoch in epochs)
    assert set(epochs[0]) == set(epochs[1]) == set(epochs[2]) and epochs[0] != epochs[1] != epochs[2]


def test_order_and_split_depend_on_the_seed_alone(tmp_path: Path) -> None:
    first, again, other = (dataset(tmp_path, sums(50), seed) for seed in (1, 1, 2))
    positions = [70, 3, 49, 0]
    assert [first.train(i).id for i in positions] == [again.train(i).id for i in reversed(positions)][::-1]
    assert first.held_out == again.held_out != other.held_out


def test_another_seed_orders_the_same_rows_differently(tmp_path: Path) -> None:
    rows = [{"question": f"{i}+1?", "answer": i + 1} for i in range(40)]
    by_position = [
        np.random.default_rng(derive_seed(seed, 0, "data-order")).permutation(38).tolist() for seed in (1, 2)
    ]
    assert by_position[0] != by_position[1]
    for seed in (1, 2):
        data = dataset(tmp_path, rows, seed)
        kept_out = {example.question for example in data.held_out}
        in_file = [row["question"] for row in rows if row["question"] not in kept_out]
        order = by_position[seed - 1]
        assert [data.train(i).question for i in range(38)] == [in_file[place] for place in order]


def test_held_out_prompts_are_never_trained_on_even_when_the_file_repeats_them(tmp_path: Path) -> None:
    data = dataset(tmp_path, sums(10) * 3, held_out=4)
    held_out = [example.prompt for example in data.held_out]
    assert len(set(held_out)) == 4 and data.train_size == 18
    trained = Counter(data.train(i).prompt for i in range(18))
    assert set(trained.values()) == {3} and not trained.keys() & set(held_out)


def test_too_few_rows_are_told_with_both_counts(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        dataset(tmp_path, sums(10), held_out=64)
    assert str(caught.value) == (
        "d.jsonl has 10 different prompts, so holding out 64 of them leaves none for training. Hold out at most 9."
    )
    assert caught.value.field == "data.held_out"
    with pytest.raises(DatasetError, match=r"1 different prompt, .* Use a file with more rows"):
        dataset(tmp_path, sums(1), held_out=1)


def test_a_row_without_an_answer_is_one_sentence_with_file_line_and_column(tmp_path: Path) -> None:
    rows = sums(5)
    rows[3]["answer"] = ""
    with pytest.raises(DatasetError) as caught:
        dataset(tmp_path, rows)
    assert caught.value.message == "d.jsonl, line 4: 'answer' is empty."


def test_the_first_bad_rows_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        dataset(tmp_path, [*sums(2), *({"question": "q"} for _ in range(8))])
    lines = caught.value.message.splitlines()
    assert lines[0] == "d.jsonl, line 3: 'answer' is missing." and lines[5] == "… and 3 more." and len(lines) == 6


def test_a_file_of_nothing_but_bad_rows_names_them(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text("{\n[1]\n")
    with pytest.raises(DatasetError) as caught:
        open_dataset(DataConfig(source=str(tmp_path / "d.jsonl")), 0)
    assert [line[:15] for line in caught.value.message.splitlines()] == ["d.jsonl, line 1", "d.jsonl, line 2"]


@pytest.mark.parametrize(
    ("cell", "told"), [([2], "is not a text."), ("so:\n####", "has no answer after #### or in \\boxed{}.")]
)
def test_an_answer_that_is_none_is_told(tmp_path: Path, cell: object, told: str) -> None:
    with pytest.raises(DatasetError) as caught:
        dataset(tmp_path, [*sums(4), {"question": "q", "answer": cell}])
    assert caught.value.message == f"d.jsonl, line 5: 'answer' {told}"


def test_a_file_without_answers_gives_examples_without_answers(tmp_path: Path) -> None:
    data = dataset(tmp_path, [{"prompt": f"{i}"} for i in range(4)])
    assert data.train(0).answer is None and "answer" not in data.train(0).columns


def test_the_id_depends_on_prompt_and_answer_alone(tmp_path: Path) -> None:
    plain = {example.id for _, example in dataset(tmp_path, sums(5)).examples()}
    more = {e.id for _, e in dataset(tmp_path, [{**row, "n": 1} for row in sums(5)], seed=9).examples()}
    other = {e.id for _, e in dataset(tmp_path, sums(5), prompt_template="{prompt} ").examples()}
    assert plain == more and len(plain) == 5 and not plain & other


def test_the_template_sees_every_column(tmp_path: Path) -> None:
    data = dataset(
        tmp_path, [{**row, "level": "easy"} for row in sums(4)], prompt_template="{level}: {prompt} ({question})"
    )
    assert data.train(0).prompt == f"easy: {data.train(0).question} ({data.train(0).question})"


def test_worked_solutions_as_in_gsm8k_work_as_they_are(tmp_path: Path) -> None:
    rows = [
        {
            "question": f"Ann has {n} pens and buys {n} more. How many are there?",
            "answer": f"She has {n}+{n}=<<{n}+{n}={2 * n}>>{2 * n:,} pens.\n#### {2 * n:,}",
        }
        for n in (24, 600, 3)
    ]
    data = dataset(tmp_path, rows)
    examples = [example for _, example in data.examples()]
    assert [example.answer for example in examples] == ["48", "1,200", "6"] and data.train_size == 1
    assert examples[0].question == rows[0]["question"] and examples[0].columns["answer"] == "48"
    assert examples[0].columns["answer_full"] == rows[0]["answer"]
