"""Reading: what is empty, what is incremental, and that a reader can neither disturb the writer nor be crashed."""

import os
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.errors import StoreError
from engine.runs.reader import RunReader
from engine.runs.records import EvaluationRecord, Event
from engine.runs.search import find
from engine.runs.search_query import SearchQuery
from engine.runs.store import StoreWriter
from tests.fakes import write_fake_run
from tests.unit.runs.records import completion, group, step

EVERYTHING: list[Callable[[RunReader], object]] = [
    lambda reader: reader.steps(),
    lambda reader: reader.steps(after=1, columns=("reward", "totals", "rewards")),
    lambda reader: reader.groups(1),
    lambda reader: reader.completions(1),
    lambda reader: reader.completions(2, 0),
    lambda reader: reader.tokens(1, 0, 0),
    lambda reader: reader.prompt_steps("p1"),
    lambda reader: reader.prompt_course("p1"),
    lambda reader: reader.prompt_table(1, None, 10),
    lambda reader: reader.evaluations(),
    lambda reader: reader.evaluation_details(0),
    lambda reader: reader.pass_rates(),
    lambda reader: reader.events(),
    lambda reader: reader.heartbeat(),
    lambda reader: reader.attempts(),
    lambda reader: reader.curve("reward", 60),
    lambda reader: reader.newest_means(("kl", "reward"), 10),
    lambda reader: reader.last_step(),
    lambda reader: reader.change_token(),
]


def test_a_run_without_a_database_reads_as_empty_tables_with_their_columns(tmp_path: Path) -> None:
    reader = RunReader(tmp_path / "run.db")
    assert not reader.exists
    for frame, column in [
        (reader.steps(), "reward"), (reader.groups(1), "kind"), (reader.completions(1), "rewards"),
        (reader.evaluations(), "pass_at_1"), (reader.events(), "message"),
    ]:  # fmt: skip
        assert len(frame) == 0 and column in frame
    assert reader.steps()["reward"].dtype == np.float64
    assert (reader.heartbeat(), reader.attempts(), reader.tokens(1, 0, 0), reader.prompt_steps("p")) == (
        None,
        [],
        None,
        [],
    )
    assert (reader.last_step(), reader.curve("reward", 60), reader.newest_means(("kl",), 10)) == (0, [], {"kl": None})
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_just_being_created_reads_as_empty(tmp_path: Path) -> None:
    (tmp_path / "run.db").touch()
    assert len(RunReader(tmp_path / "run.db").steps()) == 0


def test_a_database_that_is_finished_while_it_is_opened_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine creates its tables right after the reader has asked for their version."""
    path = tmp_path / "run.db"
    path.touch()

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> Any:  # type: ignore[override]
            cursor = super().execute(sql, *values)
            if sql == "PRAGMA user_version" and path.stat().st_size == 0:
                answer = cursor.fetchall()
                StoreWriter(path).close()
                return super().execute(f"SELECT {answer[0][0]}")
            return cursor

    connect = sqlite3.connect
    monkeypatch.setattr(
        "engine.runs.reader.sqlite3.connect",
        lambda *args, **more: (
            connect(*args, **more, factory=Watched) if "mode=ro" in str(args[0]) else connect(*args, **more)
        ),
    )
    assert RunReader(path).steps().empty
    assert path.stat().st_size > 0


def test_steps_after_a_step_are_the_newer_ones_only(store: StoreWriter, reader: RunReader) -> None:
    for number in range(1, 6):
        store.commit_step(step(number, metrics={"reward": number / 10}))
    newer = reader.steps(after=3, columns=("reward",))
    assert newer.to_dict("list") == {"step": [4, 5], "reward": [0.4, 0.5]}


def test_a_column_of_missing_numbers_is_float_and_nan(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(metrics={}))
    assert reader.steps()["kl"].dtype == np.float64
    assert reader.steps()["kl"].isna().all()


def test_completions_of_one_group_only(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(groups=[group(), group(completions=[completion("x"), completion("y")])]))
    assert reader.completions(1, 1)["text"].tolist() == ["x", "y"]
    assert reader.completions(1)["text"].tolist() == ["9", "4", "x", "y"]
    assert reader.completions(2).empty


def test_a_prompt_is_found_in_every_step_that_used_it(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(1))
    store.commit_step(step(2, groups=[group(prompt_id="p2")]))
    store.commit_step(step(3, groups=[group(), group()]))
    assert reader.prompt_steps("p1") == [1, 3]


def test_a_curve_is_the_mean_of_equal_stretches(store: StoreWriter, reader: RunReader) -> None:
    for number in range(1, 9):
        store.commit_step(step(number, metrics={"reward": float(number)}))
    assert reader.curve("reward", 4) == [1.5, 3.5, 5.5, 7.5]
    assert reader.curve("reward", 60) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert reader.curve("kl", 4) == []
    with pytest.raises(KeyError):
        reader.curve("reward) FROM steps; --", 4)


def test_newest_means_leave_out_what_is_missing(store: StoreWriter, reader: RunReader) -> None:
    for number, kl in enumerate([9.0, 0.1, float("nan"), 0.3], start=1):
        store.commit_step(step(number, metrics={"kl": kl}))
    assert reader.newest_means(("kl", "loss"), 3) == {"kl": pytest.approx(0.2), "loss": None}


def test_the_change_token_changes_with_every_kind_of_write(store: StoreWriter, reader: RunReader) -> None:
    ticks = iter(range(2000, 3000))
    store._clock = lambda: float(next(ticks))
    tokens = [reader.change_token()]
    for write in (
        lambda: store.commit_step(step(1)),
        lambda: store.commit_step(step(1, groups=[group(prompt_id="other")])),
        lambda: store.add_event(Event("x", "y")),
        lambda: store.add_evaluation(EvaluationRecord(0, 4, 1, 1.0, {})),
        lambda: store.add_evaluation(EvaluationRecord(0, 4, 1, 2.0, {})),
        lambda: store.beat(1, "rollout"),
        lambda: store.end_attempt("stopped"),
        lambda: store.begin_attempt(1, {}),
    ):
        write()
        tokens.append(reader.change_token())
    assert len(set(tokens)) == len(tokens) == 9
    assert reader.change_token() == tokens[-1]


def test_a_snapshot_sees_one_moment(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(1))
    with reader.snapshot() as moment:
        assert moment.last_step() == 1
        store.commit_step(step(2))
        assert moment.last_step() == 1
    assert reader.last_step() == 2


def test_readers_leave_the_write_ahead_log_as_it_is_and_cannot_write(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(1))
    wal = store.path.with_name("run.db-wal")
    before = wal.read_bytes()
    assert len(before) > 0
    for read in EVERYTHING:
        read(reader)
    for write in ("PRAGMA wal_checkpoint(TRUNCATE)", "DELETE FROM steps", "PRAGMA user_version = 7"):
        with pytest.raises(StoreError), reader._connection() as db:
            db.execute(write)
    assert wal.read_bytes() == before


def test_a_reader_in_the_middle_does_not_hold_up_the_writer(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(1))
    with reader.snapshot() as moment:
        moment.steps()
        store._db.execute("PRAGMA busy_timeout = 0")
        assert store.commit_step(step(2)) == "new"


def test_a_path_with_uri_characters_is_read_as_it_is(tmp_path: Path) -> None:
    odd = tmp_path / "a?mode=rwc#b %41"
    odd.mkdir()
    writer = StoreWriter(odd / "run.db")
    writer.commit_step(step(7))
    writer.close()
    assert RunReader(odd / "run.db").last_step() == 7


def test_a_damaged_database_raises_store_errors_and_nothing_else(tmp_path: Path) -> None:
    whole = write_fake_run(tmp_path, "whole", steps=4, prompts=2).db.read_bytes()
    rng = random.Random(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(40):
            damaged[rng.randrange(100, len(damaged))] = rng.randrange(256)
        path = tmp_path / "run.db"
        path.write_bytes(bytes(damaged[: rng.choice([len(damaged), len(damaged), len(damaged) // 2])]))
        for read in EVERYTHING:
            try:
                read(RunReader(path))
            except StoreError as error:
                assert "run.db" in str(error)
                refused += 1
    assert refused > 50


def test_ten_thousand_steps_are_read_within_the_budgets(tmp_path: Path) -> None:
    """Goals: one chart ≤ 20 ms, incremental ≤ 5 ms, anything new? ≤ 1 ms; asserted with room for a slow processor."""
    writer = StoreWriter(tmp_path / "run.db")
    writer.commit_step(step(1))
    copy_step_in_sql(writer._db, 10_000)
    reader = RunReader(writer.path)
    assert seconds(lambda: reader.steps(columns=("reward",))) < 0.100
    assert seconds(lambda: reader.steps(after=9_990)) < 0.030
    assert seconds(lambda: reader.curve("reward", 60)) < 0.100
    assert seconds(reader.change_token) < 0.005
    assert len(reader.steps()) == 10_000
    writer.close()


def copy_step_in_sql(db: sqlite3.Connection, count: int) -> None:
    names = [row[1] for row in db.execute("PRAGMA table_info(steps)") if row[1] != "step"]
    columns = ", ".join(f'"{name}"' for name in names)
    numbers = f"WITH RECURSIVE n(i) AS (VALUES (2) UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
    db.execute(f"INSERT INTO steps (step, {columns}) {numbers} SELECT i, {columns} FROM n, steps WHERE step = 1")


def seconds(call: Callable[[], object]) -> float:
    """Processor time, the best of three: a busy machine does not count against it."""
    times = []
    for _ in range(3):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def test_frames_have_one_row_index_per_step(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(5))
    assert isinstance(reader.steps(after=4).index, pd.RangeIndex)


def test_where_nobody_can_write_a_finished_run_is_read_and_a_killed_one_is_to_be_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_fake_run(tmp_path, "archived", steps=2)
    opened: list[str] = []
    connect = sqlite3.connect

    def sealed(address: str, **options: Any) -> sqlite3.Connection:
        """SQLite in a folder that cannot be written: it refuses, unless it is told that nothing will change."""
        opened.append(address)
        return connect(address if "immutable=1" in address else "file:/nowhere/run.db?mode=ro", **options)

    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(sqlite3, "connect", sealed)
    assert RunReader(paths.db).last_step() == 2
    paths.wal.write_bytes(b"commits that are not in run.db yet")
    with pytest.raises(StoreError, match="copy the run to a folder that can be"):
        RunReader(paths.db).last_step()
    assert "immutable" in opened[0] and "immutable" not in opened[1]


@pytest.mark.parametrize(
    "ask", [lambda reader: find(reader, SearchQuery("9")), lambda reader: reader.prompt_table(1, None, 10)]
)
def test_what_asks_several_questions_asks_them_of_one_moment(
    store: StoreWriter, reader: RunReader, ask: Callable[[RunReader], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    opens = RunReader._open
    monkeypatch.setattr(RunReader, "_open", lambda self: (opened.append(1), opens(self))[1])
    store.commit_step(step(1))
    ask(reader)
    assert opened == [1]


def test_a_curve_of_a_fork_has_as_many_points_as_one_of_a_run(store: StoreWriter, reader: RunReader) -> None:
    for number in range(951, 1001):
        store.commit_step(step(number, metrics={"reward": float(number)}))
    assert reader.curve("reward", 60) == [float(number) for number in range(951, 1001)]
    assert reader.curve("reward", 10) == [953.0 + 5 * place for place in range(10)]


@pytest.mark.parametrize(
    "trap",
    ["DROP TABLE steps; CREATE VIEW steps AS SELECT 1 AS step", "CREATE VIEW more AS SELECT 1",
     "CREATE TRIGGER t AFTER INSERT ON steps BEGIN SELECT 1; END",
     "DROP TABLE steps; CREATE VIRTUAL TABLE steps USING fts5(step)"],
)  # fmt: skip
def test_a_database_with_a_view_a_trigger_or_a_virtual_table_in_place_of_one_is_refused(
    store: StoreWriter, reader: RunReader, trap: str
) -> None:
    """A view may be a query without an end, which would hold up the page for ever."""
    store._db.executescript(trap)
    with pytest.raises(StoreError, match="views, triggers or virtual tables"):
        reader.last_step()
