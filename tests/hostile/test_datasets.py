"""Data files made to crash, fill memory, reach the file system, or end up where text is interpreted."""

import gzip
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from engine.config import DataConfig
from engine.data import files, sources
from engine.data.columns import preview_file
from engine.data.examples import open_dataset
from engine.errors import DatasetError
from tests.hostile.dataset_corpus import GOOD, MB, Bad, big, small, write


def message(path: Path | str) -> str:
    """What a user is told; never anything but a DatasetError."""
    with pytest.raises(DatasetError) as caught:
        open_dataset(DataConfig(source=str(path), held_out=1), 0)
    text = str(caught.value)
    assert len(text) < 2000 and text.encode()
    return text


SMALL = small()
MEMORY, SECONDS = 200 * MB, 1.0  # beside three times the size of the file; of the processor


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, float, int, int]]:
    return measure(tmp_path_factory.mktemp("corpus"), SMALL)


def measure(folder: Path, corpus: dict[str, Bad]) -> dict[str, tuple[str, float, int, int]]:
    """What was said of each file, seconds of processor time, peak memory, and the size of the file."""
    paths = write(folder, corpus)
    command = [sys.executable, "-m", "tests.hostile.dataset_corpus", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {place: rest for place, *rest in map(json.loads, done.stdout.splitlines())}
    return {name: (*found[path.parent.name], path.stat().st_size) for name, path in paths.items()}


def check(bad: Bad, said: str, seconds: float, peak: int, size: int) -> None:
    assert bad.told in said and not said.startswith("!") and len(said) < 2000
    assert seconds <= SECONDS and peak <= 3 * size + MEMORY


def test_there_are_at_least_sixty() -> None:
    assert len(SMALL) >= 60


@pytest.mark.parametrize("name", SMALL)
def test_a_bad_file_is_told_in_words_quickly_and_in_little_memory(
    name: str, measured: dict[str, tuple[str, float, int, int]]
) -> None:
    check(SMALL[name], *measured[name])


@pytest.mark.slow  # makes and reads files of up to 50 MB
def test_a_large_bad_file_is_told_in_words_quickly_and_in_little_memory(tmp_path: Path) -> None:
    corpus = big()
    for name, found in measure(tmp_path, corpus).items():
        try:
            check(corpus[name], *found)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


def test_a_million_bad_lines_are_told_in_six(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text("{\n" * 100_000)
    lines = message(path).splitlines()
    assert (
        len(lines) == 6
        and lines[0].startswith("d.jsonl, line 1: ")
        and lines[5].startswith("… and at least 9,995 more.")
    )


def test_a_thousand_columns_too_many_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps({f"column {i}": 1}) + "\n" for i in range(1100)))
    assert "more than 1,000,000 rows and 1,000 columns" in message(path)


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_ROWS", 3)
    path = tmp_path / "d.jsonl"
    path.write_text(GOOD * 4)
    assert "more than 3 rows" in message(path)


def test_a_file_beyond_the_size_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    with path.open("wb") as file:
        file.truncate(files.MAX_BYTES + 1)  # sparse: takes no space
    assert "268,435,457 bytes, more than 268,435,456" in message(path)


def test_a_small_parquet_file_that_unpacks_to_gigabytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 10**7)
    path = tmp_path / "d.parquet"
    parquet.write_table(pa.table({"question": ["x" * 10**5] * 1000, "answer": ["1"] * 1000}), path)
    assert path.stat().st_size < 10**6
    assert "unpacks to more than 10,000,000 bytes" in message(path)


def damaged(change: Callable[[bytes], bytes], path: Path) -> Path:
    parquet.write_table(pa.table({"question": ["1+1?", "1+2?"], "answer": ["2", "3"]}), path)
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: b"PK\x03\x04" + data[4:-4] + b"PK\x03\x04",
        lambda data: data[:-8] + b"\xff\xff\xff\x7f" + data[-4:],  # a footer of 2 GB
        lambda data: data[:4] + bytes(len(data) - 300) + data[-296:],
        lambda data: b"PAR1" * 100,
    ],
    ids=["empty", "cut by one", "cut in half", "a zip's magic", "huge footer", "zeros inside", "only magic"],
)
def test_a_damaged_parquet_file_is_one_sentence(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    text = message(damaged(change, tmp_path / "d.parquet"))
    assert text.startswith("d.parquet is ") and "\n" not in text


def test_every_single_flipped_byte_of_a_parquet_file_is_data_or_an_error_never_a_crash(tmp_path: Path) -> None:
    path = damaged(lambda data: data, tmp_path / "d.parquet")
    data = path.read_bytes()
    outcomes = set()
    for position in range(0, len(data), 7):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        outcomes.add(bool(preview_file(str(path)).problems))
    assert outcomes == {True, False}


def test_parquet_text_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    parquet.write_table(pa.table({"question": bad}), path)
    assert message(path).startswith("d.parquet is not a usable Parquet file")


def test_a_csv_cell_beyond_the_limit_is_a_fault_of_its_line(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("question,answer\n" + "x" * 200_000 + ",1\n")
    assert "d.csv, line 2: is not CSV (field larger than field limit" in message(path)


def test_a_csv_header_of_thousands_of_columns_is_refused_by_their_number(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text(",".join(f"c{i}" for i in range(3000)) + "\n")
    assert "d.csv has 3,000 columns, more than 1,000" in message(path)


def test_a_parquet_file_with_the_same_column_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    columns = [pa.array(["a", "b"]), pa.array(["c", "d"])]
    parquet.write_table(pa.Table.from_arrays(columns, names=["question", "question"]), path)
    assert message(path).startswith("d.parquet has the column 'question' twice.")


def test_parquet_bytes_are_the_text_they_spell_or_a_fault_of_their_row(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    parquet.write_table(pa.table({"question": [b"1+1?", "\u00e9?".encode()], "answer": ["2", "3"]}), path)
    data = open_dataset(DataConfig(source=str(path), held_out=1), 0)
    assert [example.prompt for _, example in data.examples()] == ["1+1?", "\u00e9?"]
    parquet.write_table(pa.table({"question": [b"1+1?", b"\xff"], "answer": ["2", "3"]}), path)
    assert message(path).startswith("d.parquet, row 2: 'question' is not a text.")


def test_csv_with_nul_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes(b"question,answer\n1+\x001,2\n")
    assert "d.csv, line 2: " in message(path) and "NUL" in message(path)


@pytest.mark.parametrize(
    "path", ["/dev/zero", "/dev/stdin", "/proc/self/mem", "a\0b.jsonl", "x" * 5000, "~nobody-here/x.jsonl", "/"]
)
def test_a_path_that_is_no_data_file_is_refused_at_once(path: str) -> None:
    assert message(path)


def test_a_pipe_does_not_hang_the_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "d.jsonl")
    assert "is not a file" in message(tmp_path / "d.jsonl")


def test_markup_formats_and_formulas_stay_the_text_they_are(tmp_path: Path) -> None:
    hostile = '<img src=x onerror=alert(1)> {answer} {0.__class__} %s ${HOME} =cmd|"/c calc"!A1 \u202egnp.exe'
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps({"question": hostile, "answer": "{prompt}"}) + "\n" + GOOD)
    data = open_dataset(DataConfig(source=str(path), held_out=1, prompt_template="Q: {prompt}"), 0)
    prompts = {example.prompt: example.answer for _, example in data.examples()}
    assert prompts[f"Q: {hostile}"] == "{prompt}"


def test_a_preview_of_any_of_these_is_a_problem_not_an_exception(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    for path in write(tmp_path / "corpus", SMALL).values():
        preview = preview_file(str(path))
        assert preview.problems or preview.num_rows
    assert preview_file("a\0b").problems and preview_file("/dev/zero").problems


FOLDERS: dict[str, tuple[dict[str, str], str]] = {
    "one bad file among good ones": ({"a.jsonl": GOOD, "b.jsonl": GOOD + "{"}, "b.jsonl, line 2: is not JSON"),
    "an empty file among good ones": ({"a.jsonl": GOOD, "b.jsonl": ""}, "b.jsonl is empty."),
    "other columns in another file": (
        {"a.jsonl": GOOD, "b.csv": "prompt,label\n1+2?,3\n"},
        "a.jsonl, line 1: 'prompt' is missing.",
    ),
    "a split that is not there": ({"test.jsonl": GOOD}, "has no split 'train'; what is there: test."),
    "nothing but notes": ({"README.md": "x", "config.json": "{}"}, "has no data files."),
    "pickles": ({"data.pkl": "x", "pytorch_model.bin": "x"}, "has no data files."),
    "a script": ({"sums.py": "raise SystemExit"}, "has no data files."),
    "what save_to_disk writes": ({"state.json": "{}", "data.arrow": "x"}, "holds Arrow files"),
    "a file named like a split of nothing": ({"train.jsonl": " \n"}, "has no rows."),
    "the same file in two folders": ({"a/d.jsonl": GOOD, "b/d.jsonl": GOOD}, "has 1 different prompt"),
    "names with signs of a terminal": ({"\x1b[31m.jsonl": "{\n"}, "\\x1b[31m.jsonl, line 1: is not JSON"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_bad_folder_is_told_with_the_file_that_is_bad(name: str, tmp_path: Path) -> None:
    files, told = FOLDERS[name]
    for file, content in files.items():
        (tmp_path / "d" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / file).write_text(content)
    assert told in message(tmp_path / "d")


def test_a_folder_of_more_files_than_a_data_set_has_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_ENTRIES", 3)
    for number in range(5):
        (tmp_path / f"{number}.jsonl").write_text(GOOD)
    assert "has more than 3 files" in message(tmp_path)


def test_the_files_of_a_folder_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 100)
    for number in range(3):
        (tmp_path / f"{number}.jsonl").write_text(GOOD)
    assert f"has {3 * len(GOOD)} bytes, more than 100." in message(tmp_path)


def test_two_thousand_files_with_changed_bytes_are_data_or_a_sentence(tmp_path: Path) -> None:
    """Every format, with single bytes of a good file replaced: 400 cases of each."""
    rng = random.Random(7)
    good = {
        "d.jsonl": (GOOD * 3).encode(),
        "d.json": f"[{GOOD.strip()}, {GOOD.strip()}]".encode(),
        "d.csv": b'question,answer\n"1+1?",2\n1+2?,3\n',
        "d.tsv": b"question\tanswer\n1+1?\t2\n",
        "d.jsonl.gz": gzip.compress(GOOD.encode()),
    }
    for file, content in good.items():
        for _ in range(400):
            changed = bytearray(content)
            for _ in range(rng.randint(1, 4)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            (tmp_path / file).write_bytes(changed[: rng.randint(1, len(changed))])
            preview = preview_file(str(tmp_path / file))
            assert preview.problems or preview.num_rows
