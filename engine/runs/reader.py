"""Reading run.db: short-lived read-only connections, so that no reader blocks or endangers the writer.

Every call opens, reads and closes (0.06 ms); costs depend on the rows asked for, not on the length of the run.
"""

import json
import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pandas as pd

from engine.errors import StoreError
from engine.runs.columns import frame_column, known_number, string
from engine.runs.prompts import PromptQueries
from engine.runs.schema import (
    METRIC_COLUMNS,
    REWARD_COLUMNS,
    SCHEMA,
    SCHEMA_VERSION,
    completion_ids,
)
from engine.runs.shapes import check_keys, check_rows, parsed, step_number
from engine.runs.tokens import TOKEN_ARRAYS, Tokens, token_arrays

LOG_LIMIT = 10_000  # rows of the log at most
COMPLETION_COLUMNS = (
    *("id", "step", "group_index", "completion_index", "text", "length", "finish_reason", "errors"),
    "coalesce(texts.parsed, completions.parsed) AS parsed",
    *("total", "advantage", "passed", "mean_kl", "max_kl", "mean_entropy", "mean_logprob", "steps", "raw"),
)
# What content raises that no engine wrote; ArithmeticError: int(inf), or a whole number beyond any float.
DAMAGE = (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)
LATEST = 250_000_000_000.0  # seconds since 1970; the year 9892

CHANGE_TOKEN = """
SELECT (SELECT coalesce(max(step), 0) FROM steps), (SELECT count(*) FROM superseded),
       (SELECT coalesce(max(id), 0) FROM events), (SELECT coalesce(max(at), 0) FROM evaluations),
       (SELECT count(*) + count(outcome) FROM attempts), (SELECT coalesce(max(at), 0) FROM heartbeat)
"""

# What no engine makes: a view in place of a table may be a query without an end. PRAGMA trusted_schema=OFF would not
# do, as it also forbids the json_extract of evaluations.pass_at_1.
_TABLES = ", ".join(f"'{name}'" for name in re.findall(r"CREATE TABLE (\w+)", SCHEMA))
TRAPS = f"""
SELECT 1 FROM sqlite_master WHERE type IN ('view', 'trigger') OR (name IN ({_TABLES}) AND sql LIKE 'CREATE VIRTUAL%')
"""
_without_traps: set[tuple[int, int, int]] = set()  # device, inode, schema_version


@dataclass(frozen=True)
class Heartbeat:
    """What the engine's working thread began, and when (seconds since 1970)."""

    at: float
    step: int
    phase: str
    detail: str


@dataclass(frozen=True)
class Attempt:
    """One engine process. `outcome` is None while it runs, and for ever if it was killed."""

    attempt: int
    started_at: float
    pid: int
    from_step: int
    ended_at: float | None
    outcome: str | None
    message: str | None
    versions: dict[str, Any]


class RunReader(PromptQueries):
    """Reads one run.db. Every method raises StoreError when the file is damaged or of another version.

    A run whose engine has not written yet has no run.db: `exists` is False, and every frame has its columns but no row.
    Numbers that are missing are NaN. A metric that was infinite is infinite again.
    """

    def __init__(self, path: Path, *, _shared: sqlite3.Connection | None = None) -> None:
        self.path = path
        self._shared = _shared

    @contextmanager
    def snapshot(self) -> Iterator["RunReader"]:
        """A reader whose calls share one connection and see one moment of the run. For a few calls, not for keeping."""
        if self._shared is not None:  # this is one already
            yield self
            return
        with self._connection() as db:
            db.execute("BEGIN")
            yield RunReader(self.path, _shared=db)

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The read-only connection, for queries that need a plan of their own (search.py)."""
        with self.snapshot() as reader, reader._connection() as db:
            yield db

    @property
    def exists(self) -> bool:
        return self.path.is_file()

    def last_step(self) -> int:
        """The newest stored step, 0 when there is none."""
        return self._step("max")

    def first_step(self) -> int:
        """The oldest stored step, 0 when there is none. In a fork it is the one after its parent's checkpoint."""
        return self._step("min")

    def _step(self, end: Literal["min", "max"]) -> int:
        with self._connection() as db:
            return step_number(db.execute(f"SELECT coalesce({end}(step), 0) FROM steps").fetchone()[0])

    def change_token(self) -> tuple[float, ...]:
        """A value that differs from the one before whenever anything was written, in 0.1 ms at any length of run."""
        return self._rows(CHANGE_TOKEN)[0]

    def steps(self, after: int = 0, columns: tuple[str, ...] | None = None) -> pd.DataFrame:
        """Rows of `steps` after a step, in order. `totals` and `advantages` are arrays, `rewards`, `nonfinite` dicts.

        With `columns`, `step` and these only: infinite metrics stay NaN unless `nonfinite` is among them.
        """
        names = ", ".join(f'"{c}"' for c in ("step", *columns)) if columns is not None else "*"
        return self._frame(
            f"SELECT {names} FROM steps WHERE step > ? ORDER BY step", after, json_columns=("rewards", "nonfinite")
        )

    def curve(self, metric: str, points: int) -> list[float]:
        """Means of a metric over at most `points` equal stretches of steps, in order: a sparkline."""
        if metric not in METRIC_COLUMNS:
            raise KeyError(metric)
        with self.snapshot() as moment:
            first = moment.first_step()
            stored = moment.last_step() - first + 1
            sql = f'SELECT avg("{metric}") FROM steps GROUP BY (step - ?) * ? / ? ORDER BY min(step)'
            means = moment._rows(sql, first, min(points, stored), stored)
        return [mean for (mean,) in means if mean is not None]

    def newest_means(self, metrics: tuple[str, ...], steps: int) -> dict[str, float | None]:
        """Mean of each metric over the newest steps, None where there is no value."""
        if unknown := set(metrics) - set(METRIC_COLUMNS):
            raise KeyError(*unknown)
        means = ", ".join(f'avg("{metric}")' for metric in metrics)
        row = self._rows(f"SELECT {means} FROM (SELECT * FROM steps ORDER BY step DESC LIMIT ?)", steps)[0]
        return dict(zip(metrics, row, strict=True))

    def pass_rates(self) -> list[float | None]:
        """Held-out pass@1 of each evaluation, by step."""
        with self._connection() as db:
            rows = db.execute("SELECT pass_at_1 FROM evaluations ORDER BY step").fetchall()
            return [None if value is None else float(value) for (value,) in rows]

    def groups(self, step: int) -> pd.DataFrame:
        """The groups of one step, by group_index. `columns` is a dict; `discarded` is missing for those trained on."""
        return self._frame("SELECT * FROM groups WHERE step = ? ORDER BY group_index", step, json_columns=("columns",))

    def completions(self, step: int, group_index: int | None = None) -> pd.DataFrame:
        """Completions of a step, or of one group. `rewards` (None: missing), `errors`, `steps` and `raw` are dicts."""
        with self.snapshot() as reader:  # one moment for the numbers and the names of the functions
            names = reader.reward_functions()
            rewards = [f'completions."{column}"' for column in REWARD_COLUMNS[: len(names)]]
            frame = reader._frame(
                f"SELECT {', '.join(COMPLETION_COLUMNS)}{''.join(f', {c}' for c in rewards)} FROM completions "
                "JOIN texts USING (id) WHERE id BETWEEN ? AND ? ORDER BY id",
                *completion_ids(step, group_index), json_columns=("errors", "steps", "raw"),
            )  # fmt: skip
            check_keys(frame, frame.pop("id").tolist())
            columns = [frame.pop(column).tolist() for column in REWARD_COLUMNS[: len(names)]]
            rows = zip(*columns, strict=True) if columns else [()] * len(frame)
            values = [dict(zip(names, map(known_number, row), strict=True)) for row in rows]
            frame.insert(frame.columns.get_loc("parsed"), "rewards", pd.Series(values, dtype=object))
        return frame

    def reward_functions(self) -> list[str]:
        """Names of the reward functions, in the order of the columns of schema.REWARD_COLUMNS."""
        with self._connection() as db:
            names = [string(name) for (name,) in db.execute("SELECT name FROM reward_functions ORDER BY place")]
            if len(names) > len(REWARD_COLUMNS):
                raise ValueError(f"{len(names):,} reward functions, and there are columns for {len(REWARD_COLUMNS)}")
            return names

    def tokens(self, step: int, group_index: int, completion_index: int) -> Tokens | None:
        """The token arrays of one completion, or None if there is no such completion."""
        place = (group_index, completion_index)
        return self._tokens("step = ? AND group_index = ? AND completion_index = ?", step, *place).get(place)

    def step_tokens(self, step: int) -> dict[tuple[int, int], Tokens]:
        """The token arrays of every completion of a step, by (group_index, completion_index), in order."""
        return self._tokens("step = ? ORDER BY group_index, completion_index", step)

    def _tokens(self, where: str, *arguments: int) -> dict[tuple[int, int], Tokens]:
        names = ", ".join(("group_index", "completion_index", *TOKEN_ARRAYS))
        with self._connection() as db:
            rows = db.execute(f"SELECT {names} FROM tokens WHERE {where}", arguments).fetchall()
            vocabulary: dict[int, tuple[str, bool]] = {}  # one for all of them
            found = {(group, completion): token_arrays(blobs, vocabulary) for group, completion, *blobs in rows}
            used = set().union(*(tokens.used_ids() for tokens in found.values()))
            known = db.execute(
                # json_each: one parameter, however many ids; SQLite limits the number of parameters.
                "SELECT id, piece, special FROM vocabulary WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps(sorted(used)),),
            )
            vocabulary.update({int(token): (string(piece), bool(special)) for token, piece, special in known})
            return found

    def prompt_steps(self, prompt_id: str) -> list[int]:
        """The steps in which a prompt was used."""
        sql = "SELECT DISTINCT step FROM groups WHERE prompt_id = ? ORDER BY step"
        return [row[0] for row in self._rows(sql, prompt_id)]

    def evaluations(self) -> pd.DataFrame:
        """Held-out evaluations by step, without their prompts and samples. `metrics` are dicts of Estimates."""
        names = "step, at, num_prompts, num_generations, seconds, pass_at_1, metrics"
        return self._frame(f"SELECT {names} FROM evaluations ORDER BY step")

    def evaluation_details(self, step: int) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """`prompts` and `samples` of records.EvaluationRecord, or None when there was no evaluation after `step`."""
        with self._connection() as db:
            row = db.execute("SELECT prompts, samples FROM evaluations WHERE step = ?", (step,)).fetchone()
            return None if row is None else (parsed("prompts", row[0], dict), parsed("samples", row[1], list))

    def events(self, newest: int = 200) -> pd.DataFrame:
        """The newest events, newest first."""
        return self._frame("SELECT * FROM events ORDER BY id DESC LIMIT ?", min(newest, LOG_LIMIT))

    def messages(self, kind: str, newest: int = 20) -> list[str]:
        """What the newest events of a kind say, oldest first."""
        rows = self._rows("SELECT message FROM events WHERE kind = ? ORDER BY id DESC LIMIT ?", kind, newest)
        return [string(message) for (message,) in reversed(rows)]

    def heartbeat(self) -> Heartbeat | None:
        with self._connection() as db:
            row = db.execute("SELECT at, step, phase, detail FROM heartbeat").fetchone()
            return None if row is None else Heartbeat(_moment(row[0]), int(row[1]), string(row[2]), string(row[3]))

    def attempts(self) -> list[Attempt]:
        """All engine processes of this run, oldest first."""
        names = "attempt, started_at, pid, from_step, ended_at, outcome, message, versions"
        with self._connection() as db:
            rows = db.execute(f"SELECT {names} FROM attempts ORDER BY attempt").fetchall()
            return [_attempt(*row) for row in rows]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._shared is not None:
                yield self._shared
                return
            with closing(self._open()) as db:
                yield db
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self.path}: {error}.", hint=self._hint()) from error
        except (sqlite3.DatabaseError, *DAMAGE) as error:
            raise StoreError(
                f"{self.path}: {error}.", hint="The database is damaged; the run cannot be shown."
            ) from error

    def _open(self) -> sqlite3.Connection:
        """A read-only connection; to an empty database of the same schema while the engine has not made the file."""
        if not self.exists:
            return _empty_database()
        self._refuse_odd_neighbours()
        # SQLite wants to write beside a database in WAL mode. Where nobody can, and no log is left, nothing changes.
        sealed = "&immutable=1" if self._is_sealed() and not self._has_log() else ""
        db = sqlite3.connect(f"file:{quote(str(self.path))}?mode=ro{sealed}", uri=True, timeout=5)
        try:
            db.execute("PRAGMA query_only=ON")
            version, tables = db.execute("PRAGMA user_version").fetchone()[0], 1
            if version == 0:  # the engine may be just creating it, and be done by now
                version, tables = _version_and_tables(db)
            if version == SCHEMA_VERSION:
                self._refuse_traps(db)
                return db
        except BaseException:
            db.close()
            raise
        db.close()
        if version == 0 and tables == 0:
            return _empty_database()
        raise StoreError(
            f"{self.path}: schema version {version}, this program reads version {SCHEMA_VERSION}.",
            hint="Open the run with the release that made it.",
        )

    def _refuse_traps(self, db: sqlite3.Connection) -> None:
        """Looks once for each file and schema: a look takes 50 µs, and a page reads many times a second."""
        try:
            found = self.path.stat()
        except OSError as error:  # the run was deleted meanwhile
            raise StoreError(f"{self.path}: {error.strerror}.", hint="Look whether the run is still there.") from error
        seen = (found.st_dev, found.st_ino, db.execute("PRAGMA schema_version").fetchone()[0])
        if seen in _without_traps:
            return
        if db.execute(TRAPS).fetchone() is not None:
            raise StoreError(
                f"{self.path}: has views, triggers or virtual tables that no engine makes.",
                hint="The file is not from this program; the run is not shown.",
            )
        _without_traps.add(seen)

    def _refuse_odd_neighbours(self) -> None:
        """SQLite opens these by itself, and would wait for ever at a pipe. Raises StoreError."""
        for path in (f"{self.path}-journal", f"{self.path}-wal", f"{self.path}-shm"):
            try:
                kind = os.lstat(path).st_mode
            except OSError:
                continue
            if not stat.S_ISREG(kind):
                raise StoreError(f"{path}: It is not a file.", hint="No engine made it: remove it, then look again.")

    def _is_sealed(self) -> bool:
        return not os.access(self.path.parent, os.W_OK)

    def _has_log(self) -> bool:
        return self.path.with_name(self.path.name + "-wal").exists()

    def _hint(self) -> str:
        """What to do when SQLite cannot work with the file."""
        if self._is_sealed() and self._has_log():
            return "Its engine was killed, and the folder cannot be written: copy the run to a folder that can be."
        return "Another program may hold the file; try again."

    def _rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with self._connection() as db:
            return db.execute(sql, _bound(arguments)).fetchall()

    def _frame(self, sql: str, *arguments: Any, json_columns: tuple[str, ...] = ()) -> pd.DataFrame:
        with self._connection() as db:
            cursor = db.execute(sql, _bound(arguments))
            names = [column[0] for column in cursor.description]
            values = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
            frame = pd.DataFrame(
                {name: frame_column(name, v, json_columns) for name, v in zip(names, values, strict=True)}
            )
            if "nonfinite" in frame:
                _restore_nonfinite(frame)
            check_rows(frame)
            return frame


def _bound(arguments: tuple[Any, ...]) -> Any:
    """What SQLite is given: values for each `?`, or one dict for the names in a query."""
    return arguments[0] if len(arguments) == 1 and isinstance(arguments[0], dict) else arguments


def _attempt(
    attempt: int, started_at: Any, pid: int, from_step: int, ended_at: Any, outcome: str | None, message: Any,
    versions: str,
) -> Attempt:  # fmt: skip
    """Raises ValueError or TypeError for what no engine wrote: SQLite keeps text in a column of numbers."""
    ended = None if ended_at is None else _moment(ended_at)
    words = None if message is None else string(message)
    return Attempt(attempt, _moment(started_at), pid, from_step, ended, outcome, words, json.loads(versions))


def _moment(value: Any) -> float:
    """Seconds since 1970, in the years that a date can name."""
    seconds = float(value)
    if not 0 <= seconds < LATEST:
        raise ValueError(f"{value!r} is no moment in time")
    return seconds


def _restore_nonfinite(frame: pd.DataFrame) -> None:
    """Put back what SQLite cannot hold: {"loss": "inf"} makes that row's loss infinite."""
    for position, marks in enumerate(frame["nonfinite"]):
        for name, value in marks.items():
            if name in METRIC_COLUMNS and name in frame:
                frame.loc[position, name] = float(value)


def _version_and_tables(db: sqlite3.Connection) -> tuple[int, int]:
    """Both as of one moment: between two reads the engine may have created the tables."""
    db.execute("BEGIN")
    tables, version = (
        db.execute(sql).fetchone()[0] for sql in ("SELECT count(*) FROM sqlite_master", "PRAGMA user_version")
    )
    db.execute("ROLLBACK")
    return version, tables


def _empty_database() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA)
    return db
