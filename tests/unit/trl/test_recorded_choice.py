"""What is taken for the weights of a recorded run: only what its log or its advantages bear out."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.runs.paths import RunPaths, read_config
from engine.runs.reader import RunReader
from engine.trl.import_run import import_run
from engine.trl.recorded_choice import Evidence, choose_weights
from engine.trl.recorded_files import find_layout
from engine.trl.recorded_groups import Rows, find_weights
from engine.trl.recorded_log import TrainerLog
from engine.trl.recorded_scan import scan

NOISE = {1: {"a": 0.5, "b": 0.25}, 2: {"a": 0.25, "b": 0.75}}
LOGGED = {1: 0.8, 2: 0.9}


def log_of(means: dict[int, dict[str, float]]) -> TrainerLog:
    return TrainerLog({}, means, frozenset(means), {}, ("a", "b"), (), 0, None)


def rows_of(step: int, advantages: list[float]) -> Rows:
    """Totals with weights 1 and 2: 1, 2, 0, 3. Their mean is 1.5."""
    return Rows(step, np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0]]), np.array(advantages))


def test_as_many_steps_as_functions_always_have_a_solution_so_it_says_nothing() -> None:
    assert find_weights(LOGGED, NOISE, ["a", "b"]) is None


def test_weights_that_solve_the_log_are_not_taken_unless_something_bears_them_out() -> None:
    """Three steps that 1 and 2 solve, and advantages that no rule gives from them."""
    means = {**NOISE, 3: {"a": 1.0, "b": 0.0}}
    logged = {1: 1.0, 2: 1.75, 3: 1.0}
    assert np.array_equal(find_weights(logged, means, ["a", "b"]), [1.0, 2.0])
    wrong = Evidence([rows_of(1, [0.3, -0.1, 0.4, -0.6])], logged, {}, 4)
    weights, words = choose_weights(wrong, ["a", "b"], log_of(means))
    assert weights.tolist() == [1.0, 1.0] and words.startswith("Total rewards are sums with weight 1 each: ")
    right = Evidence([rows_of(1, [-0.5, 0.5, -1.5, 1.5])], logged, {}, 4)
    weights, words = choose_weights(right, ["a", "b"], log_of(means))
    assert weights.tolist() == [1.0, 2.0] and words.endswith("is their sum: a × 1, b × 2.")


def test_plain_sums_are_told_to_be_plain_sums_only_where_they_are_used() -> None:
    """The rows have mean rewards 0.5 and 0.5: a plain sum would be logged as 1, and 1.5 was."""
    evidence = Evidence([rows_of(1, [0.3, -0.1, 0.4, -0.6])], {1: 1.5}, {1: 1.5}, 4)
    weights, words = choose_weights(evidence, ["a", "b"], log_of({1: {"a": 0.5, "b": 0.5}}))
    assert weights.tolist() == [1.0, 1.0] and "which the logged reward is not" in words


def test_weights_of_1_that_the_log_confirms_come_before_a_solution() -> None:
    evidence = Evidence([rows_of(1, [0.0] * 4)], {1: 1.0}, {1: 1.0}, 4)
    weights, words = choose_weights(evidence, ["a", "b"], log_of({1: {"a": 0.5, "b": 0.5}}))
    assert weights.tolist() == [1.0, 1.0] and words == "The weights are 1 each: the logged reward is the plain sum."


def without_log(folder: Path, advantages: Sequence[float], **columns: Sequence[float]) -> Path:
    """One step with one group of 4, in the folder completions alone."""
    folder.mkdir()
    rows = pd.DataFrame({
        "step": [1] * 4, "prompt": ["p"] * 4, "completion": ["a", "b", "c", "d"], **columns, "advantage": advantages,
    })  # fmt: skip
    rows.to_parquet(folder / "completions_00001.parquet")
    return folder


RIGHT, TIDY, NUM_WORDS = [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [7, 9, 3, 12]


def test_without_a_log_only_the_columns_that_give_the_advantages_are_rewards(tmp_path: Path) -> None:
    """right + tidy is 1, 0, 1, 0, which lies 0.5 around its mean."""
    folder = without_log(tmp_path / "from", [0.5, -0.5, 0.5, -0.5], right=RIGHT, num_words=NUM_WORDS, tidy=TIDY)
    found = scan(find_layout(folder))
    assert found.recording.functions == ("right", "tidy") and found.recording.weights.tolist() == [1.0, 1.0]
    assert any(sentence.endswith("kept with the groups: num_words.") for sentence in found.notes)
    step = next(found.recording.records())
    assert step.groups[0].mean == 0.5 and step.groups[0].columns == {"num_words": NUM_WORDS}


@pytest.mark.parametrize(
    ("advantages", "columns", "why"),
    [
        ([0.1, 0.2, 0.3, 0.4], {"right": RIGHT, "num_words": NUM_WORDS}, "and no choice gives"),
        ([0.75, -0.25, -0.25, -0.25], {"right": RIGHT, "always": [1.0] * 4}, "more than one choice gives"),
        ([0.0] * 4, {"right": [1.0] * 4, "num_words": NUM_WORDS}, "and no choice gives"),
        ([0.75, -0.25, -0.25, -0.25], {"right": RIGHT, **{f"x{n}": NUM_WORDS for n in range(8)}}, "too many"),
    ],
)
def test_totals_are_missing_where_nobody_knows_which_columns_are_rewards(
    advantages: list[float], columns: dict[str, list[float]], why: str, tmp_path: Path
) -> None:
    root = tmp_path / "runs"
    root.mkdir()
    report = import_run(root, without_log(tmp_path / "from", advantages, **columns))
    paths = RunPaths(root / report.run_id)
    reader = RunReader(paths.db)
    stored, group = reader.completions(1), reader.groups(1).iloc[0]
    assert stored["total"].isna().all() and math.isnan(group["mean"]) and math.isnan(group["std"])
    assert [row["right"] for row in stored["rewards"]] == columns["right"]
    assert {spec.weight for spec in read_config(paths).rewards} == {0.0}
    assert group["kind"] == ("mixed" if any(advantages) else "other")
    assert why in report.missing[0] and not any("otal rewards" in note for note in report.notes)


def test_as_many_columns_as_the_config_has_weights_are_chosen(tmp_path: Path) -> None:
    """2 right + tidy is 2, 0, 1, 0 around 0.75."""
    advantages = [1.25, -0.75, 0.25, -0.75]
    folder = without_log(tmp_path / "from", advantages, right=RIGHT, num_words=NUM_WORDS, tidy=TIDY)
    assert scan(find_layout(folder), weights=[2.0, 1.0]).recording.functions == ("right", "tidy")


def test_a_batch_of_one_prompt_in_two_groups_is_told_by_its_advantages(tmp_path: Path) -> None:
    """8 rows of one prompt. Means of 4 are 0.25 and 0.75, the mean of all would be 0.5."""
    rewards = [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]
    advantages = [0.75, -0.25, -0.25, -0.25, 0.25, 0.25, 0.25, -0.75]
    rows = pd.DataFrame({
        "step": [1] * 8, "prompt": ["p"] * 8, "completion": list("abcdefgh"), "right": rewards, "advantage": advantages,
    })  # fmt: skip
    rows.to_parquet(tmp_path / "completions_00001.parquet")
    found = scan(find_layout(tmp_path))
    assert found.recording.size == 4 and found.recording.per_step == 2 and "They stand in groups of 4." in found.notes
    rows.assign(advantage=[0.1 * row for row in range(8)]).to_parquet(tmp_path / "completions_00001.parquet")
    found = scan(find_layout(tmp_path))
    assert found.recording.size == 8
    assert "They stand in groups of 8, or several groups of one prompt." in found.notes
