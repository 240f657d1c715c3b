"""The completions of a real run of the toy model, scored again: by its own rewards, and by others."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.analysis.rescored import summary as summarised
from engine.config import RewardSpec
from engine.errors import RewardError, StoreError
from engine.rescore import rescore
from engine.rescore_client import (
    Rescored,
    RescoreRequest,
    chosen_steps,
    job_of,
    list_rescored,
    read_rescored,
    read_rows,
    start_rescore,
    stored_rescore,
)
from engine.rewards.registry import REWARDS as REGISTERED
from engine.runs.paths import RunPaths, read_config
from engine.runs.reader import RunReader
from engine.train.loop import run_engine
from tests.toy import toy_config, toy_policy
from tests.unit.train.conftest import make_run

# Everything at once: a gate, a limit, a weight that changes, a reward that scores steps, a monitor.
REWARDS = (
    RewardSpec(name="digit_match"),
    RewardSpec(name="short", function="length_target", params={"target": 2, "tolerance": 3}, weight=0.5,
               final_weight=0.1, gate="digits", gate_at=1.0, clip_high=0.5),
    RewardSpec(name="digits", function="digits_only", weight=0.0),
    RewardSpec(name="steps", function="digit_steps", weight=0.3),
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    config = toy_config().model_copy(update={"rewards": REWARDS})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.train.session.load_policy", lambda *_, **__: toy_policy())
        paths = make_run(tmp_path_factory.mktemp("runs") / "rescored", config)
        assert run_engine(paths) == "finished"
    return paths


def specs(run: RunPaths, **changed: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The run's list with some settings of some rewards replaced."""
    listed = [spec.model_dump(mode="json") for spec in read_config(run).rewards]
    return tuple({**spec, **changed.get(spec["name"], {})} for spec in listed)


def ask(run: RunPaths, rewards: tuple[dict[str, Any], ...], **options: Any) -> Rescored:
    request = RescoreRequest(str(run.root), rewards, **options)
    return rescore(job_of(request), lambda done, total, doing: None)


def test_a_runs_own_rewards_give_what_is_stored_to_the_last_bit(run: RunPaths) -> None:
    found = ask(run, specs(run), recompute=True)
    assert found.problem == "" and found.scored == ("digit_match", "short", "digits", "steps")
    rows, summary = read_rows(found), found.summary
    assert summary is not None and (summary.num_steps, summary.num_completions) == (6, 48)
    assert (summary.changed, summary.flipped, summary.gained, summary.lost) == (0, 0, 0, 0)
    for name in ("digit_match", "short", "digits", "steps"):
        np.testing.assert_array_equal(rows[f"before/{name}"], rows[f"after/{name}"])
    np.testing.assert_array_equal(rows["advantage_before"], rows["advantage_after"])
    np.testing.assert_array_equal(rows["passed_before"], rows["passed_after"])
    assert summarised(rows) == summary
    assert rows["reasons_before"].tolist() == rows["reasons_after"].tolist()
    assert rows["parsed_before"].tolist() == rows["parsed_after"].tolist()
    assert rows["before/short"].std() > 0 and rows["before/steps"].std() > 0  # and there was something to compare


def test_before_is_what_the_store_has(run: RunPaths) -> None:
    rows, reader = read_rows(ask(run, specs(run))), RunReader(run.db)
    stored = np.concatenate([reader.completions(step)["advantage"] for step in range(1, 7)])
    np.testing.assert_allclose(rows["advantage_before"], stored, atol=1e-6)  # the engine computes in float32


def test_unchanged_rewards_are_not_called_and_another_weight_is_no_change_of_the_function(run: RunPaths) -> None:
    found = ask(run, specs(run, digit_match={"weight": 0.2}))
    assert found.scored == () and found.summary is not None and found.summary.changed > 0
    found = ask(run, specs(run, short={"params": {"target": 1, "tolerance": 3}}))
    assert found.scored == ("short",)


def test_rewards_that_are_not_called_keep_their_values_their_steps_and_their_reasons(run: RunPaths) -> None:
    rows = read_rows(ask(run, specs(run)))
    for before, after in (("before/steps", "after/steps"), ("advantage_before", "advantage_after")):
        np.testing.assert_array_equal(rows[before], rows[after])
    assert rows["reasons_before"].tolist() == rows["reasons_after"].tolist()


def test_another_limit_applies_to_what_the_function_gave(run: RunPaths) -> None:
    rows = read_rows(ask(run, specs(run, short={"clip_high": None, "gate": ""})))
    assert rows["before/short"].max() == 0.5  # the limit; 3 tokens, one more than the target, are worth 2/3
    assert rows["after/short"].max() == pytest.approx(2 / 3, abs=1e-12)


def test_a_reward_may_be_added_and_the_pass_reward_left_out(run: RunPaths) -> None:
    rewards = ({"name": "exact_match"}, *(spec for spec in specs(run) if spec["name"] != "digit_match"))
    found = ask(run, rewards)
    assert found.summary is not None and [one.name for one in found.summary.rewards] == [
        "digit_match", "short", "digits", "steps", "exact_match",
    ]  # fmt: skip
    gone = found.summary.rewards[0]
    assert gone.mean_before is not None and gone.mean_after is None and gone.missing_after == 0


def test_rows_worth_reading_have_their_texts_and_both_sides(run: RunPaths) -> None:
    found = ask(run, specs(run, digits={"weight": -2.0}))
    row = found.lowered[0]
    completions = RunReader(run.db).completions(row.step, row.group_index)
    assert row.completion == completions["text"][row.completion_index] and found.raised == ()
    assert row.total_before is not None and row.total_after == pytest.approx(row.total_before - 2.0)
    assert row.values_after["digits"] == 1.0 and row.prompt.endswith("=")


def test_the_same_question_is_answered_from_the_file(run: RunPaths) -> None:
    request = RescoreRequest(str(run.root), specs(run, digit_match={"weight": 0.7}))
    assert stored_rescore(request) is None
    found = rescore(job_of(request), lambda done, total, doing: None)
    assert stored_rescore(request) == found and found in list_rescored(run)
    other = RescoreRequest(str(run.root), specs(run, digit_match={"weight": 0.8}))
    assert stored_rescore(other) is None


def test_a_damaged_file_is_as_good_as_none(run: RunPaths, tmp_path: Path) -> None:
    (path := tmp_path / "x.parquet").write_bytes(b"PAR1 and nothing else")
    assert read_rescored(path) is None and read_rescored(tmp_path / "none.parquet") is None


def test_what_time_does_not_allow_is_left_out_said_and_not_kept(run: RunPaths) -> None:
    found = ask(run, specs(run, digit_match={"weight": 0.9}), budget_s=0.0)
    assert "no completions could be scored" in found.problem and found.summary is None


def test_a_list_that_cannot_be_is_a_problem_in_words(run: RunPaths) -> None:
    assert "there is no reward 'nothing'" in ask(run, ({"name": "nothing"},)).problem
    with pytest.raises(RewardError, match="No such file"):
        ask(run, ({"name": "mine", "function": "python_file", "params": {"path": "nowhere.py"}},))


def test_a_run_without_steps_has_nothing_to_score(tmp_path: Path) -> None:
    paths = make_run(tmp_path / "empty", toy_config())
    with pytest.raises(StoreError, match="has no step yet"):
        job_of(RescoreRequest(str(paths.root), ({"name": "exact_match"},)))


@pytest.mark.parametrize(
    ("choose", "steps", "words"),
    [
        ("spread", (2, 4, 6, 8, 10, 12, 14, 16, 18, 20), "10 of 20 steps, evenly spaced"),
        ("newest", (18, 19, 20), "the newest 3 of 20 steps"),
    ],
)
def test_the_steps_are_bounded_and_said(choose: Any, steps: tuple[int, ...], words: str) -> None:
    assert chosen_steps(choose, 1, 20, 8, 24) == (steps, words)


def _no_ones(params: Any) -> Any:
    """digit_match, which cannot be had for completions that begin with 1."""

    def reward(*, completions: list[str], answer: list[str], **_: Any) -> list[Any]:
        return [float("nan") if text.startswith("1") else 0.5 for text in completions]

    return reward


def test_beside_a_reward_that_failed_nothing_counts_as_in_training(run: RunPaths) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(REGISTERED, "digit_match", replace(REGISTERED["digit_match"], make=_no_ones))
        found = ask(run, specs(run, digit_match={"weight": 0.75}), recompute=True)
    rows = read_rows(found)
    failed = rows["after/digit_match"].isna().to_numpy()
    assert failed.any() and not failed.all()
    for name in ("after/short", "after/steps", "total_after"):
        np.testing.assert_array_equal(rows[name].isna(), failed)


@pytest.fixture(scope="module")
def failing_run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """Whose trained reward digit_match fails at a few of its completions."""
    config = toy_config().model_copy(update={"rewards": REWARDS})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.train.session.load_policy", lambda *_, **__: toy_policy())
        patch.setattr("engine.train.failures.STOP_SHARE", 1.0)
        patch.setitem(REGISTERED, "digit_match", replace(REGISTERED["digit_match"], make=_no_ones))
        paths = make_run(tmp_path_factory.mktemp("runs") / "failing", config)
        assert run_engine(paths) == "finished"
    return paths


def test_a_stored_failure_is_one_still_and_takes_its_reasons_with_it(failing_run: RunPaths) -> None:
    rows = read_rows(ask(failing_run, specs(failing_run)))
    assert rows["total_before"].isna().any()
    np.testing.assert_array_equal(rows["total_before"], rows["total_after"])
    assert rows["reasons_before"].tolist() == rows["reasons_after"].tolist()
    without = [spec for spec in specs(failing_run) if spec["name"] != "digit_match"]
    rows = read_rows(ask(failing_run, tuple(without)))
    assert not rows["after/short"].isna().any() and not any(rows["reasons_after"])


@pytest.mark.slow  # starts a worker
def test_a_reward_learns_of_which_step_its_completions_are(run: RunPaths, tmp_path: Path) -> None:
    (path := tmp_path / "steps.py").write_text(
        "def reward(completions, trainer_state, **kwargs):\n"
        "    return [float(trainer_state.global_step) for _ in completions]\n"
    )
    mine = {"function": "python_file", "params": {"path": str(path)}}
    rows = read_rows(ask(run, specs(run, digits=mine)))
    np.testing.assert_array_equal(rows["after/digits"], rows["step"] - 1)  # finished steps, as in training


@pytest.mark.slow  # a child, and a worker of its own
def test_a_file_of_ones_own_is_scored_in_a_child_and_its_failures_are_reasons(run: RunPaths, tmp_path: Path) -> None:
    (path := tmp_path / "mine.py").write_text(
        "def reward(completion, answer):\n"
        "    if completion.startswith('1'):\n        raise ValueError('no ones')\n"
        "    return float(len(completion) > 2)\n"
    )
    mine = {"function": "python_file", "params": {"path": str(path)}}
    request = RescoreRequest(str(run.root), specs(run, digit_match=mine))
    found = start_rescore(request).result()
    assert found.problem == "" and found.scored == ("digit_match",) and "no ones" in found.traceback
    rows = read_rows(found)
    ones = [reasons.get("digit_match") for reasons in rows["reasons_after"]]
    assert rows["after/digit_match"].isna().tolist() == [one is not None for one in ones]
    assert found.summary is not None and found.summary.rewards[0].reasons_after[0][0].startswith("raised ValueError")
    assert stored_rescore(request) == found
    path.write_text("def reward(completion):\n    return 0.0\n")
    assert stored_rescore(request) is None  # another content is another question
