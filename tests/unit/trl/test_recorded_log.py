"""The log of TRL: which of its numbers are ours, which are left out, and what does not fit is named."""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LabError
from engine.trl import recorded_log
from engine.trl.recorded_log import TrainerLog, read_log


def log_of(folder: Path, *history: Any, **state: Any) -> TrainerLog:
    path = folder / "trainer_state.json"
    path.write_text(json.dumps({"log_history": list(history), **state}))
    return read_log(path)


def test_numbers_of_the_same_meaning_are_taken_over_step_by_step(tmp_path: Path) -> None:
    log = log_of(tmp_path, {"step": 4, "reward": 0.5, "kl": 2, "epoch": 1.0}, {"step": 2, "reward": 0.25}, max_steps=9)
    assert log.steps == {2: {"reward": 0.25}, 4: {"reward": 0.5, "kl": 2.0}}
    assert list(log.steps) == [2, 4] and log.sampled == {2, 4} and log.max_steps == 9


def test_entries_of_one_step_are_put_together(tmp_path: Path) -> None:
    log = log_of(tmp_path, {"step": 1, "loss": 0.5}, {"step": 1, "reward": 1.0})
    assert log.steps == {1: {"loss": 0.5, "reward": 1.0}}


def test_means_of_reward_functions_stand_under_their_names_and_make_no_metric(tmp_path: Path) -> None:
    log = log_of(tmp_path, {"step": 1, "reward": 1.0, "rewards/a/b/mean": 0.75, "rewards/a/b/std": 0.1})
    assert log.functions == ("a/b",) and log.means == {1: {"a/b": 0.75}}
    assert log.steps == {1: {"reward": 1.0}} and log.left_out == ()


def test_names_that_are_not_known_are_listed_once(tmp_path: Path) -> None:
    log = log_of(tmp_path, {"step": 1, "mine": 1, "loss": 0}, {"step": 2, "mine": 2, "train_loss": 1.0})
    assert log.left_out == ("mine",) and log.steps == {1: {"loss": 0.0}}


def test_an_evaluation_is_no_entry_of_training_and_its_prompts_follow_from_its_speed(tmp_path: Path) -> None:
    """8 prompts in 3.2 s are 2.5 a second, and TRL rounds both: 3.2006 × 2.499 = 7.998."""
    entry = {"step": 5, "eval_reward": 0.5, "eval_runtime": 3.2006, "eval_samples_per_second": 2.499}
    log = log_of(tmp_path, {**entry, "eval_rewards/exact/mean": 0.25})
    found = log.evaluations[5]
    assert log.steps == {} and found.num_prompts == 8 and found.seconds == 3.2006
    assert found.rewards == {"reward": 0.5, "rewards/exact/mean": 0.25}


def test_without_its_speed_nobody_knows_how_many_prompts_an_evaluation_had(tmp_path: Path) -> None:
    found = log_of(tmp_path, {"step": 5, "eval_reward": 0.5, "eval_runtime": 3.2}).evaluations[5]
    assert found.num_prompts is None
    assert math.isnan(log_of(tmp_path, {"step": 5, "eval_reward": 0.5}).evaluations[5].seconds)


@pytest.mark.parametrize(("seconds", "speed"), [(1e10, 1e10), (math.inf, 1.0), (1e300, 1e300), (-4.0, -2.0)])
def test_times_that_cannot_be_tell_no_number_of_prompts(seconds: float, speed: float, tmp_path: Path) -> None:
    entry = {"step": 3, "eval_reward": 1.0, "eval_runtime": seconds, "eval_samples_per_second": speed}
    assert log_of(tmp_path, entry).evaluations[3].num_prompts is None


def test_text_and_missing_values_are_no_numbers(tmp_path: Path) -> None:
    assert log_of(tmp_path, {"step": 1, "reward": "high", "kl": None, "loss": 0.5}).steps == {1: {"loss": 0.5}}


def test_an_integer_beyond_every_float_is_infinite(tmp_path: Path) -> None:
    assert log_of(tmp_path, {"step": 1, "loss": 10**400}).steps == {1: {"loss": math.inf}}


def test_half_a_surrogate_pair_in_a_name_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text('{"log_history": [{"step": 1, "loss": 1, "rewards/\\ud800/mean": 0.5}]}')
    assert read_log(path).functions == ("?",)


def test_names_of_a_million_characters_are_cut_and_stay_two(tmp_path: Path) -> None:
    long = "x" * 1_000_000
    log = log_of(tmp_path, {"step": 1, "loss": 1.0, f"{long}a": 1.0, f"rewards/{long}/mean": 2.0, f"{long}b": 1.0})
    assert len(set(log.left_out)) == 3 and all(len(name) < 220 for name in log.left_out)
    assert log.functions == () and log.left_out[0].startswith("xxx")


def test_a_reward_with_a_name_of_200_characters_keeps_it(tmp_path: Path) -> None:
    log = log_of(tmp_path, {"step": 1, f"rewards/{'x' * 200}/mean": 2.0})
    assert log.functions == ("x" * 200,)


@pytest.mark.parametrize(
    ("history", "words"),
    [
        ([{"step": 1}, {"loss": 1}], "entry 2 of log_history: step is None"),
        ([{"step": -1}], "entry 1 of log_history: step is -1"),
        ([{"step": True}], "entry 1 of log_history: step is True"),
        ([3], "has no log_history"),
    ],
)
def test_an_entry_that_is_none_is_named(history: list[Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=words):
        log_of(tmp_path, *history)


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_log, "MAX_STATE_BYTES", 20)
    with pytest.raises(LabError, match="bytes, more than 20"):
        log_of(tmp_path, {"step": 1})


def test_a_log_of_32_mib_is_the_largest_that_is_read(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_bytes(b"[")
    os.truncate(path, 32 * 2**20 + 1)
    with pytest.raises(LabError, match="has 33,554,433 bytes, more than 33,554,432"):
        read_log(path)
