"""Prompts over the steps of a run: their course, and the table of all of them with how they went."""

import math

import pandas as pd
import pytest

from engine.runs.prompts import thinned
from engine.runs.reader import RunReader
from engine.runs.store import StoreWriter
from tests.unit.runs.records import completion, group, step


def asked(prompt_id: str, *right: bool | None, **changes: object):
    """A group of this prompt with a completion for each verdict."""
    kind = "solved" if all(right) else "mixed"
    members = [completion(passed=value) for value in right]
    return group(prompt_id=prompt_id, prompt=f"What is {prompt_id}?", completions=members, kind=kind, **changes)


@pytest.fixture
def run(store: StoreWriter, reader: RunReader) -> RunReader:
    store.commit_step(step(1, groups=[asked("a", False, False, mean=0.0), asked("b", True, True, mean=1.0)]))
    store.commit_step(step(2, groups=[asked("c", False, False, mean=0.0)]))
    store.commit_step(step(3, groups=[asked("d", None, None), asked("a", True, False, mean=0.5)]))
    store.commit_step(step(4, groups=[asked("b", True, True, mean=1.0), asked("a", True, True, mean=1.0)]))
    return reader


def test_the_course_of_a_prompt_has_all_its_groups_in_order(run: RunReader) -> None:
    course = run.prompt_course("a")
    assert course[["step", "group_index", "pass_rate", "mean"]].to_numpy().tolist() == [
        [1, 0, 0.0, 0.0], [3, 1, 0.5, 0.5], [4, 1, 1.0, 1.0],
    ]  # fmt: skip
    assert course["mean_length"].tolist() == [2.0, 2.0, 2.0]
    assert run.prompt_course("nobody's").empty


def test_a_prompt_is_told_by_its_first_its_last_and_all_of_its_groups(run: RunReader) -> None:
    row = run.prompt_table(1, None, 10).rows.set_index("prompt_id").loc["a"].to_dict()
    assert row == {
        "times": 3, "first_step": 1, "last_step": 4, "pass_rate": 0.5, "lowest": 0.0, "highest": 1.0, "mean": 0.5,
        "dead_share": pytest.approx(1 / 3), "group_index": 1, "prompt": "What is a?",
        "first_pass_rate": 0.0, "last_pass_rate": 1.0,
    }  # fmt: skip


def test_prompts_come_by_how_often_they_were_asked_and_no_more_than_wanted(run: RunReader) -> None:
    assert run.prompt_table(1, None, 10).rows["prompt_id"].tolist() == ["a", "b", "d", "c"]
    assert run.prompt_table(1, None, 2).rows["prompt_id"].tolist() == ["a", "b"]


def test_outcomes_are_counted_and_a_prompt_that_nobody_judged_has_none(run: RunReader) -> None:
    assert run.prompt_table(1, None, 1).counts == {"always": 1, "sometimes": 1, "never": 1, None: 1}


@pytest.mark.parametrize(("outcome", "wanted"), [("always", ["b"]), ("sometimes", ["a"]), ("never", ["c"])])
def test_the_table_can_be_narrowed_to_one_outcome(run: RunReader, outcome, wanted) -> None:
    assert run.prompt_table(1, outcome, 10).rows["prompt_id"].tolist() == wanted


def test_a_prompt_is_always_or_never_right_when_every_completion_was_decided(
    store: StoreWriter, reader: RunReader
) -> None:
    store.commit_step(step(1, groups=[asked("a", True, True), asked("b", False, False), asked("c", True, None)]))
    store.commit_step(step(2, groups=[asked("a", None, None), asked("b", None, False), asked("d", True, True)]))
    store.commit_step(step(3, groups=[asked("e", False, False)]))
    assert reader.prompt_table(1, None, 10).counts == {"always": 1, "never": 1, None: 3}


def test_only_the_steps_asked_for_count(run: RunReader) -> None:
    table = run.prompt_table(4, None, 10)
    assert table.counts == {"always": 2}
    assert table.rows["times"].tolist() == [1, 1]


def test_of_a_long_prompt_the_beginning_is_read(store: StoreWriter, reader: RunReader) -> None:
    store.commit_step(step(groups=[group(prompt="x" * 1_000_000)]))
    assert reader.prompt_table(1, None, 10).rows["prompt"].tolist() == ["x" * 300]


def test_a_group_without_a_mean_does_not_count_as_one_of_0(store: StoreWriter, reader: RunReader) -> None:
    nan = math.nan
    store.commit_step(step(1, groups=[group(mean=nan, std=nan, kind="failed")]))
    store.commit_step(step(2, groups=[group(mean=1.0)]))
    assert reader.prompt_table(1, None, 10).rows["mean"].tolist() == [1.0]


def test_both_questions_are_answered_without_reading_the_texts_of_the_run(run: RunReader) -> None:
    from engine.runs import prompts

    for sql, argument in ((prompts._ASKED, 1), (prompts._COURSE, "a")):
        plan = " ".join(str(row[-1]) for row in run._rows(f"EXPLAIN QUERY PLAN {sql}", argument))
        assert "USING COVERING INDEX groups_prompt" in plan


def test_a_run_without_a_database_has_no_prompts(tmp_path) -> None:
    empty = RunReader(tmp_path / "run.db")
    assert empty.prompt_course("a").empty
    assert empty.prompt_table(1, None, 10).rows.empty and empty.prompt_table(1, None, 10).counts == {}


def test_a_thinned_frame_keeps_its_ends_and_the_row_that_matters() -> None:
    frame = pd.DataFrame({"step": range(1000)})
    thin = thinned(frame, 50, keep=501)
    assert len(thin) == 50
    assert thin["step"].iloc[[0, -1]].tolist() == [0, 999] and 501 in set(thin["step"])
    assert thinned(frame.head(50), 50) is not None and len(thinned(frame.head(50), 50)) == 50
