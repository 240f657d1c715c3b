"""The result of a search as a file: JSONL, CSV or Parquet, a row for each completion, written as it is read.

Columns are the same in all three. Groups and completions count from 0, as in run.db. In CSV, text that begins with
=, +, -, @, a tab or a carriage return gets an apostrophe in front: a spreadsheet would take it for a formula.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import LabError
from engine.runs.columns import checked
from engine.runs.reader import RunReader
from engine.runs.schema import REWARD_COLUMNS
from engine.runs.search import Found, find
from engine.runs.search_query import SearchQuery

Format = Literal["jsonl", "csv", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
MIME: dict[Format, str] = {
    "jsonl": "application/jsonl", "csv": "text/csv", "parquet": "application/vnd.apache.parquet",
}  # fmt: skip
EXPORT_CAP = 200_000  # rows of a file
TIME_LIMIT_S = 60.0  # for the search; what is found is then written, however long it takes
CHUNK = 1_000  # completions that are in memory at once
FORMULA = ("=", "+", "-", "@", "\t", "\r")

_TEXT, _WHOLE, _REAL, _YES_NO = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_COLUMNS: dict[str, tuple[str, pa.DataType]] = {  # name in the file: where it is, and what
    "step": ("completions.step", _WHOLE), "group_index": ("completions.group_index", _WHOLE),
    "completion_index": ("completions.completion_index", _WHOLE), "prompt_id": ("groups.prompt_id", _TEXT),
    "prompt": ("groups.prompt", _TEXT), "reference": ("groups.reference", _TEXT), "text": ("texts.text", _TEXT),
    "parsed": ("coalesce(texts.parsed, completions.parsed)", _TEXT), "passed": ("completions.passed", _YES_NO),
    "finish_reason": ("completions.finish_reason", _TEXT), "length": ("completions.length", _WHOLE),
    "total": ("completions.total", _REAL), "advantage": ("completions.advantage", _REAL),
    "mean_kl": ("completions.mean_kl", _REAL), "mean_entropy": ("completions.mean_entropy", _REAL),
    "mean_logprob": ("completions.mean_logprob", _REAL), "group_kind": ("groups.kind", _TEXT),
    "discarded": ("groups.discarded", _TEXT), "errors": ("texts.errors", _TEXT),
}  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """How many rows were written. `more`: there are more hits than fit; `note`: what was not searched, in words."""

    rows: int
    more: bool
    note: str

    def words(self) -> str:
        """What a reader should know about the file besides its size."""
        cut = f"More than {EXPORT_CAP:,} completions were found; these are the newest." if self.more else ""
        return f"{cut} {self.note}".strip()


def export(
    reader: RunReader, query: SearchQuery, kind: Format, out: IO[bytes], *, cap: int = EXPORT_CAP,
    seconds: float = TIME_LIMIT_S,
) -> Exported:  # fmt: skip
    """Write what a query finds to a binary file, newest first, at most `cap` rows.

    Raises LabError for a format that is none, and what `find` raises.
    """
    if kind not in FORMATS:
        raise LabError(f"There is no format {str(kind)[:20]!r}.", hint=f"There are {', '.join(FORMATS)}.")
    with reader.snapshot() as moment:  # a step may be replayed meanwhile: its new texts have the keys of the old ones
        found = find(moment, query, limit=cap, seconds=seconds)
        rows = _write(moment, found, kind, out)
    return Exported(rows, found.more, found.note)


def export_rows(reader: RunReader, keys: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The rows of these completions, in their order; of keys that are not stored there are none.

    A replayed step has the keys of the one that it replaced: ask within the snapshot in which they were found.
    """
    rewards = dict(zip(REWARD_COLUMNS, (f"rewards/{name}" for name in reader.reward_functions()), strict=False))
    columns = [f"{source} AS {name}" for name, (source, _) in _COLUMNS.items()] + [f"completions.{c}" for c in rewards]
    sql = (
        "WITH chosen (place, id) AS MATERIALIZED (SELECT key, value FROM json_each(?)) "
        f"SELECT {', '.join(columns)} FROM chosen CROSS JOIN completions USING (id) CROSS JOIN texts USING (id) "
        "CROSS JOIN groups USING (step, group_index) ORDER BY place"
    )
    remaining = iter(keys)
    while chunk := list(islice(remaining, CHUNK)):
        with reader.database() as db:
            fetched = [checked([*_COLUMNS, *rewards], row) for row in db.execute(sql, (json.dumps(chunk),))]
        for row in fetched:
            passed = None if row["passed"] is None else bool(row["passed"])
            yield {rewards.get(name, name): value for name, value in row.items()} | {"passed": passed}


def _write(reader: RunReader, found: Found, kind: Format, out: IO[bytes]) -> int:
    rows = export_rows(reader, found.keys)
    if kind == "jsonl":
        return _write_jsonl(rows, out)
    names = [*_COLUMNS, *(f"rewards/{name}" for name in reader.reward_functions())]
    return _write_csv(rows, names, out) if kind == "csv" else _write_parquet(rows, names, out)


def _write_jsonl(rows: Iterator[dict[str, Any]], out: IO[bytes]) -> int:
    count = 0
    for row in rows:
        out.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        count += 1
    return count


def _write_csv(rows: Iterator[dict[str, Any]], names: Sequence[str], out: IO[bytes]) -> int:
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    writer, count = csv.writer(text), 0
    writer.writerow(names)
    for row in rows:
        writer.writerow([harmless(value) for value in row.values()])
        count += 1
    text.detach()
    return count


def harmless(value: Any) -> Any:
    """A cell that no spreadsheet reads as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _write_parquet(rows: Iterator[dict[str, Any]], names: Sequence[str], out: IO[bytes]) -> int:
    schema = pa.schema([(name, _COLUMNS[name][1] if name in _COLUMNS else _REAL) for name in names])
    count = 0
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        while chunk := list(islice(rows, CHUNK)):
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))
            count += len(chunk)
    return count
