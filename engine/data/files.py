"""Reads JSONL, JSON, CSV, TSV and Parquet files into rows, within size limits. What is wrong is told by row number."""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

from engine.config_problems import repeated
from engine.errors import DatasetError

MAX_BYTES = 256 * 2**20  # of a file, and of a Parquet file's unpacked columns: rows are held in memory
MAX_ROWS = 1_000_000
MAX_COLUMNS = 1_000
MAX_CELL = 200_000  # characters; tokenizers get slow on longer texts, and no context takes them
MAX_DEPTH = 20  # of lists and objects inside a cell
SHOWN_FAULTS = 5


@dataclass
class Faults:
    """What is wrong with single rows: the first few in words, the rest as a count."""

    first: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, where: str, what: str) -> None:
        self.count += 1
        if len(self.first) < SHOWN_FAULTS:
            self.first.append(f"{where}: {what}")

    def lines(self) -> list[str]:
        rest = self.count - len(self.first)
        return [*self.first, *([f"… and {rest:,} more."] if rest else [])]

    def raise_any(self, hint: str) -> None:
        """Raises DatasetError when there is a fault."""
        if self.count:
            raise DatasetError("\n".join(self.lines()), hint=hint, field="data.source")


@dataclass(frozen=True)
class Row:
    """One row: its number in the file, from 1, and its cells as JSON would hold them."""

    number: int
    values: dict[str, Any]


@dataclass(frozen=True)
class Table:
    """The rows of a file that could be read, its columns in order of appearance, and what was wrong with other rows.

    Rows are counted in lines where the file has lines.
    """

    name: str
    unit: Literal["line", "row"]
    columns: list[str]
    rows: list[Row]
    faults: Faults

    def where(self, row: Row) -> str:
        return f"{self.name}, {self.unit} {row.number}"


class _Unusable(Exception):
    """Why a row cannot be used."""


def read_table(source: str) -> Table:
    """Read a file. Raises DatasetError when the file as a whole cannot be read."""
    path = _checked_path(source)
    kind = path.suffix.lower()
    if kind == ".json" and _text(path).lstrip()[:1] == "{":
        kind = ".jsonl"
    read = _READERS.get(kind)
    if read is None:
        kinds = ", ".join(_READERS)
        _fail(f"{path.name} is not a kind of file that can be read.", f"Use one of {kinds}.")
    unit: Literal["line", "row"] = "row" if kind in (".json", ".parquet") else "line"
    faults, rows, columns = Faults(), [], dict[str, None]()
    for number, cells in read(path):
        try:
            rows.append(Row(number, _usable(cells)))
        except _Unusable as fault:
            faults.add(f"{path.name}, {unit} {number}", str(fault))
            continue
        columns.update(dict.fromkeys(rows[-1].values))
        if len(rows) > MAX_ROWS or len(columns) > MAX_COLUMNS:
            limits = f"{MAX_ROWS:,} rows and {MAX_COLUMNS:,} columns"
            _fail(f"{path.name} has more than {limits}.", "Use a part of it.")
    if not rows and not faults.count:
        _fail(f"{path.name} has no rows.", "Choose a file with at least one example.")
    return Table(path.name, unit, list(columns), rows, faults)


def _checked_path(source: str) -> Path:
    try:
        path = Path(source).expanduser()
        is_file, size_bytes = path.is_file(), path.stat().st_size if path.exists() else 0
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL inside, no such home, no permission
        reason = error.strerror if isinstance(error, OSError) else error
        _fail(f"The data file {source[:200]!r} cannot be opened ({reason}).", "Check the path.")
    if not is_file:
        what = "is not a file" if path.exists() else "does not exist"
        _fail(f"The data file {source[:200]!r} {what}.", "Check the path, or use 'arithmetic' for built-in sums.")
    if size_bytes > MAX_BYTES:
        _fail(f"{path.name} has {size_bytes:,} bytes, more than {MAX_BYTES:,}.", "Use a part of it.")
    if size_bytes == 0:
        _fail(f"{path.name} is empty.", "Choose a file with at least one example.")
    return path


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        _fail(f"{path.name} cannot be read ({error.strerror}).", "Check its permissions.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        _fail(f"{path.name}, line {line}: the text is not UTF-8 (byte 0x{data[error.start]:02x}).", "Save it as UTF-8.")


def _read_jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            yield number, _parsed(line)


def _read_json(path: Path) -> Iterator[tuple[int, Any]]:
    value = _parsed(_text(path))
    if isinstance(value, _Unusable):
        _fail(f"{path.name} {value}", "A .json file holds a list of objects.")
    if not isinstance(value, list):
        _fail(f"{path.name} holds {_kind(value)}, not a list of objects.", "A .json file holds a list of objects.")
    yield from enumerate(value, start=1)


def _parsed(text: str) -> Any:
    """The JSON value, or what is wrong with it."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except _Unusable as fault:
        return fault
    except json.JSONDecodeError as error:
        return _Unusable(f"is not JSON ({error.msg}, column {error.colno}).")
    except ValueError:  # Python refuses to read integers of more than 4,300 digits
        return _Unusable("has a number with thousands of digits.")
    except RecursionError:
        return _Unusable(f"is nested more than {MAX_DEPTH} levels deep.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Of a name that occurs twice nobody can say which value was meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = repeated(name for name, _ in pairs) or ""
        raise _Unusable(f"has '{twice[:40]}' twice in one object.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _Unusable(f"has {name}, which is not JSON.")


def _read_csv(path: Path) -> Iterator[tuple[int, Any]]:
    text = _text(path)
    first_line = re.split(r"[\r\n]", text, maxsplit=1)[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # an open quote may swallow the rest of the file: nothing after it is certain
            yield line, _Unusable(f"is not CSV ({error}).")
            return
        if header is None:
            header = _checked_header(path, cells)
        elif cells:
            yield line, _by_name(header, cells)
        line = reader.line_num + 1


def _checked_header(path: Path, cells: list[str]) -> list[str]:
    if len(cells) > MAX_COLUMNS:
        _fail(f"{path.name} has {len(cells):,} columns, more than {MAX_COLUMNS:,}.", "Keep those that are needed.")
    header = [cell.strip() for cell in cells]
    if "" in header:
        _fail(f"{path.name}, line 1: a column has no name.", "The first line names every column once.")
    if twice := repeated(header):
        _fail(
            f"{path.name}, line 1: the column '{twice[:40]}' occurs twice.", "The first line names every column once."
        )
    return header


def _by_name(header: list[str], cells: list[str]) -> Any:
    if len(cells) != len(header):
        return _Unusable(f"has {len(cells)} cells, but the header has {len(header)}.")
    return dict(zip(header, cells, strict=True))


def _read_parquet(path: Path) -> Iterator[tuple[int, Any]]:
    import pyarrow as pa  # only here: it takes longer to import than everything else that is light
    from pyarrow import parquet

    number, size_bytes = 0, 0
    try:
        with parquet.ParquetFile(path) as file:
            if twice := repeated(file.schema_arrow.names):
                _fail(f"{path.name} has the column '{twice[:40]}' twice.", "Write it with different column names.")
            for batch in file.iter_batches(batch_size=1000):
                size_bytes += batch.nbytes
                if size_bytes > MAX_BYTES:
                    _fail(f"{path.name} unpacks to more than {MAX_BYTES:,} bytes.", "Use a part of it.")
                for cells in batch.to_pylist():
                    number += 1
                    yield number, cells
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")[:200]
        _fail(f"{path.name} is not a usable Parquet file ({reason}).", "Write or download it again.")


def _usable(cells: Any) -> dict[str, Any]:
    """The row with plain values. Raises _Unusable when it is not an object or holds what cannot be kept."""
    if isinstance(cells, _Unusable):
        raise cells
    if not isinstance(cells, dict):
        raise _Unusable(f"is {_kind(cells)}, not an object.")
    return {_checked_text(name, "a column name"): _plain(value, f"'{name[:40]}'") for name, value in cells.items()}


def _plain(value: Any, where: str, depth: int = 0) -> Any:
    """The value as JSON could hold it: dates and the like become text, NaN becomes nothing.

    Bytes that are no text, such as pictures, stay bytes: as prompt or answer they are refused.
    """
    if depth > MAX_DEPTH:
        raise _Unusable(f"{where} is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, str):
        return _checked_text(value, where)
    if isinstance(value, bytes):  # older writers of Parquet store text so
        return _decoded(value, where)
    if isinstance(value, dict):
        return {_checked_text(str(key), where): _plain(item, where, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, where, depth + 1) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else str(value)


def _decoded(data: bytes, where: str) -> str | bytes:
    try:
        return _checked_text(data.decode(), where)
    except UnicodeDecodeError:
        return data


def _checked_text(text: str, where: str) -> str:
    if len(text) > MAX_CELL:
        raise _Unusable(f"{where} has {len(text):,} characters, more than {MAX_CELL:,}.")
    if "\0" in text:
        raise _Unusable(f"{where} has a NUL character.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _Unusable(f"{where} has half a surrogate pair, which is no character.")
    return text


def _kind(value: Any) -> str:
    names: dict[type, str] = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number"}
    return names.get(type(value), json.dumps(value))  # true, false, null


def _fail(message: str, hint: str) -> NoReturn:
    raise DatasetError(message, hint=hint, field="data.source")


_READERS: dict[str, Callable[[Path], Iterator[tuple[int, Any]]]] = {
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": _read_parquet,
}
