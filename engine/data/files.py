"""Reads JSONL, JSON, CSV, TSV and Parquet files into rows, within size limits. What is wrong is told by row number.

The text formats may be packed with gzip. Nothing in a file is run, and nothing in it names another file.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from engine.config_problems import repeated
from engine.data.cells import MAX_DEPTH, Decoder, Unusable, kind_of, parsed, usable
from engine.data.table import MAX_FAULTS, Faults, Place, Row, Table, fail

MAX_BYTES = 256 * 2**20  # of all files of a source, and of what they unpack to: rows are held in memory
MAX_ROWS = 1_000_000
MAX_COLUMNS = 1_000
BATCH = 12  # rows of a Parquet file that are unpacked at once, fewer where they are large
BATCH_BYTES = 32 * 2**20  # that those are to have at most, by the mean of their row group
ROWS_APART_BYTES = 4 * 2**20  # of a batch from which on its rows become Python values one by one
READ_BYTES = 2**20  # of a Parquet file that are read ahead
# A packed file that grows more than this, and beyond so many bytes, was made to fill memory.
MAX_GROWTH, SMALL_BYTES = 30, 32 * 2**20

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
Numbered = Iterator[tuple[int, Any]]  # row numbers and what stands there: cells by name, or an Unusable
Read = tuple[Literal["line", "row"], Numbered]  # with what the numbers count


def read_files(paths: Iterable[Path], name: str) -> Table:
    """Read files one after the other. Raises DatasetError when one of them as a whole cannot be read."""
    faults, rows, columns, size_bytes = Faults(), list[Row](), dict[str, None](), 0
    for path in paths:
        size_bytes += checked_size(path)
        if size_bytes > MAX_BYTES:
            fail(f"{name} has {size_bytes:,} bytes, more than {MAX_BYTES:,}.", "Use a part of it.")
        place, cells = _open(path)
        add_rows(place, cells, rows, columns, faults)
    if not rows and not faults.count:
        fail(f"{name} has no rows.", "Choose a file with at least one example.")
    return Table(name, list(columns), rows, faults)


def add_rows(place: Place, cells: Numbered, rows: list[Row], columns: dict[str, None], faults: Faults) -> None:
    """Put what can be used to the rows, and what cannot to the faults. Raises DatasetError beyond the limits."""
    for number, values in cells:
        try:
            rows.append(Row(number, usable(values), place))
        except Unusable as fault:
            faults.add(f"{place.name}, {place.unit} {number}", str(fault))
            if faults.count >= MAX_FAULTS:
                return
            continue
        columns.update(dict.fromkeys(rows[-1].values))
        if len(rows) > MAX_ROWS or len(columns) > MAX_COLUMNS:
            limits = f"{MAX_ROWS:,} rows and {MAX_COLUMNS:,} columns"
            fail(f"{place.name} has more than {limits}.", "Use a part of it.")


def kind_of_file(path: Path) -> str:
    """What the name says of its kind: ".jsonl", also of "a.jsonl.gz"; of something else its suffix as it is."""
    kind = path.suffix.lower()
    if kind == ".gz" and (inner := path.with_suffix("").suffix.lower()) in TEXT_READERS:
        return inner
    return kind


def checked_size(path: Path) -> int:
    """The size of a file in bytes. Raises DatasetError when there is none, or it is no file, empty or too large."""
    try:
        is_file, size_bytes = path.is_file(), path.stat().st_size if path.exists() else 0
    except (OSError, ValueError) as error:  # too long, a NUL inside, no permission
        reason = error.strerror if isinstance(error, OSError) else error
        fail(f"The data file {str(path)[:200]!r} cannot be opened ({reason}).", "Check the path.")
    if not is_file:
        what = "is not a file" if path.exists() else "does not exist"
        fail(f"The data file {str(path)[:200]!r} {what}.", "Check the path, or use 'arithmetic' for built-in sums.")
    if size_bytes > MAX_BYTES:
        fail(f"{path.name} has {size_bytes:,} bytes, more than {MAX_BYTES:,}.", "Use a part of it.")
    if size_bytes == 0:
        fail(f"{path.name} is empty.", "Choose a file with at least one example.")
    return size_bytes


def read_csv(text: str, name: str, delimiter: str) -> Read:
    """The rows of a CSV text by the names in its first line."""
    return "line", _csv_rows(text, name, delimiter)


def _csv_rows(text: str, name: str, delimiter: str) -> Numbered:
    reader = csv.reader((match[0] for match in _LINE.finditer(text)), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # an open quote may swallow the rest of the file: nothing after it is certain
            yield line, Unusable(f"is not CSV ({error}).")
            return
        if header is None:
            header = _checked_header(name, cells)
        elif cells:
            yield line, _by_name(header, cells)
        line = reader.line_num + 1


def read_jsonl(text: str, _name: str) -> Read:
    """The JSON value of each line that is not blank."""
    return "line", _lines(text)


def _lines(text: str) -> Numbered:
    start, number = 0, 1
    while start < len(text):
        end = text.find("\n", start)
        line = text[start : end if end >= 0 else len(text)]
        if line.strip():
            yield number, parsed(line)
        start, number = start + len(line) + 1, number + 1


def delimiter_of(text: str) -> str:
    """Which of , ; and tab the first line of a CSV text uses most."""
    first_line = re.split(r"[\r\n]", text[:100_000], maxsplit=1)[0]
    return max(",;\t", key=first_line.count)


def read_json(text: str, name: str) -> Read:
    """The entries of a JSON list, read one by one; of JSON lines each line; of one object the list that it holds."""
    start = _after_space(text, 0)
    if text[start : start + 1] == "{":
        return _rows_of_object(text, start, name)
    if text[start : start + 1] != "[":
        value = parsed(text)
        what = str(value) if isinstance(value, Unusable) else f"holds {kind_of(value)}, not a list of objects."
        fail(f"{name} {what}", "A .json file holds a list of objects.")
    return "row", _entries(text, start + 1)


def _open(path: Path) -> tuple[Place, Numbered]:
    kind = kind_of_file(path)
    if kind == ".parquet":
        return Place(path.name, "row"), _read_parquet(path)
    if kind not in TEXT_READERS:
        kinds = ", ".join([*TEXT_READERS, ".parquet"])
        fail(f"{path.name} is not a kind of file that can be read.", f"Use one of {kinds}.")
    unit, rows = TEXT_READERS[kind](_text(path), path.name)
    return Place(path.name, unit), rows


def _text(path: Path) -> str:
    try:
        data = path.read_bytes() if path.suffix.lower() != ".gz" else _unpacked(path)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        fail(f"{path.name} cannot be read ({reason}).", "Check its permissions, or write it again.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        what = "looks like UTF-16" if wide else f"is not UTF-8 (byte 0x{data[error.start]:02x})"
        fail(f"{path.name}, line {line}: the text {what}.", "Save it as UTF-8.")


def _unpacked(path: Path) -> bytes:
    limit = unpacked_limit(path.stat().st_size)
    with gzip.open(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        fail(f"{path.name} unpacks to more than {limit:,} bytes.", "Use a part of it, or unpack it yourself.")
    return data


def unpacked_limit(size_bytes: int) -> int:
    """How many bytes a packed file of this size may become."""
    return min(MAX_BYTES, max(SMALL_BYTES, MAX_GROWTH * size_bytes))


def _rows_of_object(text: str, start: int, name: str) -> Read:
    try:
        value, end = Decoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return read_jsonl(text, name)  # which says in which line it ends badly
    if _after_space(text, end) < len(text) or not isinstance(value, dict):
        return read_jsonl(text, name)
    lists = [part for part in value.values() if isinstance(part, list) and part and isinstance(part[0], dict)]
    return "row", iter(enumerate(lists[0] if len(lists) == 1 else [value], start=1))


def _entries(text: str, place: int) -> Numbered:
    """After a fault in the JSON itself nobody can say where the next entry begins: it is the last one."""
    decode, number = Decoder().raw_decode, 0
    place = _after_space(text, place)
    if text[place : place + 1] == "]":
        return
    while True:
        number += 1
        try:
            value, place = decode(text, place)
        except ValueError as error:
            yield number, Unusable(f"is not JSON ({getattr(error, 'msg', error)}).")
            return
        except RecursionError:
            yield number, Unusable(f"is nested more than {MAX_DEPTH} levels deep.")
            return
        yield number, value
        place = _after_space(text, place)
        sign = text[place : place + 1]
        if sign != ",":
            if sign != "]" or _after_space(text, place + 1) < len(text):
                what = (
                    "the list is not closed" if not sign else "more text after the list" if sign == "]" else repr(sign)
                )
                yield number + 1, Unusable(f"is not JSON (after entry {number}: {what}).")
            return
        place = _after_space(text, place + 1)


def _after_space(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    return place


def _checked_header(name: str, cells: list[str]) -> list[str]:
    if len(cells) > MAX_COLUMNS:
        fail(f"{name} has {len(cells):,} columns, more than {MAX_COLUMNS:,}.", "Keep those that are needed.")
    header = [cell.strip() for cell in cells]
    if "" in header:
        fail(f"{name}, line 1: a column has no name.", "The first line names every column once.")
    if twice := repeated(header):
        fail(f"{name}, line 1: the column '{twice[:40]}' occurs twice.", "The first line names every column once.")
    return header


def _by_name(header: list[str], cells: list[str]) -> Any:
    if len(cells) != len(header):
        ending = "" if len(cells) == 1 else "s"
        return Unusable(f"has {len(cells):,} cell{ending}, but the header has {len(header):,}.")
    return dict(zip(header, cells, strict=True))


def _read_parquet(path: Path) -> Numbered:
    import pyarrow as pa  # only here: it takes longer to import than everything else that is light
    from pyarrow import parquet

    number, size_bytes, limit = 0, 0, unpacked_limit(path.stat().st_size)
    try:
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=READ_BYTES) as file:
            if _largest_chunk(file.metadata) > limit:
                fail(f"{path.name} unpacks to more than {limit:,} bytes.", "Use a part of it.")
            if twice := repeated(file.schema_arrow.names):
                fail(f"{path.name} has the column '{twice[:40]}' twice.", "Write it with different column names.")
            for batch in file.iter_batches(batch_size=_rows_at_once(file.metadata)):
                size_bytes += batch.nbytes
                if size_bytes > limit:
                    fail(f"{path.name} unpacks to more than {limit:,} bytes.", "Use a part of it.")
                for cells in _rows_of(batch):
                    number += 1
                    yield number, cells
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")[:200]
        fail(f"{path.name} is not a usable Parquet file ({reason}).", "Write or download it again.")


def _rows_of(batch: Any) -> Iterator[Any]:
    """The rows as Python values: of large ones only one at a time is held twice."""
    if batch.nbytes < ROWS_APART_BYTES:
        yield from batch.to_pylist()
        return
    for place in range(batch.num_rows):
        yield from batch.slice(place, 1).to_pylist()


def _chunks(metadata: Any) -> Iterator[Any]:
    """The column chunks of a Parquet file, each with the number of its rows."""
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        yield from ((group.column(place), group.num_rows) for place in range(group.num_columns))


def _largest_chunk(metadata: Any) -> int:
    """Bytes of the largest column chunk of a Parquet file, unpacked: a cell may be as large, and many rows share it."""
    return max((int(chunk.total_uncompressed_size) for chunk, _ in _chunks(metadata)), default=0)


def _rows_at_once(metadata: Any) -> int:
    """How many rows may be unpacked at once. With a dictionary each of them may be one cell as large as the chunk."""
    rows = BATCH
    for chunk, num_rows in _chunks(metadata):
        size_bytes = max(1, int(chunk.total_uncompressed_size))
        fit = MAX_BYTES // size_bytes if chunk.has_dictionary_page else BATCH_BYTES * num_rows // size_bytes
        rows = min(rows, max(1, fit))
    return rows


TEXT_READERS: dict[str, Callable[[str, str], Read]] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".csv": lambda text, name: read_csv(text, name, delimiter_of(text)),
    ".tsv": lambda text, name: read_csv(text, name, "\t"),
}
