"""Folders, several files, and pasted rows as one table."""

import json
import os
from pathlib import Path

import pytest

from engine.config import DataConfig
from engine.config_data import DataSource, looks_like_hub
from engine.data.examples import open_dataset
from engine.data.paste import pasted_table, preview_pasted, save_pasted
from engine.data.sources import read_source
from engine.data.splits import all_shards, card_files, choose_subset, data_files, matching, split_files, split_of
from engine.errors import DatasetError


def put(path: Path, *questions: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"question": q, "answer": "1"}) + "\n" for q in questions))
    return path


def asked(source: str, **settings: str) -> list[tuple[str, str]]:
    table = read_source(DataSource(source=source, **settings))  # type: ignore[arg-type]
    return [(row.values["question"], row.where) for row in table.rows]


def test_a_folder_is_all_its_data_files_in_order(tmp_path: Path) -> None:
    put(tmp_path / "b.jsonl", "b1", "b2")
    put(tmp_path / "a.jsonl", "a1")
    put(tmp_path / "deeper" / "c.jsonl", "c1")
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "dataset_info.json").write_text("{}")
    (tmp_path / ".hidden").mkdir()
    put(tmp_path / ".hidden" / "x.jsonl", "x")
    assert asked(str(tmp_path)) == [
        *(("a1", "a.jsonl, line 1"), ("b1", "b.jsonl, line 1"), ("b2", "b.jsonl, line 2"), ("c1", "c.jsonl, line 1")),
    ]


def test_a_split_is_read_off_the_names_of_the_files(tmp_path: Path) -> None:
    put(tmp_path / "data" / "train-00000-of-00002.jsonl", "1")
    put(tmp_path / "data" / "train-00001-of-00002.jsonl", "2")
    put(tmp_path / "data" / "test-00000-of-00001.jsonl", "3")
    assert [question for question, _ in asked(str(tmp_path))] == ["1", "2"]
    assert asked(str(tmp_path), split="test") == [("3", "test-00000-of-00001.jsonl, line 1")]
    with pytest.raises(DatasetError, match="has no split 'validation'; what is there: test, train") as caught:
        asked(str(tmp_path), split="validation")
    assert caught.value.field == "data.split"


def test_several_files_are_one_table_and_each_row_knows_its_file(tmp_path: Path) -> None:
    one, two = put(tmp_path / "one.jsonl", "1"), put(tmp_path / "two.jsonl", "2", "")
    assert asked(f"{one}\n\n {two} \n")[:2] == [("1", "one.jsonl, line 1"), ("2", "two.jsonl, line 1")]
    with pytest.raises(DatasetError, match=r"two\.jsonl, line 2: 'question' is empty"):
        open_dataset(DataConfig(source=f"{one}\n{two}", held_out=1), 0)
    with pytest.raises(DatasetError, match=r"none\.jsonl' does not exist"):
        asked(f"{one}\n{tmp_path / 'none.jsonl'}")


def test_a_folder_without_data_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no data files\. It should hold"):
        asked(str(tmp_path))
    (tmp_path / "data-00000-of-00001.arrow").write_bytes(b"ARROW1")
    with pytest.raises(DatasetError, match="holds Arrow files, as `save_to_disk` writes them"):
        asked(str(tmp_path))


def test_links_round_in_a_circle_and_pipes_are_passed_by(tmp_path: Path) -> None:

    put(tmp_path / "a.jsonl", "1")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert asked(str(tmp_path)) == [("1", "a.jsonl, line 1")]


@pytest.mark.parametrize(
    ("source", "is_hub"),
    [
        ("openai/gsm8k", True), ("a/b.c-d_e", True), ("gsm8k", False), ("gsm8k/train.jsonl", False), ("/a/b", False),
        ("./a/b", False), ("a/b/c", False), ("a--b/c", False), ("a/b.parquet", False), ("", False),
    ],
)  # fmt: skip
def test_a_name_on_the_hub_is_told_from_a_path(source: str, is_hub: bool) -> None:
    assert looks_like_hub(source) is is_hub


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"), ("data/test-00000-of-00001.parquet", "test"), ("rows.jsonl", "train"),
        ("validation/0000.parquet", "validation"), ("dev.csv", "validation"), ("train/test.jsonl", "test"),
        ("constraints.jsonl", "train"),
        ("my_eval_set.csv", "test"),
    ],
)  # fmt: skip
def test_which_split_a_name_says(name: str, split: str) -> None:
    assert split_of(name) == split


def test_a_split_of_a_name_of_its_own() -> None:
    assert split_files(["extra.jsonl", "train.jsonl"], "extra", "x") == ["extra.jsonl"]


def test_what_describes_a_data_set_is_no_data() -> None:
    names = ["a.csv", "dataset_infos.json", "state.json", ".cache/x.json", "b.txt", "c.json.gz", "sub/d.PARQUET"]
    assert data_files(names) == ["a.csv", "c.json.gz", "sub/d.PARQUET"]


def test_a_card_names_the_files_of_subsets_and_splits() -> None:
    files = [{"split": "train", "path": "main/train-*"}, {"split": "test", "path": ["main/test-*", "extra.csv"]}]
    card = {"configs": [{"config_name": "main", "data_files": files}, {"config_name": "other", "data_files": "o/*"}]}
    assert card_files(card, "main", "test", "x") == ["main/test-*", "extra.csv"]
    assert card_files(card, "other", "train", "x") == ["o/*"]
    assert card_files({}, None, "train", "x") is card_files({"configs": "odd"}, None, "train", "x") is None
    for subset, told in (
        (None, "x has several subsets: main, other."),
        ("mian", "x has no subset 'mian'; its subsets"),
    ):
        with pytest.raises(DatasetError, match=told) as caught:
            card_files(card, subset, "train", "x")
        assert caught.value.field == "data.subset"
    with pytest.raises(DatasetError, match="x has no split 'dev'; what is there: train, test"):
        card_files(card, "main", "dev", "x")


def test_the_only_subset_or_the_default_one_needs_no_choice() -> None:
    assert choose_subset(["a"], None, "x") == "a" and choose_subset(["a", "b"], None, "x", "b") == "b"


def test_patterns_name_files_in_folders_too() -> None:
    names = ["main/train-0.parquet", "train.csv", "a/b/train.csv"]
    assert matching(names, ["main/train-*"]) == names[:1] and matching(names, ["**/train.csv"]) == names[1:]


def test_numbered_parts_have_to_be_all_there() -> None:
    assert all_shards(["train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "other.csv"])
    assert not all_shards(["train-00000-of-00002.parquet"])


PASTED = {
    "JSON lines": '\n{"question": "1+1?", "answer": 2}\n{"question": "1+2?", "answer": 3}',
    "a JSON list": '[{"question": "1+1?", "answer": 2}, {"question": "1+2?", "answer": 3}]',
    "CSV": "question,answer\n1+1?,2\n1+2?,3\n",
    "CSV with semicolons": "Question;Answer\n1+1?;2\n1+2?;3\n",
    "tabs": "1+1?\t2\n1+2?\t3",
    "tabs with names": "question\tanswer\n1+1?\t2\n1+2?\t3",
}


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\x0b", "\x1c"])
def test_only_line_ends_part_pasted_rows(separator: str) -> None:
    rows = pasted_table(f"one{separator}two?\tyes\r\nthree?\tno\r").rows
    assert [tuple(row.values.values()) for row in rows] == [(f"one{separator}two?", "yes"), ("three?", "no")]
    assert [row.number for row in rows] == [1, 2]


@pytest.mark.parametrize("form", PASTED)
def test_pasted_rows_become_a_file(form: str, tmp_path: Path) -> None:
    path = save_pasted(PASTED[form], tmp_path / "uploads")
    data = open_dataset(DataConfig(source=str(path), held_out=1), 0)
    assert [(example.question, example.answer) for _, example in data.examples()] == [("1+1?", "2"), ("1+2?", "3")]
    assert save_pasted(PASTED[form], tmp_path / "uploads") == path and len(list(path.parent.iterdir())) == 1
    assert preview_pasted(PASTED[form]).examples == [("1+1?", "2"), ("1+2?", "3")]


def test_quotes_in_lines_with_tabs_are_part_of_the_text() -> None:
    (row,) = pasted_table('"Hello," he said\tgreeting').rows
    assert row.values == {"question": '"Hello," he said', "answer": "greeting"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is nothing yet"),
        (" \n", "there is nothing yet"),
        ("just a question", "Pasted rows: line 1 names no column and has no tab"),
        ("\n\njust a question", "Pasted rows: line 3 names no column and has no tab"),
        ("question,answer\n", "there is no row below the column names"),
        ("question,answer\n1,2\n1,2,3", "Pasted rows, line 3: has 3 cells, but the header has 2."),
        ("\nquestion,answer\n1,2,3", "Pasted rows, line 3: has 3 cells, but the header has 2."),
        ("a\tb\nc", "Pasted rows, line 2: has 1 cells, and should have two"),
        ("a\tb\n\nc\td\te", "Pasted rows, line 3: has 3 cells, and should have two"),
        ('{"question": "a"}\n{"question"', "Pasted rows, line 2: is not JSON"),
        ('[{"question": "a"}', "Pasted rows, row 2: is not JSON"),
    ],
)
def test_pasted_rows_that_cannot_be_used_are_told_by_line(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        save_pasted(text, tmp_path)
    assert told in str(caught.value) and not list(tmp_path.iterdir())
    assert told in " ".join(preview_pasted(text).problems)
