"""Columns of a run that are kept in memory: right from before the first step on, and after each that comes."""

from dashboard.run_columns import RunColumns
from engine.runs.store import StoreWriter
from tests.unit.runs.records import step


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
