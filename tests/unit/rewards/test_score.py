"""Calling reward functions: a failure is missing, never a number; a broken contract stops the run."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.config import RewardSpec
from engine.errors import ConfigError, RewardError
from engine.rewards.registry import REWARDS
from engine.rewards.score import BoundReward, Scores, bind_rewards, close_rewards, score

NAN = math.nan


def run(*rewards: BoundReward, completions: Any = ("85", "75"), **options: Any) -> Scores:
    options = {"conversational": False, "columns": {"answer": ["85"] * len(completions)}, **options}
    ids = [[1]] * len(completions)
    return score(rewards, prompts=["47+38="] * len(completions), completions=completions, completion_ids=ids, **options)


def returning(value: Any) -> BoundReward:
    return BoundReward("custom", lambda **_: value)


def failing(error: Exception) -> BoundReward:
    def function(**_: Any) -> list[float | None]:
        raise error

    return BoundReward("custom", function)


def test_a_column_for_each_reward_in_the_order_of_the_configuration() -> None:
    rewards = bind_rewards([RewardSpec(name="digit_match", weight=0.3), RewardSpec(name="exact_match")])
    scores = run(*rewards)
    assert scores.names == ("digit_match", "exact_match")
    np.testing.assert_array_equal(scores.values, [[1, 1], [0.5, 0]])
    assert scores.values.dtype == np.float64 and scores.errors == [{}, {}]


def test_none_and_nan_are_missing_and_say_so() -> None:
    scores = run(returning([None, NAN]))
    np.testing.assert_array_equal(scores.values, [[NAN], [NAN]])
    assert scores.errors == [{"custom": "returned None"}, {"custom": "returned nan, not a finite number"}]


@pytest.mark.parametrize("value", [math.inf, "1", [1], {}, 10**400, 10**5000], ids=range(6))
def test_what_is_not_a_finite_number_is_missing(value: Any) -> None:
    scores = run(returning([value, 1]))
    np.testing.assert_array_equal(scores.values, [[NAN], [1]])
    assert "not a finite number" in scores.errors[0]["custom"] and scores.errors[1] == {}


def test_an_exception_makes_that_function_missing_for_the_whole_call_and_no_other() -> None:
    good = bind_rewards([RewardSpec(name="exact_match")])[0]
    scores = run(failing(KeyError("nope")), good)
    np.testing.assert_array_equal(scores.values, [[NAN, 1], [NAN, 0]])
    assert scores.errors == [{"custom": "KeyError: 'nope'"}] * 2


def test_running_out_of_stack_is_a_failed_reward_not_a_dead_run() -> None:
    scores = run(failing(RecursionError("too deep")))
    assert np.isnan(scores.values).all() and scores.errors[0]["custom"] == "RecursionError: too deep"


@pytest.mark.parametrize(
    ("value", "given"),
    [([1.0], "1 values"), ([1.0] * 3, "3 values"), (1.0, "float"), (None, "NoneType"), ("ab", "str")],
)
def test_a_wrong_number_of_values_names_function_and_counts(value: Any, given: str) -> None:
    with pytest.raises(RewardError, match=f"'custom' returned {given} for 2 completions"):
        run(returning(value))


def test_a_reason_given_to_log_extra_is_kept_with_its_completion() -> None:
    def function(*, log_extra: Any, **_: Any) -> list[float | None]:
        log_extra("missing", ["no reference", None])
        return [None, 1.0]

    assert run(BoundReward("custom", function)).errors == [{"custom": "no reference"}, {}]


def test_a_nan_with_a_reason_is_a_failure_with_that_reason() -> None:
    def reward(*, log_extra: Any, **_: Any) -> list[float | None]:
        log_extra("missing", ["the sandbox failed", "no tests"])
        return [NAN, None]

    found = run(BoundReward("custom", reward))
    assert found.errors == [{"custom": "the sandbox failed"}, {"custom": "no tests"}]
    assert found.failed == [{"custom"}, frozenset()]


def test_metrics_of_a_function_are_kept() -> None:
    def function(*, log_metric: Any, **_: Any) -> list[float | None]:
        log_metric("digits", 2.0)
        return [1.0, 1.0]

    assert run(BoundReward("custom", function)).metrics == {"custom": {"digits": 2.0}}


def seen_by_function(**options: Any) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def function(**call: Any) -> list[float | None]:
        seen.update(call)
        return [0.0, 0.0]

    run(BoundReward("custom", function), **options)
    return seen


def test_the_call_is_trls() -> None:
    seen = seen_by_function(columns={"answer": ["85", "85"], "level": [1, 2]}, trainer_state="state")
    assert set(seen) == {
        "prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric", "answer", "level",
    }  # fmt: skip
    assert seen["completions"] == ["85", "75"] and seen["level"] == [1, 2] and seen["trainer_state"] == "state"


def test_chat_completions_are_lists_of_one_assistant_message() -> None:
    expected = [[{"role": "assistant", "content": "85"}], [{"role": "assistant", "content": "75"}]]
    assert seen_by_function(conversational=True)["completions"] == expected
    assert seen_by_function(conversational=True, completions=expected)["completions"] == expected


def test_a_column_named_like_an_argument_of_the_call_cannot_replace_it() -> None:
    seen = seen_by_function(columns={"completions": ["x", "x"], "prompt": ["x", "x"], "trainer_state": ["x", "x"]})
    assert seen["completions"] == ["85", "75"] and seen["trainer_state"] is None and "prompt" not in seen


def test_parsed_is_what_the_pass_reward_read() -> None:
    rewards = bind_rewards([RewardSpec(name="exact_match"), RewardSpec(name="numeric_match")])
    completions = ["it is 1,072", "none"]
    assert run(*rewards, completions=completions, pass_reward="numeric_match").parsed == ["1072", None]
    assert run(*rewards, completions=completions).parsed == ["it is 1,072", "none"]


def test_an_answer_that_cannot_be_read_in_time_costs_its_completion_alone() -> None:
    params = {"extract": "regex", "answer_pattern": "^(?:a|aa)+$|c$"}
    for name in ("exact_match", "group_diversity"):
        rewards = bind_rewards([RewardSpec(name="mine", function=name, params=params)])
        found = run(*rewards, completions=("c", "a" * 5000 + "b"))
        assert found.parsed == [None if name == "group_diversity" else "c", None]
        assert found.failed == [frozenset(), frozenset({"mine"})]  # or the other rewards would make up for it
        assert math.isnan(found.values[1, 0]) and "took longer than 0.1 s" in found.errors[1]["mine"]


def test_nothing_is_parsed_where_no_reward_reads_an_answer() -> None:
    assert run(returning([1, 1])).parsed == [None, None]


def test_unknown_rewards_are_refused_together() -> None:
    with pytest.raises(ConfigError) as caught:
        bind_rewards([RewardSpec(name="a"), RewardSpec(name="b")])
    assert [problem.field for problem in caught.value.problems] == ["rewards[0].name", "rewards[1].name"]


def test_a_none_that_was_meant_is_no_failure_and_everything_else_that_is_missing_is_one() -> None:
    assert run(returning([None, NAN])).failed == [frozenset(), frozenset({"custom"})]
    assert run(returning(["1", 1.0])).failed == [frozenset({"custom"}), frozenset()]
    scores = run(failing(ValueError("no")))
    assert scores.failed == [frozenset({"custom"})] * 2
    assert scores.notes[0].name == "custom" and scores.notes[0].traceback.endswith("ValueError: no\n")


def test_a_library_reward_that_belongs_in_a_worker_gives_there_what_it_gives_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = RewardSpec(name="exact_match", params={"ignore_case": True})
    here = run(*bind_rewards([spec]), completions=("A", "b", ""), columns={"answer": ["a", "a", ""]})
    monkeypatch.setitem(REWARDS, "exact_match", replace(REWARDS["exact_match"], where="worker"))
    rewards = bind_rewards([spec])
    try:
        there = run(*rewards, completions=("A", "b", ""), columns={"answer": ["a", "a", ""]})
    finally:
        close_rewards(rewards)
    np.testing.assert_array_equal(here.values, there.values)
    assert (here.errors, here.failed, here.parsed) == (there.errors, there.failed, there.parsed)
