"""What TRL's GRPOTrainer leaves in its output folder, found and read within limits: tables of completions, and a log.

TRL 1.16 writes completions/completions_00010.parquet at each logging step when log_completions is on, with the columns
step, prompt, completion, one for each reward function, those of log_extra, and advantage. The folder completions alone,
as it is uploaded to the Hub, will do too. Nothing here is ever unpickled: training_args.bin is not opened.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from engine.config_problems import repeated, short
from engine.errors import DatasetError

MAX_FILES = 100_000
MAX_FILE_BYTES = 256 * 2**20
MAX_STATE_BYTES = 32 * 2**20  # real ones have about 1 KB an entry; JSON takes twenty times its bytes in memory
MAX_UNPACKED = 2**30  # bytes of one file's columns in memory
MAX_ROWS = 2_000_000  # of all files together: their numbers are held in memory while the run is checked
MAX_COLUMNS = 200
LONGEST_NAME = 200  # characters of a column's name, or of a field's inside one
MAX_TEXT = 4_000_000  # characters of a prompt or a completion
MAX_STEP = 1_000_000  # as optim.max_steps
README_BYTES = 8192
CELL_BYTES = 8  # of a cell in a list of Python's, whatever it holds
INNER_BYTES = 64  # of a value inside a list or an object: what Arrow makes of it on its way, and an entry of a dict
BATCH = 128  # rows that are unpacked at once
LARGEST = 1e30  # of a reward or an advantage: float32, in which both are stored, holds any weighted sum of such

FIRST, LAST = ("step", "prompt", "completion"), "advantage"
CHANGED = "The folder changed while it was read: import it again."
HINT = "It should be an output folder of TRL's GRPOTrainer with log_completions=True, or its folder completions."

Stamp = tuple[int, int]  # size and time of a file in ns, which change when TRL overwrites it


@dataclass(frozen=True)
class Layout:
    """The files of a recorded run. `state`: the newest trainer_state.json, if there is one."""

    folder: Path
    completions: tuple[Path, ...]
    state: Path | None

    def name_of(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


@dataclass(frozen=True)
class Table:
    """The rows of one step as recorded. All lists and arrays have one entry a row.

    `chat`: prompts were conversations, which stand here as text. numbers: columns of numbers, NaN where missing;
    others: columns of anything else. stamp: of its file as it was read. infinite: (column, row) of what was above
    LARGEST, and is NaN in `numbers`.
    """

    step: int
    name: str
    prompts: list[str]
    completions: list[str]
    chat: bool
    advantages: NDArray[np.float64]
    numbers: dict[str, NDArray[np.float64]]
    others: dict[str, list[Any]]
    stamp: Stamp
    infinite: frozenset[tuple[str, int]] = frozenset()

    def __len__(self) -> int:
        return len(self.prompts)


def find_layout(folder: str | Path) -> Layout:
    """Look for the files of a recorded run. Raises DatasetError when there are none, or far too many."""
    try:
        root = Path(folder).expanduser().absolute()
        if not root.is_dir():
            fail(f"{short(str(folder))} is not a folder.", HINT)
        inside = root / "completions"
        tables = sorted((inside if inside.is_dir() else root).glob("completions_*.parquet"), key=_by_number)
        state = _newest_state(root)
        special = next((table for table in tables if not table.is_file()), None)
    except (OSError, ValueError, RuntimeError) as error:  # no permission, a NUL inside, no such home
        reason = error.strerror if isinstance(error, OSError) else error
        fail(f"{short(str(folder))} cannot be read ({reason}).", "Check the path.")
    if special is not None:  # a pipe or a device never ends
        fail(f"{special.name} is not a file.", "Take it out of the folder.")
    if not tables and state is None:
        fail(f"{root} has neither completions_*.parquet files nor a trainer_state.json.", HINT)
    if len(tables) > MAX_FILES:
        fail(f"{root} has {len(tables):,} files of completions, more than {MAX_FILES:,}.", "Import a part of them.")
    return Layout(root, tuple(tables), state)


def _by_number(path: Path) -> tuple[int, str]:
    """TRL writes five digits, and six from step 100,000 on."""
    number = path.stem.removeprefix("completions_")
    is_number = number.isascii() and number.isdigit() and len(number) < 20
    return (int(number) if is_number else MAX_STEP + 1, path.name)


def _newest_state(root: Path) -> Path | None:
    """The trainer_state.json of the folder or of its newest checkpoint, whichever has the larger last step.

    On a tie the folder's own. A checkpoint's that cannot be read is taken all the same, so that the import names it.
    """
    numbers = {path: path.name.removeprefix("checkpoint-") for path in root.glob("checkpoint-*")}
    saved = sorted((int(number), path) for path, number in numbers.items() if number.isascii() and number.isdigit())
    candidates = [path / "trainer_state.json" for _, path in reversed(saved)]
    newest, own = next((path for path in candidates if path.is_file()), None), root / "trainer_state.json"
    if newest is None or not own.is_file():
        return newest if newest is not None else own if own.is_file() else None
    return own if _last_step(own) >= _last_step(newest) else newest


def _last_step(path: Path) -> float:
    """The largest step of a log, infinite where it cannot be read."""
    try:
        if path.stat().st_size > MAX_STATE_BYTES:
            return math.inf
        steps = [entry["step"] for entry in json.loads(path.read_bytes())["log_history"]]
        return max((step for step in steps if type(step) is int), default=0)
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return math.inf


def base_model(layout: Layout) -> str | None:
    """The model that was trained, by the head of the README.md which TRL writes; None where it names none."""
    path = layout.folder / "README.md"
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            head = file.read(README_BYTES).decode(errors="replace")
    except OSError:
        return None
    found = re.search(r"\A---\n(?:(?!---\n).*\n)*?base_model: (\S{1,200})\n", head)
    return found.group(1) if found else None


def read_tables(path: Path) -> Iterator[Table]:
    """The rows of one file, a table for each step in it. Raises DatasetError for what TRL would not write."""
    columns, stamp = _unpacked(path)
    name = path.name
    for column in (*FIRST, LAST):
        if column not in columns:
            has = ", ".join(short(known) for known in list(columns)[:20])
            fail(f"{name} has no column {column!r}; it has {has}.", HINT)
    if not columns["step"]:
        fail(f"{name} has no rows.", "Delete the file, or record the run again.")
    places: dict[int, list[int]] = {}
    for row, value in enumerate(columns["step"]):
        places.setdefault(_step(name, row, value), []).append(row)
    for step, rows in places.items():
        yield _table(name, step, {column: [values[row] for row in rows] for column, values in columns.items()}, stamp)


def _unpacked(path: Path) -> tuple[dict[str, list[Any]], Stamp]:
    import pyarrow as pa  # only here: it takes longer to import than everything else that is light
    from pyarrow import parquet

    columns: dict[str, list[Any]] = {}
    try:
        status = path.stat()
        if status.st_size > MAX_FILE_BYTES:
            fail(
                f"{path.name} has {status.st_size:,} bytes, more than {MAX_FILE_BYTES:,}.", "Import a part of the run."
            )
        with path.open("rb") as source, parquet.ParquetFile(source) as file:  # pyarrow knows only names that are UTF-8
            names = file.schema_arrow.names
            _check_shape(path.name, file)
            columns = {column: [] for column in names}
            size_bytes = 0
            for batch in file.iter_batches(batch_size=BATCH):
                size_bytes += sum(_bytes_of(values) for values in batch.columns)
                if size_bytes > MAX_UNPACKED:
                    fail(*_too_large(path.name))
                for column, values in zip(names, batch.columns, strict=True):
                    columns[column] += _unfolded(values).to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError, RecursionError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")[:200]
        fail(f"{path.name} is not a usable Parquet file ({reason}).", "Copy it again, or leave it out.")
    return columns, (status.st_size, status.st_mtime_ns)


def _check_shape(name: str, file: Any) -> None:
    """Refuses a Parquet file by its head, before anything of it is unpacked: a few bytes may stand for any number."""
    if twice := repeated(file.schema_arrow.names):
        fail(f"{name} has the column {short(twice)} twice.", "Write it with different column names.")
    if len(file.schema_arrow.names) > MAX_COLUMNS:
        fail(f"{name} has {len(file.schema_arrow.names):,} columns, more than {MAX_COLUMNS:,}.", HINT)
    for field in file.schema_arrow:
        _check_field(name, field)
    if file.metadata.num_rows > MAX_ROWS:
        fail(f"{name} has {file.metadata.num_rows:,} rows, more than {MAX_ROWS:,}.", HINT)
    groups = [file.metadata.row_group(place) for place in range(file.metadata.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
    if sum(chunk.num_values * _cell_bytes(chunk.path_in_schema) for chunk in chunks) > MAX_UNPACKED:
        fail(*_too_large(name))


def _cell_bytes(path: str) -> int:
    """path: of a column, or with dots of what is inside one."""
    return INNER_BYTES if "." in path else CELL_BYTES


def _too_large(name: str) -> tuple[str, str]:
    return f"{name} unpacks to more than {MAX_UNPACKED:,} bytes.", "Import a part of the run."


def _check_field(name: str, field: Any) -> None:
    """Refuses a column, or a field inside one, with too long a name; and references to a list of values inside one."""
    import pyarrow as pa

    if len(field.name) > LONGEST_NAME:
        what = f"{name} has a column whose name has {len(field.name):,} characters, more than {LONGEST_NAME}"
        fail(f"{what}: {short(field.name)}.", "Write it with a shorter name.")
    for place in range(field.type.num_fields):
        inner = field.type.field(place)
        if pa.types.is_dictionary(inner.type):
            what = f"{name}: the column {short(field.name)} holds categories inside lists or objects"
            fail(f"{what}, which are not read.", "Write it with plain values, or without this column.")
        _check_field(name, inner)


def _bytes_of(values: Any) -> int:
    """What an array takes as a list of Python's, at least, before it is one."""
    import pyarrow as pa
    from pyarrow import compute

    kind = values.type
    own: int = values.nbytes + CELL_BYTES * len(values)
    if pa.types.is_dictionary(kind) and _is_text(kind.value_type):
        own += compute.sum(compute.binary_length(values.dictionary).take(values.indices)).as_py() or 0
    return own + INNER_BYTES * _inner_cells(values)


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    known = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(is_one(kind) for is_one in known)


def _inner_cells(values: Any) -> int:
    """How many values stand inside the cells of an array, at whatever depth."""
    return sum(len(inner) + _inner_cells(inner) for inner in _inside(values))


def _inside(values: Any) -> list[Any]:
    """The arrays that a nested one is made of, as far as its own cells refer to them; none of a plain one."""
    from pyarrow import types

    if values.type.num_fields == 0:
        return []
    if types.is_map(values.type):
        first, last = values.offsets[0].as_py(), values.offsets[-1].as_py()
        return [array.slice(first, last - first) for array in (values.keys, values.items)]
    inside = values.flatten()
    return inside if isinstance(inside, list) else [inside]


def _unfolded(values: Any) -> Any:
    """A column whose cells refer to a list of values, as the values."""
    import pyarrow as pa

    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _step(name: str, row: int, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_STEP:
        return value
    fail(f"{name}, row {row + 1}: step is {short(value)}, not a whole number from 0 to {MAX_STEP:,}.", HINT)


def _table(name: str, step: int, columns: dict[str, list[Any]], stamp: Stamp) -> Table:
    numbers: dict[str, NDArray[np.float64]] = {}
    others: dict[str, list[Any]] = {}
    infinite: set[tuple[str, int]] = set()
    for column, values in columns.items():
        if column in (*FIRST, LAST):
            continue
        if not all(value is None or isinstance(value, int | float) for value in values):
            others[column] = [plain(value) for value in values]
            continue
        array = np.array([math.nan if value is None else _float(value) for value in values])
        infinite |= {(column, int(row)) for row in np.flatnonzero(np.isinf(array))}
        numbers[column] = np.where(np.isfinite(array), array, math.nan)
    prompts = [_text(name, row, "prompt", value) for row, value in enumerate(columns["prompt"])]
    completions = [_text(name, row, "completion", value) for row, value in enumerate(columns["completion"])]
    return Table(
        step, name, prompts, completions, any(isinstance(prompt, list) for prompt in columns["prompt"]),
        np.array([_advantage(name, row, value) for row, value in enumerate(columns[LAST])]),
        numbers, others, stamp, frozenset(infinite),
    )  # fmt: skip


def _advantage(name: str, row: int, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(found := _float(value)):
        return found
    fail(f"{name}, row {row + 1}: the advantage is {short(value)}, no number up to {LARGEST:g}.", "Record it again.")


def _float(value: float) -> float:
    """Infinite from LARGEST on."""
    return math.inf if abs(value) > LARGEST else float(value)


def _text(name: str, row: int, column: str, value: Any) -> str:
    """A prompt or completion as text: as it is, or a conversation as it reads."""
    if isinstance(value, list) and value and all(isinstance(message, dict) for message in value):
        value = conversation(value)
    if not isinstance(value, str):
        fail(f"{name}, row {row + 1}: the {column} is {short(value)}, neither text nor a list of messages.", HINT)
    if len(value) > MAX_TEXT:
        fail(f"{name}, row {row + 1}: the {column} has {len(value):,} characters, more than {MAX_TEXT:,}.", HINT)
    return value


def conversation(messages: Sequence[dict[str, Any]]) -> str:
    """Messages as text: a single one as its content, several with the role of each in brackets before it."""
    if len(messages) == 1 and not messages[0].get("tool_calls"):
        return _content(messages[0])
    return "\n\n".join(f"[{message.get('role')}]\n{_content(message)}" for message in messages)


def _content(message: dict[str, Any]) -> str:
    """The text of a message; of its other parts, such as pictures, the kind; calls of tools as JSON."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    said = "".join(_part(part) for part in parts if part is not None)
    calls = message.get("tool_calls")
    return "\n".join(filter(None, [said, json.dumps(plain(calls), ensure_ascii=False) if calls else ""]))


def _part(part: Any) -> str:
    if isinstance(part, dict):
        text = part.get("text")
        return text if isinstance(text, str) else f"<{part.get('type')}>"
    return str(part)


def plain(value: Any) -> Any:
    """A cell as JSON can hold it: bytes as their number, dates and the like as text, NaN as None."""
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items() if item is not None}
    return value if value is None or isinstance(value, str | int | float) else str(value)


def fail(message: str, hint: str) -> NoReturn:
    raise DatasetError(message, hint=hint)
