"""How the sample of a live run grows, and what is remembered of it."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dashboard import what_if
from dashboard.what_if import MAX_CHANGES, WhatIfRun
from engine.analysis import step_sample
from engine.analysis.what_if import Settings
from engine.runs.store import StoreWriter
from tests.fake_records import FakeRun
from tests.fakes import fake_config, write_fake_run


def own_and_halved() -> tuple[Settings, Settings]:
    own = Settings.of(fake_config(name="run", steps=1))
    return own, replace(own, weights=(("exact_match", 1.0), ("digit_match", 0.15)))


def test_a_growing_run_is_read_on_and_nothing_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[int]] = []
    read = what_if.read_scores
    monkeypatch.setattr(what_if, "read_scores", lambda reader, steps: asked.append(list(steps)) or read(reader, steps))
    monkeypatch.setattr(step_sample, "MAX_STEPS", 10)
    paths = write_fake_run(tmp_path, "run", steps=8, outcome=None)
    run, (own, halved) = WhatIfRun(paths.db), own_and_halved()
    for _ in range(2):
        sample, changes = run.changes(own, halved, 48)
        assert [change.step for change in changes] == list(sample.steps) == list(range(1, 9))
    assert asked == [list(range(1, 9))]
    writer = StoreWriter(paths.db)
    for step in range(9, 15):
        writer.commit_step(FakeRun(fake_config(name="run", steps=16)).step(step))
    writer.close()
    sample, changes = run.changes(own, halved, 48)
    assert [change.step for change in changes] == list(sample.steps) == [2, 4, 6, 8, 10, 12, 14]
    assert asked[1:] == [[10, 12, 14]]


def test_steps_without_completions_are_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_fake_run(tmp_path, "run", steps=4)
    with closing(sqlite3.connect(paths.db)) as db, db:
        db.execute("DELETE FROM completions WHERE step > 2")
        db.execute("DELETE FROM steps WHERE step < 2")
    asked: list[list[int]] = []
    read = what_if.read_scores
    monkeypatch.setattr(what_if, "read_scores", lambda reader, steps: asked.append(list(steps)) or read(reader, steps))
    run, (own, halved) = WhatIfRun(paths.db), own_and_halved()
    for _ in range(3):
        sample, changes = run.changes(own, halved, 48)
        assert list(sample.steps) == [2, 3, 4] and [change.step for change in changes] == [2]
    assert asked == [[2, 3, 4]]


def test_a_run_of_other_rewards_and_one_that_was_computed_again_are_read_anew(tmp_path: Path) -> None:
    paths = write_fake_run(tmp_path, "run", steps=3)
    run, (own, halved) = WhatIfRun(paths.db), own_and_halved()
    before = run.changes(own, halved, 48)[1]
    with closing(sqlite3.connect(paths.db)) as db, db:
        db.execute("UPDATE completions SET reward_0 = 0, reward_1 = 0")
    assert run.changes(own, halved, 48)[1][0].dead_before == before[0].dead_before
    with closing(sqlite3.connect(paths.db)) as db, db:
        db.execute("INSERT INTO superseded VALUES (1, 1, '{}')")
        db.execute("UPDATE completions SET advantage = 0")  # what all-equal rewards give
    assert [change.dead_before for change in run.changes(own, halved, 48)[1]] == [1.0, 1.0, 1.0]
    one = replace(own, weights=own.weights[:1])
    assert len(run.changes(one, one, 48)[1]) == 3


def test_only_the_newest_changes_are_remembered(tmp_path: Path) -> None:
    run, (own, _) = WhatIfRun(write_fake_run(tmp_path, "run", steps=1).db), own_and_halved()
    for number in range(MAX_CHANGES + 5):
        run.changes(own, replace(own, weights=(("exact_match", 1.0), ("digit_match", float(number)))), 48)
    assert len(run._changes) == MAX_CHANGES
