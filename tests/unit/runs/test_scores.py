"""Scores of many steps in one query: the same numbers as step by step, and only those that were asked for."""

from pathlib import Path

import numpy as np

from engine.runs.reader import RunReader
from engine.runs.scores import read_scores
from tests.fakes import fake_config, write_fake_run


def test_scores_are_those_of_the_completions_in_the_order_of_sampling(tmp_path: Path) -> None:
    config = fake_config(name="run", steps=6, dynamic_sampling=True)
    reader = RunReader(write_fake_run(tmp_path, "run", steps=6, config=config).db)
    found = read_scores(reader, [5, 2])
    assert found["step"].tolist() == [2] * 48 + [5] * 48
    for step in (2, 5):
        rows, stored = found[found["step"] == step], reader.completions(step)
        for name in ("group_index", "length", "finish_reason", "advantage"):
            assert rows[name].tolist() == stored[name].tolist()
        for function in ("exact_match", "digit_match"):
            wanted = [np.nan if row[function] is None else row[function] for row in stored["rewards"]]
            np.testing.assert_array_equal(rows[f"rewards/{function}"], wanted)
        left_out = reader.groups(step)["discarded"].notna().repeat(8).tolist()
        assert rows["discarded"].notna().tolist() == left_out
    assert found["discarded"].notna().any()


def test_a_run_without_steps_and_a_step_that_is_not_stored_have_no_rows(tmp_path: Path) -> None:
    reader = RunReader(write_fake_run(tmp_path, "run", steps=2).db)
    assert read_scores(reader, [3, 10**12]).empty and read_scores(reader, []).empty
    nothing = read_scores(RunReader(tmp_path / "none" / "run.db"), [1])
    assert nothing.empty and {"step", "length", "steps", "discarded"} <= set(nothing.columns)
