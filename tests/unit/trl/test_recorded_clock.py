"""When recorded steps were: by the times of the files, else by the log, else unknown and said so."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from engine.trl import recorded_clock
from engine.trl.recorded import Recording
from engine.trl.recorded_clock import Clock, clock_of
from engine.trl.recorded_files import Layout
from engine.trl.recorded_log import read_log

NEWEST = 1_000_000.0  # seconds since 1970


def clock(folder: Path, files: dict[int, float], log: dict[int, float] | None = None, runtime: float = 0.0) -> Clock:
    """files: {step: when its file was written}; log: {step: its step_time}, written at NEWEST."""
    paths = {step: written(folder / f"completions_{step:05}.parquet", "", at) for step, at in files.items()}
    state = None
    if log is not None:
        history = [{"step": step, "step_time": seconds} for step, seconds in log.items()]
        history += [{"step": max(log), "train_runtime": runtime}] if runtime else []
        state = written(folder / "trainer_state.json", json.dumps({"log_history": history}), NEWEST)
    layout = Layout(folder, tuple(paths.values()), state)
    read = None if state is None else read_log(state)
    return clock_of(layout, Recording(layout, read, paths, (), np.ones(0), None, None, 1, {}))


def written(path: Path, text: str, at: float) -> Path:
    path.write_text(text)
    os.utime(path, (at, at))
    return path


def test_files_that_were_written_one_after_the_other_are_the_clock(tmp_path: Path) -> None:
    found = clock(tmp_path, {1: NEWEST - 20, 2: NEWEST - 10, 3: NEWEST})
    assert found.words == recorded_clock.FILES
    assert [found.at(step) for step in (1, 2, 3)] == [NEWEST - 20, NEWEST - 10, NEWEST]
    assert (found.started_at, found.ended_at) == (NEWEST - 20, NEWEST)


def test_the_first_step_began_as_long_before_its_file_as_the_log_says(tmp_path: Path) -> None:
    found = clock(tmp_path, {1: NEWEST - 10, 2: NEWEST}, {1: 8.0, 2: 10.0})
    assert found.words == recorded_clock.FILES and found.started_at == NEWEST - 18


def test_files_of_a_copied_folder_have_one_time_so_the_log_counts_back(tmp_path: Path) -> None:
    found = clock(tmp_path, {1: NEWEST, 2: NEWEST, 3: NEWEST}, {1: 5.0, 2: 10.0, 3: 20.0})
    assert found.words == recorded_clock.LOG
    assert [found.at(step) for step in (1, 2, 3)] == [NEWEST - 30, NEWEST - 20, NEWEST]
    assert found.started_at == NEWEST - 35


def test_files_copied_in_order_within_a_moment_are_no_clock(tmp_path: Path) -> None:
    """One second for what took 30: less than half of it."""
    found = clock(tmp_path, {1: NEWEST - 1, 2: NEWEST}, {1: 15.0, 2: 15.0})
    assert found.words == recorded_clock.LOG and found.at(1) == NEWEST - 15


def test_a_logged_mean_counts_for_every_step_since_the_entry_before(tmp_path: Path) -> None:
    """Two seconds a step, logged every second step: four seconds from entry to entry, and the whole took 9."""
    found = clock(tmp_path, {}, {2: 2.0, 4: 2.0}, runtime=9.0)
    assert [found.at(2), found.at(4)] == [NEWEST - 4, NEWEST] and found.started_at == NEWEST - 9


def test_without_either_all_steps_stand_at_the_newest_file_and_it_says_so(tmp_path: Path) -> None:
    found = clock(tmp_path, {1: NEWEST, 2: NEWEST - 5})
    assert found.words == recorded_clock.NONE
    assert found.at(1) == found.at(2) == found.started_at == found.ended_at == NEWEST


def test_a_step_without_a_file_is_not_later_than_the_next_one(tmp_path: Path) -> None:
    """The log was written after the last step, and a step without a file would stand at that time."""
    found = clock(tmp_path, {1: NEWEST - 20, 3: NEWEST - 5}, {1: 10.0, 2: 7.0, 3: 8.0})
    assert found.words == recorded_clock.FILES
    assert [found.at(step) for step in (1, 2, 3)] == [NEWEST - 20, NEWEST - 5, NEWEST - 5]


def test_a_step_without_an_entry_has_the_time_of_the_nearest_one_before(tmp_path: Path) -> None:
    """An evaluation before the first step was when the run started."""
    found = clock(tmp_path, {2: NEWEST - 10, 4: NEWEST}, {2: 2.0, 4: 5.0})
    assert [found.at(step) for step in (0, 1, 3, 5)] == [NEWEST - 14, NEWEST - 14, NEWEST - 10, NEWEST]


def test_files_from_before_1970_are_from_1970(tmp_path: Path) -> None:
    """Step 1 was written 5 s before, and no moment of a run may be below 0."""
    found = clock(tmp_path, {1: -5.0, 2: 3.0, 3: 9.0}, {1: 2.0, 2: 2.0, 3: 2.0})
    assert [found.at(step) for step in (1, 2, 3)] == [0.0, 3.0, 9.0] and found.started_at == 0.0
    found = clock(tmp_path, {1: -9.0, 2: -5.0})
    assert found.at(1) == found.at(2) == found.started_at == found.ended_at == 0.0


def test_files_from_after_the_last_year_of_a_date_are_from_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_clock, "LATEST", 500.0)  # some disks cannot hold such a time
    assert clock(tmp_path, {1: 900.0}).ended_at == 499.0


def test_a_training_longer_than_since_1970_does_not_count(tmp_path: Path) -> None:
    found = clock(tmp_path, {}, {1: 5.0, 2: 10.0}, runtime=1e12)
    assert found.words == recorded_clock.LOG and found.started_at == NEWEST - 15


def test_steps_longer_than_since_1970_are_no_clock(tmp_path: Path) -> None:
    """900,000 s each, 3,000 steps apart: 2.7e9 s, and the file is from 1e6."""
    found = clock(tmp_path, {}, {3000: 9e5, 6000: 9e5})
    assert found.words == recorded_clock.NONE
    assert found.at(3000) == found.at(6000) == found.started_at == found.ended_at == NEWEST
