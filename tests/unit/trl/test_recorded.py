"""Runs that TRL 1.16 recorded, as steps of ours: groups, weights, rules and what is told to be missing."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.errors import LabError
from engine.runs.fork import fork_run
from engine.runs.imported import read_imported
from engine.runs.launch import resume_run
from engine.runs.manage import delete_run, rename_run, restore_run
from engine.runs.paths import RunPaths, list_runs, read_config
from engine.runs.reader import RunReader
from engine.trl import recorded, recorded_groups
from engine.trl.import_run import import_run
from engine.trl.recorded_files import Table, conversation, find_layout, read_tables
from engine.trl.recorded_groups import Rows, Rule, find_rule, find_weights, group_size, groups_of
from engine.trl.recorded_scan import Found, scan
from tests.recompute import recompute, runs_below

RECORDED = Path(__file__).parents[2] / "trl_runs"
FOLDERS = ("two_rewards", "every_second", "reused", "chat")


def scanned(name: str) -> Found:
    return scan(find_layout(RECORDED / name))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    runs = tmp_path / "runs"
    runs.mkdir()
    return runs


def imported(root: Path, name: str) -> RunPaths:
    return RunPaths(root / import_run(root, RECORDED / name).run_id)


def test_weights_follow_from_the_log() -> None:
    recording = scanned("two_rewards").recording
    assert recording.functions == ("exact", "digits") and recording.weights.tolist() == [1.0, 0.5]


@pytest.mark.parametrize(("name", "scale"), [("two_rewards", "group"), ("reused", "group"), ("chat", "none")])
def test_the_rule_of_the_advantages_is_found(name: str, scale: str) -> None:
    recording = scanned(name).recording
    assert recording.size == 4 and recording.rule is not None and recording.rule.scale_rewards == scale


def test_steps_between_logged_ones_are_not_made_up() -> None:
    assert scanned("every_second").recording.steps == [2, 4, 5]


def test_completions_of_an_evaluation_are_not_taken_for_those_of_the_step() -> None:
    found = scanned("reused")
    assert sorted(found.recording.sources) == [1, 3] and found.recording.steps == [1, 2, 3, 4]
    assert any("steps 2, 4" in sentence and "evaluation" in sentence for sentence in found.missing)


def test_extra_columns_stay_with_their_group(root: Path) -> None:
    group = RunReader(imported(root, "every_second").db).groups(2).iloc[0]
    file = pd.read_parquet(RECORDED / "every_second" / "completions" / "completions_00002.parquet")
    assert group["columns"]["golden"] == file["golden"][0]
    assert group["columns"]["read"] == file["read"][:4].tolist()


def test_a_list_that_a_group_shares_stands_there_for_each_completion(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "from"
    shutil.copytree(RECORDED / "chat", folder)
    for path in (folder / "completions").glob("*.parquet"):
        rows = pd.read_parquet(path)
        rows.assign(topics=[["easy", "algebra"]] * len(rows), level="low").to_parquet(path)
    columns = RunReader(RunPaths(root / import_run(root, folder).run_id).db).groups(1).iloc[0]["columns"]
    assert columns["topics"] == [["easy", "algebra"]] * 4 and columns["level"] == "low"


def test_a_reward_that_is_none_is_missing_with_its_reason(root: Path) -> None:
    reader = RunReader(imported(root, "every_second").db)
    file = pd.read_parquet(RECORDED / "every_second" / "completions" / "completions_00002.parquet")
    stored = [row["sometimes"] for row in reader.completions(2)["rewards"]]
    assert stored == [None if math.isnan(value) else value for value in file["sometimes"]]


@pytest.mark.parametrize("name", FOLDERS)
def test_advantages_of_an_exact_import_are_computed_again_from_its_rewards(root: Path, name: str) -> None:
    paths = imported(root, name)
    num_rows = sum(len(RunReader(paths.db).completions(step)) for step in range(1, 7))
    assert num_rows > 0 and runs_below(root) == [paths] and recompute(paths) == (num_rows, [])


def test_an_import_whose_rule_is_not_known_is_not_computed_again(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "from"
    shutil.copytree(RECORDED / "chat", folder)
    path = folder / "completions" / "completions_00002.parquet"
    rows = pd.read_parquet(path)
    rows.assign(advantage=np.arange(len(rows)) * 0.1).to_parquet(path)
    paths = RunPaths(root / import_run(root, folder).run_id)
    found = read_imported(paths)
    assert found is not None and not found.exact
    assert runs_below(root) == []


def test_it_cannot_be_resumed_or_forked_and_says_why(root: Path) -> None:
    paths = imported(root, "chat")
    with pytest.raises(LabError, match="cannot be trained here"):
        resume_run(root, paths.run_id)
    with pytest.raises(LabError, match="cannot be trained here"):
        fork_run(root, paths.run_id, 3, read_config(paths))


def test_it_is_renamed_deleted_and_restored_like_any_run(root: Path) -> None:
    paths = imported(root, "chat")
    rename_run(paths, "Another name")
    assert read_config(paths).name == "Another name"
    trashed = delete_run(root, paths)
    assert list_runs(root) == []
    restore_run(root, trashed)
    assert [found.run_id for found in list_runs(root)] == [paths.run_id] and read_imported(paths) is not None


def test_the_folder_is_left_as_it_was(root: Path) -> None:
    def contents() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in RECORDED.rglob("*") if path.is_file()}

    before = contents()
    imported(root, "reused")
    assert contents() == before


def test_a_config_that_is_of_another_run_is_refused(root: Path) -> None:
    with pytest.raises(LabError, match="1 reward weights, the run has 2"):
        import_run(root, RECORDED / "two_rewards", config={"reward_weights": [1.0]})
    with pytest.raises(LabError, match="num_generations 8"):
        import_run(root, RECORDED / "two_rewards", config={"num_generations": 8})


def test_import_json_holds_what_the_report_says(root: Path) -> None:
    report = import_run(root, RECORDED / "chat")
    kept = json.loads(RunPaths(root / report.run_id).imported.read_text())
    assert (kept["notes"], kept["missing"]) == (list(report.notes), list(report.missing))


def test_a_group_is_the_greatest_common_length_of_stretches() -> None:
    assert group_size([4, 8, 12]) == 4 and group_size([4, 6]) == 2 and group_size([4, 5]) is None
    assert groups_of(["a", "a", "a", "a"], 2) == [[0, 1], [2, 3]]
    assert groups_of(["a", "b", "a"], None) == [[0, 2], [1]]


def test_no_rule_is_claimed_where_all_advantages_are_0() -> None:
    rows = Rows(1, np.ones((4, 1)), np.zeros(4))
    assert find_rule([rows], np.ones(1), 4) is None


def test_undivided_advantages_are_rewards_less_their_mean() -> None:
    rows = Rows(1, np.array([[1.0], [0.0], [0.0], [0.0]]), np.array([0.75, -0.25, -0.25, -0.25]))
    assert find_rule([rows], np.ones(1), 4) == Rule("none")


def test_weights_are_not_guessed_when_one_function_follows_from_another() -> None:
    means = {1: {"a": 1.0, "b": 2.0}, 2: {"a": 2.0, "b": 4.0}}
    assert find_weights({1: 3.0, 2: 6.0}, means, ["a", "b"]) is None


def test_a_conversation_of_several_messages_names_who_speaks() -> None:
    one, two = {"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}
    assert conversation([one]) == "2+2?"
    assert conversation([one, two]) == "[user]\n2+2?\n\n[assistant]\n4"


def test_a_file_that_trl_overwrites_between_the_two_readings_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(RECORDED / "chat", tmp_path / "from")
    recording = scan(find_layout(tmp_path / "from")).recording
    path = tmp_path / "from" / "completions" / "completions_00002.parquet"
    pd.read_parquet(path).assign(digits=0.5).to_parquet(path)
    with pytest.raises(LabError, match=r"completions_00002.parquet is not as it was") as refusal:
        list(recording.records())
    assert refusal.value.hint == "The folder changed while it was read: import it again."


@pytest.mark.parametrize("prompts", [["a", "a", "a", "b"], ["a", "a", "a"]])
def test_rows_of_two_prompts_or_too_few_are_no_group(prompts: list[str]) -> None:
    with pytest.raises(LabError, match="are no group of 2 with one prompt"):
        groups_of(prompts, 2)


def test_one_group_does_not_tell_how_far_prompts_lie_apart(tmp_path: Path) -> None:
    shutil.copytree(RECORDED / "chat", tmp_path / "from")
    for path in (tmp_path / "from" / "completions").iterdir():
        pd.read_parquet(path).iloc[:4].to_parquet(path)
    step = next(scan(find_layout(tmp_path / "from")).recording.records())
    assert len(step.groups) == 1 and math.isnan(step.metrics["reward_between_std"])


def test_a_file_with_several_steps_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted((RECORDED / "chat" / "completions").iterdir())
    pd.concat([pd.read_parquet(path) for path in files]).to_parquet(tmp_path / "completions_00001.parquet")
    recording = scan(find_layout(tmp_path)).recording
    reads: list[Path] = []

    def counted(path: Path) -> Iterator[Table]:
        reads.append(path)
        return read_tables(path)

    monkeypatch.setattr(recorded, "read_tables", counted)
    assert [step.step for step in recording.records()] == [1, 2, 3] and len(reads) == 1


def test_more_groups_than_a_step_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_groups, "MAX_GROUPS", 2)
    assert len(groups_of(["a", "b"], None)) == 2
    with pytest.raises(LabError, match="has 3 groups in one step, more than 2"):
        groups_of(["a", "b", "c"], None, "x.parquet")
