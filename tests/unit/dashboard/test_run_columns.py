"""Columns of a run that are kept in memory: right from before the first step on, and after each that comes."""

import pytest

from dashboard.run_columns import RunColumns
from engine.runs.store import StoreWriter
from tests.unit.runs.records import completion, group, step


def test_columns_that_were_asked_for_before_the_first_step_follow_the_run(tmp_path):
    store = StoreWriter(tmp_path / "run.db")
    store.begin_attempt(0, {})
    columns = RunColumns(tmp_path / "run.db")
    assert columns.metrics().empty
    assert columns.metrics(["reward", "kl"]).columns.tolist() == [
        "step", "finished_at", "completion_tokens", "reward", "kl",
    ]  # fmt: skip
    store.commit_step(step(1))
    assert columns.metrics(["reward"])["step"].tolist() == [1]
    store.commit_step(step(2))
    assert columns.metrics(["reward", "kl"])["step"].tolist() == [1, 2]
    assert columns.function_means().index.tolist() == [1, 2]
    store.close()


def test_what_was_handed_out_does_not_change(tmp_path):
    store = StoreWriter(tmp_path / "run.db")
    store.begin_attempt(0, {})
    store.commit_step(step(1))
    columns = RunColumns(tmp_path / "run.db")
    before = columns.metrics(["reward"])
    store.commit_step(step(2))
    assert len(columns.metrics(["reward"])) == 2 and len(before) == 1
    store.close()


def test_what_a_replay_replaced_is_read_again(tmp_path):
    store = StoreWriter(tmp_path / "run.db")
    store.begin_attempt(0, {})
    for number in (1, 2):
        store.commit_step(step(number))
    columns = RunColumns(tmp_path / "run.db")
    assert columns.metrics(["reward"])["reward"].tolist() == [1.0, 1.0]
    store.begin_attempt(1, {})
    other = group(completions=[completion(advantage=0.5)])  # else it would be the same step, done again
    assert store.commit_step(step(2, metrics={"reward": 3.0}, groups=[other])) == "differs"
    assert columns.metrics(["reward"])["reward"].tolist() == [1.0, 3.0]
    store.close()


def test_the_means_of_reward_functions_are_of_their_own_values(tmp_path):
    store = StoreWriter(tmp_path / "run.db")
    store.begin_attempt(0, {})
    store.commit_step(step(1))
    means = RunColumns(tmp_path / "run.db").function_means()
    assert means.loc[1].to_dict() == {"exact": 0.5, "digits": 0.5}  # of 1 and 0, and of 0.5 twice
    store.close()


def test_what_is_no_metric_is_refused(tmp_path):
    StoreWriter(tmp_path / "run.db").close()
    with pytest.raises(KeyError, match="totals"):
        RunColumns(tmp_path / "run.db").metrics(["totals"])
