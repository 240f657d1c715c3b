"""An export holds what the search found, whole and harmless, in each format."""

import csv
import io
import json
import math
import os
import random
import tracemalloc
from typing import Any

import pyarrow.parquet as pq
import pytest

from engine.errors import LabError, StoreError
from engine.runs import export as module
from engine.runs.export import FORMATS, Format, export, harmless
from engine.runs.reader import RunReader
from engine.runs.search_query import SearchQuery
from engine.runs.store import StoreWriter
from tests.unit.runs.records import completion, group, step

WILD = 'a "quoted", line\nnext\x00\u202e😀'


@pytest.fixture
def filled(store: StoreWriter, reader: RunReader) -> RunReader:
    rows = [
        completion(WILD, parsed="x" * 50), completion("=1+1", total=math.nan, passed=None, parsed=None),
        completion("plain", rewards={"exact": math.nan, "digits": 0.25}, errors={"exact": "timeout"}),
    ]  # fmt: skip
    store.commit_step(step(2, groups=[group(completions=rows, prompt="-4+5=", reference=None)]))
    store.commit_step(step(3, groups=[group(kind="solved", discarded="no_signal")]))
    return reader


def rows_of(kind: Format, content: bytes) -> list[dict[str, Any]]:
    if kind == "jsonl":
        return [json.loads(line) for line in content.split(b"\n")[:-1]]
    if kind == "csv":
        return list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    return list(pq.read_table(io.BytesIO(content)).to_pylist())


def exported(reader: RunReader, kind: Format, query: SearchQuery | None = None, **how: Any) -> list[dict[str, Any]]:
    out = io.BytesIO()
    done = export(reader, query or SearchQuery(), kind, out, **how)
    rows = rows_of(kind, out.getvalue())
    assert done.rows == len(rows)
    return rows


def test_jsonl_and_parquet_hold_every_value_as_it_is_stored(filled: RunReader) -> None:
    rows = exported(filled, "jsonl")
    assert rows == exported(filled, "parquet")
    assert [(row["step"], row["completion_index"]) for row in rows] == [(3, 1), (3, 0), (2, 2), (2, 1), (2, 0)]
    assert rows[-1] == {
        "step": 2, "group_index": 0, "completion_index": 0, "prompt_id": "p1", "prompt": "-4+5=", "reference": None,
        "text": WILD, "parsed": "x" * 50, "passed": True, "finish_reason": "eos", "length": 2, "total": 1.5,
        "advantage": 0.25, "mean_kl": 0.015, "mean_entropy": 0.3125, "mean_logprob": -0.375, "group_kind": "mixed",
        "discarded": None, "errors": None, "raw": None, "rewards/exact": 1.0, "rewards/digits": 0.5,
    }  # fmt: skip
    assert (rows[3]["total"], rows[3]["passed"], rows[3]["parsed"]) == (None, None, None)
    assert (rows[2]["rewards/exact"], json.loads(rows[2]["errors"])) == (None, {"exact": "timeout"})
    assert (rows[0]["group_kind"], rows[0]["discarded"]) == ("solved", "no_signal")


def test_csv_holds_the_same_with_formulas_disarmed(filled: RunReader) -> None:
    rows, plain = exported(filled, "csv"), exported(filled, "jsonl")
    assert [row["text"] for row in rows] == ["4", "9", "plain", "'=1+1", WILD]
    assert [row["prompt"] for row in rows] == ["4+5=", "4+5=", *["'-4+5="] * 3]
    assert [list(row) for row in rows] == [list(row) for row in plain]
    assert [float(row["mean_logprob"]) for row in rows] == [-0.375] * 5  # a negative number stays one
    assert rows[3]["total"] == ""


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@sum", "\t=1", "\r=1"])
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert [harmless(value) for value in ("1-1", "", None, -1.5)] == ["1-1", "", None, -1.5]


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_is_what_the_search_finds_up_to_its_cap(
    filled: RunReader, kind: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE_BYTES", 1)
    assert [row["text"] for row in exported(filled, kind, SearchQuery("plain"))] == ["plain"]
    assert len(exported(filled, kind)) == 5
    assert [row["text"] for row in exported(filled, kind, cap=3)] == ["4", "9", "plain"]
    assert exported(filled, kind, SearchQuery("nowhere")) == []


def test_an_export_that_is_cut_says_so(filled: RunReader) -> None:
    done = export(filled, SearchQuery(), "jsonl", io.BytesIO(), cap=2)
    assert done.more and done.words() == "More than 200,000 completions were found; these are the newest."
    late = export(filled, SearchQuery(), "jsonl", io.BytesIO(), seconds=-1)
    assert late.rows == 0 and "there may be more" in late.words()
    assert export(filled, SearchQuery(), "jsonl", io.BytesIO()).words() == ""


@pytest.mark.parametrize("kind", FORMATS)
def test_a_step_that_is_replaced_while_it_is_written_is_exported_as_it_was_found(
    filled: RunReader, store: StoreWriter, kind: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE_BYTES", 1)
    others = [completion(f"other {place}", rewards={"exact": 0.0, "third": 1.0}) for place in range(3)]

    class Replacing(io.BytesIO):
        def write(self, data: Any) -> int:
            store.commit_step(step(2, groups=[group(completions=others)]))
            return super().write(data)

    out = Replacing()
    export(filled, SearchQuery(step_max=2), kind, out)
    rows = rows_of(kind, out.getvalue())
    assert [row["text"].lstrip("'") for row in rows] == ["plain", "=1+1", WILD]
    assert all("rewards/third" not in row for row in rows)
    assert [row["text"] for row in exported(filled, "jsonl", SearchQuery(step_max=2))] == [
        "other 2",
        "other 1",
        "other 0",
    ]


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_ends_at_a_number_of_bytes_and_says_so(
    filled: RunReader, store: StoreWriter, kind: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE_BYTES", 1)
    many = [completion(random.Random(place).randbytes(10_000).hex()) for place in range(20)]
    store.commit_step(step(4, groups=[group(completions=many)]))
    out = io.BytesIO()
    done = export(filled, SearchQuery(), kind, out, max_bytes=50_000)
    assert done.rows == len(rows_of(kind, out.getvalue())) in (3, 4, 5)  # a row has 10 to 20 kB, compressed or not
    assert 50_000 <= len(out.getvalue()) < 100_000
    assert done.words() == f"The file is full at 0.05 MB, with the newest {done.rows} of the completions found."
    assert export(filled, SearchQuery("plain"), kind, io.BytesIO(), max_bytes=1000).words() == ""  # nothing is left out


@pytest.mark.parametrize("kind", FORMATS)
def test_long_prompts_are_not_all_in_memory_at_once(filled: RunReader, store: StoreWriter, kind: Format) -> None:
    store.commit_step(step(4, groups=[group(prompt="x" * 500_000, completions=[completion()] * 100)]))
    with open(os.devnull, "wb") as out:
        tracemalloc.start()
        rows = export(filled, SearchQuery(), kind, out).rows
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert rows == 105
    assert peak < 20_000_000  # of 50 MB; a piece of a Parquet file has 8 MB


def test_a_format_that_is_none_is_named(filled: RunReader) -> None:
    with pytest.raises(LabError, match=r"no format 'xlsx'\. There are jsonl, csv, parquet"):
        export(filled, SearchQuery(), "xlsx", io.BytesIO())  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("table", "column", "value"),
    [("completions", "total", "'abc'"), ("completions", "reward_0", "'abc'"), ("completions", "passed", "'yes'"),
     ("completions", "length", "1.5"), ("texts", "text", "x'00'"), ("groups", "prompt_id", "x'00'")],
)  # fmt: skip
def test_a_value_of_another_type_is_a_damaged_database(
    store: StoreWriter, filled: RunReader, kind: Format, table: str, column: str, value: str
) -> None:
    store._db.execute(f"UPDATE {table} SET {column} = {value}")
    with pytest.raises(StoreError, match="damaged"):
        export(filled, SearchQuery(), kind, io.BytesIO())
