"""Limits and gates: what a function gave is kept, and what counts is another number, or missing."""

import math

import numpy as np

from engine.config import RewardSpec
from engine.rewards.score import Scores
from engine.rewards.shaping import shaped

NAN = math.nan


def scores(*rows: tuple[float, ...], errors: list[dict[str, str]] | None = None) -> Scores:
    names = ("exact", "short")[: len(rows[0])]
    return Scores(names, np.array(rows), errors or [{} for _ in rows], [None] * len(rows), 0.0)


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
