"""What is left out, and orders by difficulty: by measured pass rates or by a column."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.config import DataConfig
from engine.config_io import parse_config
from engine.data.examples import Dataset, open_dataset
from engine.data.leaks import shows_answer
from engine.data.pass_rates import expected_rate, read_pass_rates
from engine.errors import ConfigError, DatasetError
from engine.runs.reader import RunReader
from tests.fakes import write_fake_run


def write(folder: Path, rows: list[dict[str, Any]]) -> str:
    path = folder / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def sums(count: int) -> list[dict[str, Any]]:
    return [{"question": f"{i}+1?", "answer": i + 1, "level": f"Level {i // 10}"} for i in range(count)]


def opened(folder: Path, rows: list[dict[str, Any]], **settings: Any) -> Dataset:
    return open_dataset(DataConfig(**{"source": write(folder, rows), "held_out": 1, **settings}), 0)


def measured(folder: Path, rows: list[dict[str, Any]], counts: list[tuple[int, int] | None]) -> str:
    """A file with the pass rates of these rows; None: not measured."""
    data = opened(folder, rows)
    ids = {example.id: count for (_, example), count in zip(data.examples(), counts, strict=True) if count}
    path = folder / "pass_rates.json"
    path.write_text(json.dumps({"ids": ids, "model": "embedded"}))
    return str(path)


def questions(data: Dataset) -> set[str]:
    return {example.question for _, example in data.examples()}


def test_only_the_first_of_equal_prompts_stays(tmp_path: Path) -> None:
    data = opened(tmp_path, sums(4) * 3, drop_duplicates=True)
    assert data.train_size == 3 and data.dropped == {"duplicates": 8}


def test_rows_that_show_their_answer_are_left_out(tmp_path: Path) -> None:
    rows = [*sums(4), {"question": "What is 2+2? Answer: 4", "answer": "4"}]
    data = opened(tmp_path, rows, drop_leaks=True)
    assert questions(data) == {row["question"] for row in sums(4)} and data.dropped == {"leaks": 1}


COUNTS: list[tuple[int, int] | None] = [(0, 8), (1, 8), (4, 8), (7, 8), (8, 8), None]


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"min_pass_rate": 0.1, "max_pass_rate": 0.9}, {1, 2, 3}),
        ({"min_pass_rate": 0.1, "max_pass_rate": 0.9, "keep_unmeasured": True}, {1, 2, 3, 5}),
        ({"min_pass_rate": 0.5, "max_pass_rate": 0.5, "keep_unmeasured": True}, {2, 5}),
        ({"max_pass_rate": 0.875}, {0, 1, 2, 3}),
        ({}, {0, 1, 2, 3, 4, 5}),
    ],
)
def test_measured_pass_rates_choose_the_prompts(tmp_path: Path, settings: dict[str, Any], kept: set[int]) -> None:
    rates = measured(tmp_path, sums(6), COUNTS)
    data = opened(tmp_path, sums(6), pass_rates=rates, **settings)
    assert questions(data) == {f"{i}+1?" for i in kept}
    assert data.dropped == ({"pass rate": 6 - len(kept)} if len(kept) < 6 else {})


def test_too_few_left_is_told_with_what_was_dropped(tmp_path: Path) -> None:
    rates = measured(tmp_path, sums(6), COUNTS)
    with pytest.raises(DatasetError, match=r"has 1 different prompt left \(5 rows were dropped: 5 by pass rate\)"):
        opened(tmp_path, sums(6), pass_rates=rates, min_pass_rate=1.0)


def epoch(data: Dataset, number: int) -> list[str]:
    size = data.train_size or 0
    return [data.train(number * size + place).question for place in range(size)]


def test_easy_prompts_come_first_and_those_never_tried_in_the_middle(tmp_path: Path) -> None:
    rates = measured(tmp_path, sums(6), COUNTS)
    data = opened(tmp_path, sums(6), pass_rates=rates, order="easy_first")
    held_out = {example.question for example in data.held_out}
    # (right + 1) / (tried + 2): 0.9, 0.8, then 0.5 for 4 of 8 and for the one never tried, 0.2, 0.1
    first = [q for q in ("4+1?", "3+1?") if q not in held_out]
    last = [q for q in ("1+1?", "0+1?") if q not in held_out]
    for number in (0, 1):
        order = epoch(data, number)
        assert order[: len(first)] == first and order[len(order) - len(last) :] == last
    hard = opened(tmp_path, sums(6), pass_rates=rates, order="hard_first")
    assert epoch(hard, 0)[: len(last)] == last[::-1]


def test_a_column_orders_too_with_ties_in_the_seeds_order(tmp_path: Path) -> None:
    data = opened(tmp_path, sums(40), order="hard_first", difficulty_column="level")
    orders = [epoch(data, number) for number in (0, 1)]
    levels = [[int(question.partition("+")[0]) // 10 for question in order] for order in orders]
    assert levels[0] == sorted(levels[0], reverse=True) == levels[1] and orders[0] != orders[1]
    again = opened(tmp_path, sums(40), order="hard_first", difficulty_column="level")
    assert [epoch(again, 1), epoch(again, 0)] == orders[::-1]


def test_a_difficulty_that_is_no_number_or_no_column_is_told(tmp_path: Path) -> None:
    rows = [*sums(3), {"question": "x", "answer": "y", "level": "hard"}]
    with pytest.raises(DatasetError, match=r"d\.jsonl, line 4: 'level' has no number"):
        opened(tmp_path, rows, order="easy_first", difficulty_column="level")
    with pytest.raises(DatasetError, match="has no column 'hardness'") as caught:
        opened(tmp_path, rows, order="easy_first", difficulty_column="hardness")
    assert caught.value.field == "data.difficulty_column"


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"ids": []}', '{"ids": {"a": [2, 1]}}', '{"ids": {"a": [0, 0]}}', '{"ids": {"a": [1.0, 2]}}',
     '{"ids": {"a": [-1, 2]}}', '{"ids": {"a": 0.5}}', '{"ids": {"a": [true, 2]}}', "[" * 99_999],
)  # fmt: skip
def test_a_file_that_holds_no_pass_rates_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "pass_rates.json").write_text(content)
    for source in (tmp_path, tmp_path / "pass_rates.json"):
        with pytest.raises(DatasetError, match=r"holds no pass rates|is not .right, tried.") as caught:
            read_pass_rates(str(source))
        assert caught.value.field == "data.pass_rates"


@pytest.mark.parametrize("source", ["/nowhere/x.json", "a\0b", "~nobody/x"])
def test_pass_rates_that_are_not_there_are_told(source: str) -> None:
    with pytest.raises(DatasetError, match="There are no pass rates at"):
        read_pass_rates(source)


def test_a_run_tells_how_often_its_prompts_were_right(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "a", steps=2)
    rates = read_pass_rates(str(paths.root))
    assert rates and all(0 <= right <= tried for right, tried in rates.values())
    completions = (
        RunReader(paths.db).completions(1)["passed"].tolist() + RunReader(paths.db).completions(2)["passed"].tolist()
    )
    assert sum(tried for _, tried in rates.values()) == sum(passed >= 0 for passed in completions)
    assert sum(right for right, _ in rates.values()) == sum(passed == 1 for passed in completions)
    (paths.root / "pass_rates.json").write_text('{"ids": {"x": [1, 2]}}')
    assert read_pass_rates(str(paths.root)) == {"x": (1, 2)}
    with pytest.raises(DatasetError, match="no completion that was judged"):
        (tmp_path / "empty").mkdir()
        read_pass_rates(str(tmp_path / "empty"))


def test_the_expected_rate_knows_how_much_was_tried() -> None:
    assert expected_rate(None) == 0.5 and expected_rate((1, 1)) == pytest.approx(2 / 3)
    assert expected_rate((63, 64)) > expected_rate((1, 1)) > expected_rate((0, 0))


@pytest.mark.parametrize(
    ("question", "answer", "leaks"),
    [
        ("12 + 2 = ?", "2", False),
        ("What is 2 + 2? Answer: 4", "4", True),
        ("What is 2 + 2? The answer is **4**.", "4", True),
        ("What is 2 + 2? The answer is 40.", "4", False),
        ("What is 2 + 2? The answer is 4.5.", "4", False),
        ("Is it so? Answer yes or no.", "yes", False),
        ("Is it so? Answer: yes/no", "yes", False),
        ("Which one? Answer: A, B, C or D", "A", False),
        ("Which one? Answer: A, because it is red.", "A", True),
        ("Which one? The answer is: A", "A", True),
        ("Say yes or no.", "yes", False),
        (r"Solve. \boxed{x+1}", "x+1", True),
        ("Solve it.\n#### 7", "7", True),
        ("Complete: the quick brown fox jumps", "The quick brown fox", True),
        ("Complete: the quick brown foxes", "the quick brown fox", False),
        ("Sort: 9, 7, 3", "3, 7, 9", False),
        ("Question", None, False),
        ("Question", "", False),
    ],
)
def test_a_leak_is_told_from_a_number_that_occurs(question: str, answer: str | None, leaks: bool) -> None:
    assert shows_answer(question, answer) is leaks


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"order": "easy_first"}, "data.order"),
        ({"min_pass_rate": 0.5}, "data.min_pass_rate"),
        ({"max_pass_rate": 0.5}, "data.max_pass_rate"),
        ({"min_pass_rate": 0.5, "max_pass_rate": 0.2, "pass_rates": "x"}, "data.min_pass_rate"),
        ({"source": "sorting", "order": "easy_first", "pass_rates": "x"}, "data.order"),
        ({"source": "sorting", "min_pass_rate": 0.2, "pass_rates": "x"}, "data.pass_rates"),
    ],
)
def test_settings_without_a_measure_are_refused(data: dict[str, Any], field: str) -> None:
    raw = {"model": {"source": "embedded"}, "rewards": [{"name": "exact_match"}], "data": {"source": "d.jsonl", **data}}
    with pytest.raises(ConfigError) as caught:
        parse_config(raw)
    assert [problem.field for problem in caught.value.problems] == [field]
