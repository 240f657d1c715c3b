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
from typing import IO, Any, Literal, cast, get_args

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
EXPORT_BYTES = 100_000_000  # of a file that has to be in memory as a whole, as a page needs it for a download
PIECE_ROWS, PIECE_BYTES = 1_000, 8_000_000  # of a Parquet file, that are in memory at once: rows, and their text
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
    "discarded": ("groups.discarded", _TEXT), "errors": ("texts.errors", _TEXT), "raw": ("texts.raw", _TEXT),
}  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """How many rows were written. `more`: there are more hits than fit; `note`: what was not searched, in words.

    `full_at`: the number of bytes at which the file ended before all that was found was written; None: it did not.
    """

    rows: int
    more: bool
    note: str
    full_at: int | None = None

    def words(self) -> str:
        """What a reader should know about the file besides its size."""
        cut = f"More than {EXPORT_CAP:,} completions were found; these are the newest." if self.more else ""
        if self.full_at is not None:
            size = f"{self.full_at / 1e6:g} MB"
            cut = f"The file is full at {size}, with the newest {self.rows:,} of the completions found."
        return f"{cut} {self.note}".strip()


def export(
    reader: RunReader, query: SearchQuery, kind: Format, out: IO[bytes], *, cap: int = EXPORT_CAP,
    seconds: float = TIME_LIMIT_S, max_bytes: int | None = None,
) -> Exported:  # fmt: skip
    """Write what a query finds to a binary file, newest first, at most `cap` rows.

    max_bytes: the file ends with the row, in Parquet with the piece, that reaches it; None: it may have any size.
    Raises LabError for a format that is none, and what `find` raises.
    """
    if kind not in FORMATS:
        raise LabError(f"There is no format {str(kind)[:20]!r}.", hint=f"There are {', '.join(FORMATS)}.")
    with reader.snapshot() as moment:  # a step may be replayed meanwhile: its new texts have the keys of the old ones
        found = find(moment, query, limit=cap, seconds=seconds)
        target = _Target(out, max_bytes)
        rows = _write(moment, found, kind, target)
    return Exported(rows, found.more, found.note, max_bytes if target.is_full else None)


def export_rows(reader: RunReader, keys: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The rows of these completions, in their order; of keys that are not stored there are none.

    A replayed step has the keys of the one that it replaced: ask within the snapshot in which they were found.
    """
    rewards = dict(zip(REWARD_COLUMNS, (f"rewards/{name}" for name in reader.reward_functions()), strict=False))
    columns = [f"{source} AS {name}" for name, (source, _) in _COLUMNS.items()] + [f"completions.{c}" for c in rewards]
    sql = (
        f"SELECT {', '.join(columns)} FROM completions CROSS JOIN texts USING (id) "
        "CROSS JOIN groups USING (step, group_index) WHERE id = ?"
    )
    with reader.database() as db:
        for key in keys:  # one by one: a prompt may have a million characters, and is in each row of its group
            for values in db.execute(sql, (key,)):
                row = checked([*_COLUMNS, *rewards], values)
                passed = None if row["passed"] is None else bool(row["passed"])
                yield {rewards.get(name, name): value for name, value in row.items()} | {"passed": passed}


class _Target(io.BufferedIOBase):
    """The file that is written, with the bytes that went there: `out` may be a pipe, which cannot say."""

    def __init__(self, out: IO[bytes], limit: int | None) -> None:
        self._out, self._limit = out, limit
        self._written = 0
        self.is_full = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._out.write(data)
        size = memoryview(data).nbytes
        self._written += size
        return size

    def tell(self) -> int:
        return self._written

    def while_there_is_room(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The rows up to the limit. `is_full` when some are left out."""
        for row in rows:
            if self._limit is not None and self._written >= self._limit:
                self.is_full = True
                return
            yield row


def _write(reader: RunReader, found: Found, kind: Format, out: _Target) -> int:
    rows = out.while_there_is_room(export_rows(reader, found.keys))
    if kind == "jsonl":
        return _write_jsonl(rows, out)
    names = [*_COLUMNS, *(f"rewards/{name}" for name in reader.reward_functions())]
    return _write_csv(rows, names, out) if kind == "csv" else _write_parquet(rows, names, out)


def _write_jsonl(rows: Iterator[dict[str, Any]], out: _Target) -> int:
    count = 0
    for row in rows:
        out.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        count += 1
    return count


def _write_csv(rows: Iterator[dict[str, Any]], names: Sequence[str], out: _Target) -> int:
    text = io.TextIOWrapper(cast("IO[bytes]", out), encoding="utf-8", newline="", write_through=True)
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


def _write_parquet(rows: Iterator[dict[str, Any]], names: Sequence[str], out: _Target) -> int:
    schema = pa.schema([(name, _COLUMNS[name][1] if name in _COLUMNS else _REAL) for name in names])
    count = 0
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        while piece := _piece(rows):
            writer.write_table(pa.Table.from_pylist(piece, schema=schema))
            count += len(piece)
    return count


def _piece(rows: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """The next rows, until they have PIECE_BYTES of text."""
    piece: list[dict[str, Any]] = []
    size = 0
    for row in islice(rows, PIECE_ROWS):
        piece.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str))
        if size >= PIECE_BYTES:
            break
    return piece
