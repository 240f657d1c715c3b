"""The writer of run.db: the engine's only door to it, and the only writable connection anywhere.

Why one writer: the SQLite of many machines (before 3.51.3) can lose a commit when a checkpoint of the write-ahead log
on one connection races a commit on another. One writable connection, and read-only ones elsewhere, cannot race.
"""

import hashlib
import json
import math
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from engine.analysis.evaluation import Estimate, read_estimates
from engine.errors import StoreError
from engine.runs.records import CompletionRecord, EvaluationRecord, Event, GroupRecord, StepRecord, TokenRecord
from engine.runs.schema import (
    ARRAY_DTYPES,
    METRIC_COLUMNS,
    PARSED_HEAD,
    REWARD_COLUMNS,
    SCHEMA,
    SCHEMA_VERSION,
    completion_id,
    completion_ids,
)
from engine.runs.text_index import TextIndex

STEP_TABLES = ("steps", "groups", "completions", "tokens")


class StoreWriter:
    """Opens or creates run.db. Every method raises StoreError when the file cannot be written or is no run.db of this
    schema version; a call that raised has changed nothing.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.attempt = 0
        self._clock = clock
        with self._translated_errors():
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10)
            try:
                self._prepare()
                self._index = TextIndex(self._db)
            except BaseException:
                self._db.close()
                raise

    def begin_attempt(self, from_step: int, versions: Mapping[str, Any]) -> None:
        """Record that this process now works on the run, starting after `from_step`."""
        with self._transaction():
            self._db.execute(  # a process that was killed ended with its last sign of life; nobody else can say so
                "UPDATE attempts SET ended_at = max(started_at, coalesce((SELECT at FROM heartbeat), started_at)) "
                "WHERE ended_at IS NULL"
            )
            cursor = self._db.execute(
                "INSERT INTO attempts (started_at, pid, host, from_step, versions) VALUES (?, ?, ?, ?, ?)",
                (self._clock(), os.getpid(), socket.gethostname(), from_step, json.dumps(dict(versions))),
            )
            self.attempt = int(cursor.lastrowid or 0)

    def end_attempt(self, outcome: Literal["finished", "stopped", "failed"], message: str = "") -> None:
        """Record how this process ended. A process that is killed never gets here: its run reads as interrupted."""
        with self._transaction():
            self._db.execute(
                "UPDATE attempts SET ended_at = ?, outcome = ?, message = ? WHERE attempt = ?",
                (self._clock(), outcome, _text(message), self.attempt),
            )

    def beat(self, step: int, phase: str, detail: str = "") -> None:
        """Say what the working thread begins now; `step` is the last finished one.

        Called from that thread only, so that a hang shows as silence.
        """
        values = (self._clock(), step, phase, _text(detail))
        # Without the fsync of other commits, which costs milliseconds: a power cut may take a heartbeat, not a step.
        self._db.execute("PRAGMA synchronous=NORMAL")
        try:
            with self._transaction():
                self._db.execute("INSERT OR REPLACE INTO heartbeat VALUES (1, ?, ?, ?, ?)", values)
        finally:
            self._db.execute("PRAGMA synchronous=FULL")

    def add_event(self, event: Event) -> None:
        with self._transaction():
            self._insert_event(event)

    def add_evaluation(self, record: EvaluationRecord) -> None:
        """Store an evaluation; one of the same step takes the place of the older one."""
        metrics = {name: _estimate(estimate) for name, estimate in record.metrics.items()}
        values = (
            record.step, self._clock(), int(record.num_prompts), int(record.num_generations), float(record.seconds),
            _json(metrics), _json(dict(record.prompts)), _json(list(record.samples)),
        )  # fmt: skip
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO evaluations VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def commit_step(self, record: StepRecord) -> Literal["new", "replayed", "differs"]:
        """Store a step with all it holds in one transaction.

        A step that is stored already is a replay after a resume: with the same digest nothing is written
        ("replayed"). With another one ("differs") the old rows move to `superseded`, and with them every later step and
        evaluation: they followed from weights that are no longer the run's.
        """
        digest = step_digest(record)
        with self._transaction():
            stored = self._db.execute("SELECT digest, attempt FROM steps WHERE step = ?", (record.step,)).fetchone()
            if stored is not None and stored[0] == digest:
                return "replayed"
            if stored is not None:
                self._supersede_from(record.step)
            self._insert_step(record, digest)
            for event in record.events:
                self._insert_event(event)
        return "new" if stored is None else "differs"

    def evaluation_metrics(self, up_to: int) -> list[tuple[int, dict[str, Estimate]]]:
        """(step, metrics) of the stored evaluations up to a step, in order."""
        with self._translated_errors():
            rows = self._db.execute(
                "SELECT step, metrics FROM evaluations WHERE step <= ? ORDER BY step", (up_to,)
            ).fetchall()
        return [(step, read_estimates(json.loads(metrics))) for step, metrics in rows]

    def messages(self, kind: str) -> list[str]:
        """What the events of a kind say, oldest first."""
        with self._translated_errors():
            rows = self._db.execute("SELECT message FROM events WHERE kind = ? ORDER BY id", (kind,)).fetchall()
        return [str(message) for (message,) in rows]

    def last_step(self) -> int:
        """The newest stored step, 0 when there is none."""
        with self._translated_errors():
            return int(self._db.execute("SELECT coalesce(max(step), 0) FROM steps").fetchone()[0])

    def close(self) -> None:
        self._db.close()

    def _prepare(self) -> None:
        mode = self._db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":  # some network file systems refuse without an error
            raise StoreError(
                f"{self.path}: the file system refused write-ahead logging ({mode}).", hint="Use a local disk."
            )
        self._db.execute("PRAGMA synchronous=FULL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version == 0 and tables == 0:
            self._db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        elif version != SCHEMA_VERSION:
            raise StoreError(
                f"{self.path}: written by schema version {version}, this is version {SCHEMA_VERSION}.",
                hint="Open the run with the release that made it.",
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated_errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled back by itself
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
            raise  # a mistake in the record, not in the file
        except sqlite3.OperationalError as error:  # full disk, no permission, locked: the file itself is sound
            raise StoreError(
                f"{self.path}: {error}.", hint="Make the folder writable and its disk roomy, then resume the run."
            ) from error
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{self.path}: {error}.", hint="Restore the file from a copy, or start a new run."
            ) from error

    def _insert_event(self, event: Event) -> None:
        self._db.execute(
            "INSERT INTO events (at, step, level, kind, message) VALUES (?, ?, ?, ?, ?)",
            (self._clock(), event.step, event.level, event.kind, _text(event.message)),
        )

    def _insert_step(self, record: StepRecord, digest: str) -> None:
        if unknown := record.metrics.keys() - set(METRIC_COLUMNS):
            raise ValueError(f"step {record.step}: the glossary has no metric {sorted(unknown)}")
        if any(a.discarded and not b.discarded for a, b in pairwise(record.groups)):
            raise ValueError(f"step {record.step}: a group that was trained on comes after a discarded one")
        completions = [completion for group in record.groups for completion in group.completions]
        trained = [completion for group in record.groups if not group.discarded for completion in group.completions]
        nonfinite = {k: str(float(v)) for k, v in record.metrics.items() if not math.isfinite(v)}
        self._insert(
            "steps",
            record.step, *(_real(record.metrics.get(column)) for column in METRIC_COLUMNS),
            self.attempt, self._clock(), len(record.groups[0].completions) if record.groups else None, digest,
            json.dumps(nonfinite) if nonfinite else None,
            json.dumps(_reward_summary(completions, record.logged) if completions else _imported_means(record)),
            pack("totals", [c.total for c in trained]), pack("advantages", [c.advantage for c in trained]),
        )  # fmt: skip
        places = self._reward_places(completions)
        for index, group in enumerate(record.groups):
            self._insert_group(record.step, index, group, places)
        self._db.executemany(
            "INSERT OR IGNORE INTO vocabulary VALUES (?, ?, ?)",
            [(int(token), _text(piece), int(special)) for token, (piece, special) in record.vocabulary.items()],
        )

    def _insert_group(self, step: int, index: int, group: GroupRecord, places: Mapping[str, int]) -> None:
        self._insert(
            "groups",
            step, index, _text(group.prompt_id), _text(group.prompt), _text(group.rendered), _text(group.reference),
            _json(dict(group.columns)), None if group.prompt_tokens is None else int(group.prompt_tokens),
            _real(group.mean), _real(group.std), _real(group.scale), group.kind,
            _real(group.pass_rate), _real(group.mean_length), _real(group.mean_kl), group.discarded,
        )  # fmt: skip
        about_group = (int(group.kind != "mixed"), int(group.discarded is not None))
        texts: list[tuple[int, str]] = []
        for position, completion in enumerate(group.completions):
            key = completion_id(step, index, position)
            self._insert("completions", key, step, index, position, *_numbers(completion, about_group, places))
            texts.append((key, _text(completion.text)))
            self._insert("texts (id, text, parsed, errors, steps, raw)", *texts[-1], *_details(completion))
            if completion.tokens is not None:
                self._insert_tokens(step, index, position, completion.tokens)
        self._index.add(texts)

    def _reward_places(self, completions: Sequence[CompletionRecord]) -> dict[str, int]:
        """Which column each reward function has; functions that are new to the run get the next ones."""
        places: dict[str, int] = dict(self._db.execute("SELECT name, place FROM reward_functions ORDER BY place"))
        for name in dict.fromkeys(name for completion in completions for name in completion.rewards):
            if name not in places:
                if len(places) == len(REWARD_COLUMNS):
                    raise ValueError(f"reward {name!r}: a run stores at most {len(REWARD_COLUMNS)} reward functions")
                places[name] = len(places)
                self._insert("reward_functions", places[name], name)
        return places

    def _insert_tokens(self, step: int, group: int, index: int, tokens: TokenRecord) -> None:
        measured = (
            ("logprobs", tokens.logprobs),
            ("ref_logprobs", tokens.ref_logprobs),
            ("entropies", tokens.entropies),
            ("token_advantages", tokens.advantages),
            ("update_logprobs", tokens.update_logprobs),
            ("alternative_ids", tokens.alternative_ids),
            ("alternative_logprobs", tokens.alternative_logprobs),
        )
        blobs = (None if values is None else pack(name, values) for name, values in measured)
        self._insert("tokens", step, group, index, pack("ids", tokens.ids), *blobs)

    def _insert(self, table: str, *values: Any) -> None:
        self._db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)

    def _supersede_from(self, first: int) -> None:
        later = self._db.execute("SELECT step, attempt FROM steps WHERE step >= ? ORDER BY step", (first,)).fetchall()
        for step, attempt in later:
            self._supersede(step, attempt)

    def _supersede(self, step: int, attempt: int) -> None:
        payload: dict[str, list[list[Any]]] = {}
        keys = completion_ids(step)
        self._index.remove(self._db.execute("SELECT id, text FROM texts WHERE id BETWEEN ? AND ?", keys).fetchall())
        of_step = dict.fromkeys((*STEP_TABLES, "evaluations"), ("step = ?", (step,)))
        by_key = dict.fromkeys(("completions", "texts"), ("id BETWEEN ? AND ?", keys))
        for table, (where, values) in {**of_step, **by_key}.items():
            rows = self._db.execute(f"SELECT * FROM {table} WHERE {where}", values).fetchall()
            payload[table] = [[v.hex() if isinstance(v, bytes) else v for v in row] for row in rows]
            self._db.execute(f"DELETE FROM {table} WHERE {where}", values)
        self._db.execute("INSERT OR REPLACE INTO superseded VALUES (?, ?, ?)", (step, attempt, json.dumps(payload)))


def step_digest(record: StepRecord) -> str:
    """sha256 over what the step computed: tokens, log-probabilities, rewards and advantages, in order.

    Of discarded groups too, as far as they were measured, and why they were discarded. Alternatives and the
    log-probabilities of later updates are left out: they follow from the same weights and decide nothing.
    """
    sha = hashlib.sha256()
    for group in record.groups:
        sha.update(group.prompt_id.encode(errors="replace"))
        sha.update((group.discarded or "").encode())
        for completion in group.completions:
            tokens = completion.tokens
            sha.update(completion.text.encode(errors="replace") if tokens is None else pack("ids", tokens.ids))
            if tokens is not None and tokens.logprobs is not None:
                sha.update(pack("logprobs", tokens.logprobs))
            sha.update(json.dumps([(name, float(value)) for name, value in completion.rewards.items()]).encode())
            sha.update(pack("advantages", [completion.advantage]))
            if tokens is not None and tokens.advantages is not None:
                sha.update(pack("token_advantages", tokens.advantages))
    return sha.hexdigest()


def pack(name: str, values: ArrayLike) -> bytes:
    """A blob column's bytes, in the dtype that schema.ARRAY_DTYPES gives it."""
    return np.ascontiguousarray(values, dtype=ARRAY_DTYPES[name]).tobytes()


@overload
def _text(value: str) -> str: ...
@overload
def _text(value: str | None) -> str | None: ...
def _text(value: str | None) -> str | None:
    """Text that UTF-8 can hold: half a surrogate pair, which JSON data may contain, becomes '?'."""
    return None if value is None else value.encode(errors="replace").decode()


def _real(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _json(value: Any) -> str | None:
    return _text(json.dumps(value, ensure_ascii=False, default=str))


def _numbers(completion: CompletionRecord, about_group: tuple[int, int], places: Mapping[str, int]) -> tuple[Any, ...]:
    """The columns of `completions` after its key. about_group: dead, discarded; places: the column of each reward."""
    rewards: list[float | None] = [None] * len(REWARD_COLUMNS)
    for name, value in completion.rewards.items():
        rewards[places[name]] = _real(value)
    return (
        completion.length, completion.finish_reason, _real(completion.total), _real(completion.advantage),
        None if completion.passed is None else int(completion.passed), *about_group, *rewards,
        _real(completion.mean_kl), _real(completion.max_kl), _real(completion.mean_entropy),
        _real(completion.mean_logprob), None if completion.parsed is None else _text(completion.parsed[:PARSED_HEAD]),
    )  # fmt: skip


def _details(completion: CompletionRecord) -> tuple[str | None, ...]:
    """The columns of `texts` after the text."""
    long = completion.parsed is not None and len(completion.parsed) > PARSED_HEAD
    errors = _json(dict(completion.errors)) if completion.errors else None
    steps = _json(dict(completion.steps)) if completion.steps else None
    raw = _json(dict(completion.raw)) if completion.raw else None
    return _text(completion.parsed) if long else None, errors, steps, raw


def _estimate(estimate: Estimate) -> dict[str, float | None]:
    return {name: _real(value) for name, value in asdict(estimate).items()}


def _imported_means(record: StepRecord) -> dict[str, dict[str, float | None]]:
    """Of a step without completions, which an import may have."""
    return {name: {"mean": _real(mean), "std": None, "errors": None} for name, mean in record.reward_means.items()}


def _reward_summary(
    completions: Sequence[CompletionRecord], logged: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, Any]]:
    summary: dict[str, dict[str, Any]] = {}
    for name in completions[0].rewards:
        values = np.array([completion.rewards[name] for completion in completions], dtype=np.float64)
        valid = values[np.isfinite(values)]
        summary[name] = {
            "mean": float(valid.mean()) if valid.size else None,
            "std": float(valid.std(ddof=1)) if valid.size > 1 else None,
            "errors": int(values.size - valid.size),
            **({"logged": {key: _real(value) for key, value in logged[name].items()}} if logged.get(name) else {}),
        }
    return summary
