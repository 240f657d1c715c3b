"""What is odd about data: each finding with its count and its rows, and none where there is nothing to say."""

import json
from pathlib import Path
from typing import Any

from engine.config import DataConfig
from engine.data.checks import Bin, Finding, check_examples, histogram, missing_columns
from engine.data.examples import Dataset, open_dataset


def opened(folder: Path, rows: list[dict[str, Any]], **settings: Any) -> Dataset:
    path = folder / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return open_dataset(DataConfig(**{"source": str(path), "held_out": 2, **settings}), 0)


def sums(count: int) -> list[dict[str, Any]]:
    return [{"question": f"What is {i} plus 1?", "answer": i + 1} for i in range(count)]


def found(data: Dataset) -> dict[str, Finding]:
    return {finding.key: finding for finding in check_examples(data)}


def test_good_data_have_no_findings(tmp_path: Path) -> None:
    assert check_examples(opened(tmp_path, sums(20))) == []
    assert check_examples(open_dataset(DataConfig(source="arithmetic"), 0)) == []


def test_the_same_row_again_is_a_note_with_its_lines(tmp_path: Path) -> None:
    finding = found(opened(tmp_path, [*sums(5), *sums(2)]))["duplicates"]
    assert (finding.severity, finding.count, finding.total) == ("note", 2, 7)
    assert finding.rows == ("d.jsonl, line 6", "d.jsonl, line 7") and finding.field == "data.drop_duplicates"


def test_one_prompt_with_two_answers_is_a_warning(tmp_path: Path) -> None:
    rows = [
        *sums(5),
        {"question": "What is  1 plus 1?", "answer": 3},
        {"question": "What is 1 plus 1?", "answer": " 2 "},
    ]
    finding = found(opened(tmp_path, rows))["conflicts"]
    assert (finding.severity, finding.count) == ("warning", 3)
    assert finding.message == "1 prompt has different answers in different rows."
    assert finding.rows == ("d.jsonl, line 2", "d.jsonl, line 6", "d.jsonl, line 7")


def test_an_answer_in_its_question_is_a_warning_and_at_most_five_rows_are_named(tmp_path: Path) -> None:
    leaking = [{"question": f"What is {i} plus 2? Answer: {i + 2}", "answer": i + 2} for i in range(7)]
    finding = found(opened(tmp_path, [*sums(5), *leaking]))["leaks"]
    assert (finding.severity, finding.count, len(finding.rows)) == ("warning", 7, 5)
    assert str(finding).startswith("7 of 12 questions show the right answer. (d.jsonl, line 6; ")
    assert "; …)" in str(finding)


def test_a_training_prompt_that_is_nearly_a_held_out_one_is_a_warning(tmp_path: Path) -> None:
    rows = [*sums(4), *({**row, "question": row["question"].upper()[:-1] + " ?"} for row in sums(4))]
    data = opened(tmp_path, rows, held_out=1)
    finding = found(data)["overlap"]
    assert (finding.severity, finding.count) == ("warning", 1)
    number = int(data.held_out[0].question.split()[2])
    place = rows.index({"question": data.held_out[0].question, "answer": number + 1})
    assert finding.rows == (f"d.jsonl, line {(place + 4) % 8 + 1}",)
    assert "overlap" not in found(opened(tmp_path, [{"question": q, "answer": 0} for q in ("1+1", "1-1")], held_out=1))


def test_what_was_left_out_is_a_note(tmp_path: Path) -> None:
    finding = found(opened(tmp_path, [*sums(5), *sums(2)], drop_duplicates=True))["dropped"]
    assert (finding.severity, finding.count, finding.total) == ("note", 2, 7)
    assert finding.message == "2 rows were left out: duplicates."


def test_the_worst_comes_first(tmp_path: Path) -> None:
    leak = {"question": "Say it. Answer: 5", "answer": 5}
    assert [finding.key for finding in check_examples(opened(tmp_path, [*sums(4), *sums(1), leak]))] == [
        *("leaks", "duplicates"),
    ]


def test_a_column_that_a_reward_needs_is_missed_where_it_is_missing(tmp_path: Path) -> None:
    data = opened(tmp_path, [{**row, "tests": "x"} if i else row for i, row in enumerate(sums(4))])
    some, none = missing_columns(data, {"runs": ["tests", "question"], "other": ["language"]})
    assert (some.severity, some.count, some.rows) == ("warning", 1, ("d.jsonl, line 1",))
    assert some.message == "runs needs the column 'tests', which 1 of 4 examples lack."
    assert (none.severity, none.count) == ("error", 4)


def test_a_histogram_counts_each_length_once_in_at_most_twenty_bins() -> None:
    assert histogram([]) == () and histogram([7, 7]) == (Bin(7, 7, 2),)
    assert histogram([1, 2, 2, 4]) == (Bin(1, 1, 1), Bin(2, 2, 2), Bin(3, 3, 0), Bin(4, 4, 1))
    lengths = list(range(3, 1000, 7))
    bins = histogram(lengths)
    assert len(bins) == 20 and sum(found.count for found in bins) == len(lengths)
    assert bins[0].low == 3 and bins[-1].low <= lengths[-1] <= bins[-1].high
