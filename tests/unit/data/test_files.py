"""Reading files into rows: every kind, and what is said about rows and files that cannot be used."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from engine.config_data import DataSource
from engine.data import files
from engine.data.sources import read_source
from engine.data.table import Table
from engine.errors import DatasetError

ROWS = [{"question": "1+1?", "answer": "2"}, {"question": "zwölf −\n3?", "answer": "9"}]


def read_table(source: str) -> Table:
    return read_source(DataSource(source=source))


def read(folder: Path, name: str, content: str | bytes) -> Table:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(str(path))


def values(table: Table) -> list[dict[str, Any]]:
    return [row.values for row in table.rows]


def jsonl(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_the_same_rows_come_from_every_kind_of_file(tmp_path: Path) -> None:
    csv_text = 'question,answer\r\n1+1?,2\r\n"zwölf −\n3?",9\r\n'
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "d.parquet")
    tables = [
        read(tmp_path, "d.jsonl", jsonl(ROWS)),
        read(tmp_path, "d.ndjson", jsonl(ROWS)),
        read(tmp_path, "d.json", json.dumps(ROWS)),
        read(tmp_path, "e.json", jsonl(ROWS)),
        read(tmp_path, "d.csv", csv_text),
        read(tmp_path, "d.tsv", csv_text.replace(",", "\t")),
        read_table(str(tmp_path / "d.parquet")),
    ]
    for table in tables:
        assert values(table) == ROWS and table.columns == ["question", "answer"] and table.faults.count == 0


def test_rows_are_numbered_by_line_where_there_are_lines(tmp_path: Path) -> None:
    table = read(tmp_path, "d.jsonl", "\n" + jsonl(ROWS[:1]) + "\n\n" + jsonl(ROWS[1:]))
    assert [row.where for row in table.rows] == ["d.jsonl, line 2", "d.jsonl, line 5"]
    table = read(tmp_path, "d.csv", 'q,a\n"two\nlines",1\nx,2\n')
    assert [row.number for row in table.rows] == [2, 4]
    table = read(tmp_path, "d.json", json.dumps(ROWS, indent=1))
    assert table.rows[1].where == "d.json, row 2"


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    assert values(read(tmp_path, "d.csv", b"\xef\xbb\xbfquestion,answer\r\na,b\r\n")) == [
        {"question": "a", "answer": "b"}
    ]
    assert values(read(tmp_path, "d.jsonl", b'\xef\xbb\xbf{"a": 1}\r\n')) == [{"a": 1}]


def test_a_semicolon_or_tab_may_separate_csv_columns(tmp_path: Path) -> None:
    assert values(read(tmp_path, "d.csv", "q;a\n1,5+1;2,5\n")) == [{"q": "1,5+1", "a": "2,5"}]


def test_a_tsv_file_is_separated_by_tabs_however_many_commas_its_header_has(tmp_path: Path) -> None:
    table = read(tmp_path, "d.tsv", "q\ta,b,c,d\n1\t2\n")
    assert values(table) == [{"q": "1", "a,b,c,d": "2"}]


def test_columns_are_those_of_all_rows_in_order_of_appearance(tmp_path: Path) -> None:
    assert read(tmp_path, "d.jsonl", jsonl([{"b": 1}, {"a": 2, "b": 1}])).columns == ["b", "a"]


def test_parquet_values_become_what_json_can_hold(tmp_path: Path) -> None:
    from datetime import date
    from decimal import Decimal

    row = {"day": date(2026, 1, 2), "price": Decimal("1.50"), "nan": float("nan"), "raw": b"\xff", "list": [1, None]}
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "d.parquet")
    expected = {"day": "2026-01-02", "price": "1.50", "nan": None, "raw": b"\xff", "list": [1, None]}
    assert values(read_table(str(tmp_path / "d.parquet"))) == [expected]


def test_large_cells_are_unpacked_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    batches = parquet.ParquetFile.iter_batches

    def noting(file: Any, batch_size: int) -> Iterator[Any]:
        sizes.append(batch_size)
        return batches(file, batch_size)

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", noting)
    monkeypatch.setattr(files, "BATCH_BYTES", 1_000_000)
    rows = [{"question": f"{place}" * 400_000, "answer": "1"} for place in range(9)]
    for name, shared in (("plain", False), ("shared", True)):
        parquet.write_table(
            pa.Table.from_pylist(rows[:1] * 9 if shared else rows), tmp_path / f"{name}.parquet", use_dictionary=shared,
            compression="none",
        )  # fmt: skip
    table = read_table(str(tmp_path / "plain.parquet"))
    assert table.faults.first[0] == ("plain.parquet, row 1: 'question' has 400,000 characters, more than 200,000.")
    monkeypatch.setattr(files, "MAX_BYTES", 1_500_000)  # a chunk with a dictionary: each row may be as large
    with pytest.raises(DatasetError, match="unpacks to more than 1,500,000 bytes"):
        read_table(str(tmp_path / "shared.parquet"))
    assert sizes == [2, 3]


def test_a_parquet_file_whose_rows_share_one_huge_cell_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = pa.DictionaryArray.from_arrays(pa.array([0] * 50, pa.int32()), pa.array(["a" * (33 * 2**20)]))
    path = tmp_path / "d.parquet"
    parquet.write_table(pa.table({"question": huge}), path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", lambda *_args, **_kwargs: pytest.fail("it was unpacked"))
    with pytest.raises(DatasetError, match="unpacks to more than"):
        read_table(str(path))


def test_bad_rows_are_told_with_their_line_and_good_ones_kept(tmp_path: Path) -> None:
    lines = ['{"a": 1}', "{", "[1]", '{"a": NaN}', '{"a": 1', '"text"', "true", '{"a": "\\u0000"}', '{"a": 2}']
    table = read(tmp_path, "d.jsonl", "\n".join(lines))
    assert values(table) == [{"a": 1}, {"a": 2}]
    assert table.faults.count == 7
    assert table.faults.lines() == [
        "d.jsonl, line 2: is not JSON (Expecting property name enclosed in double quotes, column 2).",
        "d.jsonl, line 3: is a list, not an object.",
        "d.jsonl, line 4: has NaN, which is not JSON.",
        "d.jsonl, line 5: is not JSON (Expecting ',' delimiter, column 8).",
        "d.jsonl, line 6: is a text, not an object.",
        "… and 2 more.",
    ]


@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"x": ', "}")])
def test_a_cell_may_be_nested_twenty_deep(tmp_path: Path, left: str, right: str) -> None:
    lines = [f'{{"a": {left * depth}1{right * depth}}}' for depth in (20, 21)]
    table = read(tmp_path, "d.jsonl", "\n".join(lines))
    assert values(table) == [json.loads(lines[0])]
    assert table.faults.lines() == ["d.jsonl, line 2: 'a' is nested more than 20 levels deep."]


def test_a_file_that_must_not_be_read_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DatasetError, match=r"d\.jsonl cannot be read \(Permission denied\)"):
        read(tmp_path, "d.jsonl", "x")


def test_a_ragged_csv_row_is_told_with_both_counts(tmp_path: Path) -> None:
    table = read(tmp_path, "d.csv", "q,a\n1,2,3\n4,5\n6\n")
    assert values(table) == [{"q": "4", "a": "5"}]
    assert table.faults.lines() == [
        "d.csv, line 2: has 3 cells, but the header has 2.",
        "d.csv, line 4: has 1 cell, but the header has 2.",
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('[{"a": 1}, {"a": 2', "row 2: is not JSON (Expecting ',' delimiter)."),
        ('[{"a": 1}', "row 2: is not JSON (after entry 1: the list is not closed)."),
        ('[{"a": 1} {"a": 2}]', "row 2: is not JSON (after entry 1: '{')."),
        ('[{"a": 1},]', "row 2: is not JSON (Expecting value)."),
        ('[{"a": 1}] x', "row 2: is not JSON (after entry 1: more text after the list)."),
        ('[{"a": 1}, {"a": 1, "a": 2}, {"a": NaN}, 4, {}, {"a": 6}]', "row 2: has 'a' twice in one object."),
    ],
)
def test_the_entries_of_a_json_list_are_told_by_their_number(tmp_path: Path, content: str, told: str) -> None:
    table = read(tmp_path, "d.json", content)
    assert table.rows[0].values == {"a": 1} and table.faults.first[0] == f"d.json, {told}"
    assert table.faults.count == (4 if "NaN" in content else 1)


def test_one_object_that_holds_a_list_of_objects_is_that_list(tmp_path: Path) -> None:
    table = read(tmp_path, "d.json", json.dumps({"version": 1, "data": ROWS}, indent=1))
    assert values(table) == ROWS and table.rows[1].where == "d.json, row 2"
    assert values(read(tmp_path, "d.json", '{"a":\n 1}')) == [{"a": 1}]


def test_a_packed_file_is_read_as_what_is_in_it(tmp_path: Path) -> None:
    table = read(tmp_path, "d.jsonl.gz", gzip.compress(jsonl(ROWS).encode()))
    assert values(table) == ROWS and table.rows[1].where == "d.jsonl.gz, line 2"


def test_an_open_quote_is_a_fault_of_the_line_it_opens_on(tmp_path: Path) -> None:
    table = read(tmp_path, "d.csv", 'q,a\n1,2\n"3,4\n5,6\n')
    assert values(table) == [{"q": "1", "a": "2"}]
    assert table.faults.lines() == ["d.csv, line 3: is not CSV (unexpected end of data)."]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.jsonl", "", "d.jsonl is empty."),
        ("d.csv", "question,answer\n", "d.csv has no rows."),
        ("d.json", "[]", "d.json has no rows."),
        ("d.json", "3", "d.json holds a number, not a list of objects."),
        ("d.txt", "x", "d.txt is not a kind of file that can be read."),
        ("d.csv", "a,a\n1,2\n", "d.csv, line 1: the column 'a' occurs twice."),
        ("d.csv", "a,\n1,2\n", "d.csv, line 1: a column has no name."),
        ("d.jsonl", b'{"a": 1}\n{"a": "\xe4"}', "d.jsonl, line 2: the text is not UTF-8 (byte 0xe4)."),
        ("d.csv", "a,b\n1,2\n".encode("utf-16"), "d.csv, line 1: the text looks like UTF-16."),
        ("d.parquet", b"not parquet at all, but long enough", "d.parquet is not a usable Parquet file"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, name, content)
    assert caught.value.message.startswith(message) and "\n" not in str(caught.value)
    assert caught.value.hint and caught.value.field == "data.source"


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"The data file '.*none\.jsonl' does not exist"):
        read_table(str(tmp_path / "none.jsonl"))
    with pytest.raises(DatasetError, match=r"The folder '.*' has no data files"):
        read_table(str(tmp_path))


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "d.jsonl").write_text('{"a": 1}')
    assert values(read_table("~/d.jsonl")) == [{"a": 1}]
