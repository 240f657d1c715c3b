"""Limits and gates: what a function gave is kept, and what counts is another number, or missing."""

import math

import numpy as np
import pytest

from engine.config import RewardSpec
from engine.rewards.score import Scores
from engine.rewards.shaping import best_total, shaped, told_failed

NAN = math.nan


def scores(
    *rows: tuple[float, ...], errors: list[dict[str, str]] | None = None, failed: tuple[str, ...] = (), **more: object
) -> Scores:
    """`failed`: for each row the reward whose value should be there and is not, "" for none."""
    names = ("exact", "short", "seen")[: len(rows[0])]
    failures = [frozenset(filter(None, [name])) for name in failed]
    plain = errors or [{} for _ in rows]
    return Scores(names, np.array(rows), plain, [None] * len(rows), 0.0, failed=failures, **more)  # type: ignore[arg-type]


def specs(**short: object) -> list[RewardSpec]:
    return [RewardSpec(name="exact"), RewardSpec(name="short", **short)]  # type: ignore[arg-type]


def test_without_limits_and_gates_nothing_changes() -> None:
    found = shaped(scores((1.0, 0.5), (NAN, -3.0)), specs())
    np.testing.assert_array_equal(found.values, [[1.0, 0.5], [NAN, -3.0]])
    assert found.raw == [{}, {}] and found.errors == [{}, {}]


def test_a_gated_reward_counts_only_where_the_other_reaches_its_bar() -> None:
    found = shaped(scores((1.0, 0.8), (0.0, 0.9), (0.5, 0.0)), specs(gate="exact"))
    np.testing.assert_array_equal(found.values, [[1.0, 0.8], [0.0, 0.0], [0.5, 0.0]])
    assert found.raw == [{}, {"short": 0.9}, {}]


def test_the_bar_itself_is_reached() -> None:
    found = shaped(scores((0.5, 0.8), (0.49, 0.8)), specs(gate="exact", gate_at=0.5))
    np.testing.assert_array_equal(found.values[:, 1], [0.8, 0.0])


def test_behind_a_missing_gate_a_value_is_missing_and_never_0() -> None:
    found = shaped(
        scores((NAN, 0.8), (NAN, NAN), errors=[{"exact": "timeout"}, {"short": "None"}]), specs(gate="exact")
    )
    np.testing.assert_array_equal(found.values, [[NAN, NAN], [NAN, NAN]])
    reason = "it counts only with exact, which is missing"
    assert found.errors == [{"exact": "timeout", "short": reason}, {"short": "None"}]
    assert found.raw == [{"short": 0.8}, {}]


def test_beside_a_trained_reward_that_failed_the_other_trained_ones_are_missing_with_the_reason() -> None:
    rewards = [*specs(), RewardSpec(name="seen", weight=0.0)]
    given = scores(
        (NAN, -0.2, 0.7), (NAN, -0.2, 0.7), (1.0, -0.2, NAN),
        errors=[{"exact": "timeout"}, {"exact": "returned None"}, {"seen": "timeout"}], failed=("exact", "", "seen"),
    )  # fmt: skip
    found = shaped(given, rewards)
    np.testing.assert_array_equal(
        found.values,
        [
            [NAN, NAN, 0.7],  # a total of −0.2 would call the completion wrong; the monitor stays
            [NAN, -0.2, 0.7],  # exact does not apply here, so short alone decides
            [1.0, -0.2, NAN],  # nothing is learned from a monitor
        ],
    )
    assert found.errors[0] == {"exact": "timeout", "short": "it counts only together with exact, which failed"}
    assert found.raw == [{"short": -0.2}, {}, {}]


def test_the_reasons_of_the_others_tell_which_reward_failed() -> None:
    found = shaped(scores((NAN, 0.8), (1.0, NAN), failed=("exact", "")), specs())
    assert [told_failed(errors) for errors in found.errors] == [{"exact"}, set()]


def test_a_reward_fails_with_its_gate() -> None:
    rewards = [RewardSpec(name="exact"), RewardSpec(name="short", gate="seen"), RewardSpec(name="seen", weight=0.0)]
    found = shaped(scores((1.0, 0.5, NAN), errors=[{"seen": "timeout"}], failed=("seen",)), rewards)
    np.testing.assert_array_equal(found.values, [[NAN, NAN, NAN]])
    assert found.errors[0]["exact"] == "it counts only together with short, which failed"


def test_beside_a_trained_reward_that_failed_step_scores_teach_nothing() -> None:
    steps = [{"short": [(0, 1.0)]}, {"short": [(0, 1.0)]}]
    found = shaped(scores((NAN, 1.0), (1.0, 1.0), failed=("exact", ""), steps=steps), specs())
    assert list(found.steps) == [{}, {"short": [(0, 1.0)]}]


def test_a_missing_value_stays_missing_behind_a_closed_gate_and_within_limits() -> None:
    found = shaped(scores((0.0, NAN)), specs(gate="exact", clip_low=0.1, clip_high=0.2))
    assert math.isnan(found.values[0, 1])


def test_limits_keep_what_the_function_gave() -> None:
    found = shaped(scores((1.0, 7.5), (1.0, -7.5), (1.0, 0.25)), specs(clip_low=-1.0, clip_high=2.0))
    np.testing.assert_array_equal(found.values[:, 1], [2.0, -1.0, 0.25])
    assert found.raw == [{"short": 7.5}, {"short": -7.5}, {}]


def test_a_gate_looks_at_what_the_other_gave_not_at_what_counts_of_it() -> None:
    rewards = [RewardSpec(name="exact", clip_high=0.5), RewardSpec(name="short", gate="exact")]
    np.testing.assert_array_equal(shaped(scores((1.0, 0.8)), rewards).values, [[0.5, 0.8]])


def test_two_rewards_may_be_gates_of_each_other() -> None:
    rewards = [RewardSpec(name="exact", gate="short"), RewardSpec(name="short", gate="exact")]
    np.testing.assert_array_equal(shaped(scores((1.0, 1.0), (1.0, 0.5)), rewards).values, [[1.0, 1.0], [0.0, 0.5]])


def test_the_best_total_is_that_of_the_declared_ranges_after_limits_and_weights() -> None:
    """1 of exact_match, 2 · 0.5 of one that is limited to 0.5, 0 of a penalty, nothing of a monitor without bounds."""
    rewards = [
        RewardSpec(name="exact_match"),
        RewardSpec(name="digit_match", weight=2.0, clip_high=0.5),
        RewardSpec(name="overlong_penalty"),
        RewardSpec(name="reward_model", weight=0.0, params={"source": "x"}),
    ]
    assert best_total(rewards) == pytest.approx(1 + 2 * 0.5)


def test_what_a_function_of_the_users_can_give_is_bounded_by_its_limit_alone() -> None:
    own = {"name": "mine", "function": "python_file", "params": {"path": "a.py"}}
    assert best_total([RewardSpec(**own)]) == math.inf
    assert best_total([RewardSpec(**own, clip_high=3.0)]) == 3.0
