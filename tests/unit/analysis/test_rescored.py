"""What another reward makes of stored completions, with numbers that a person can check."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.analysis.rescored import Passes, passes, reward_change, step_rows, summary, worth_reading
from tests.unit.analysis.test_what_if import rounded, settings, stored

NAN = math.nan


def rows(before: tuple[float, ...], after: tuple[float, ...], **columns: Any) -> pd.DataFrame:
    """One reward, groups of 4; passed where it is 1."""
    step, own = stored(*[(value,) for value in before]), settings(1.0)
    changed = replace(step, rewards=np.array(after, dtype=np.float64)[:, None])
    frame = step_rows(step, changed, own, own)
    known = {
        "group_index": np.arange(len(before)) // 4, "completion_index": np.arange(len(before)) % 4,
        "passed_before": [NAN if math.isnan(v) else float(v == 1) for v in before],
        "passed_after": [NAN if math.isnan(v) else float(v == 1) for v in after],
        "reasons_before": [{} for _ in before],
        "reasons_after": [{"exact": "too long"} if math.isnan(v) else {} for v in after],
    }  # fmt: skip
    return frame.assign(**known | columns)


def test_a_group_that_is_turned_round_changes_the_sign_of_every_advantage() -> None:
    found = rows((1.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 1.0))
    assert rounded(found["advantage_before"].to_numpy()) == [0.8659, 0.8659, -0.8659, -0.8659]  # 0.5 / (0.57735 + 1e-4)
    assert rounded(found["advantage_after"].to_numpy()) == [-0.8659, -0.8659, 0.8659, 0.8659]
    total = summary(found)
    assert (total.flipped, total.num_signed, total.changed, total.correlation) == (4, 4, 4, -1.0)
    assert total.passes == Passes(0, 2, 2, 0, 0) and (total.live_before, total.live_after) == (1, 1)


def test_the_same_rewards_change_nothing() -> None:
    total = summary(rows((1.0, 0.0, 0.5, NAN), (1.0, 0.0, 0.5, NAN)))
    assert (total.changed, total.flipped, total.gained, total.lost) == (0, 0, 0, 0)
    assert total.mean_before == total.mean_after == 0.5 and total.correlation == pytest.approx(1.0, abs=1e-12)
    assert total.passes == Passes(1, 0, 0, 2, 1)


def test_groups_gain_and_lose_signal() -> None:
    found = summary(rows((1, 1, 1, 1, 1, 0, 0, 0), (1, 0, 1, 1, 0, 0, 0, 0)))
    assert (found.num_groups, found.live_before, found.live_after, found.gained, found.lost) == (2, 1, 1, 1, 1)
    assert (found.flipped, found.num_signed) == (0, 0)  # where one side is 0 there is no sign to change


def test_completions_are_right_or_wrong_before_and_after_or_undecided() -> None:
    frame = pd.DataFrame({"passed_before": [1, 1, 0, 0, NAN, 1.0], "passed_after": [1, 0, 1, 0, 1, NAN]})
    assert passes(frame) == Passes(stays_right=1, becomes_right=1, becomes_wrong=1, stays_wrong=1, undecided=2)


def test_a_reward_has_its_means_its_changes_and_the_reasons_for_what_is_missing() -> None:
    change = reward_change(rows((1.0, 0.0, 1.0, 0.0), (0.5, 0.0, NAN, NAN)), "exact")
    assert (change.mean_before, change.mean_after) == (0.5, 0.25)
    assert (change.changed, change.compared, change.missing_before, change.missing_after) == (1, 2, 0, 2)
    assert change.reasons_after == (("too long", 2),) and change.reasons_before == ()
    assert change.correlation == pytest.approx(1.0, abs=1e-12)


def test_a_reward_that_is_new_is_not_missing_before() -> None:
    frame = rows((1.0, 0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)).drop(columns="before/exact")
    change = reward_change(frame, "exact")
    assert (change.mean_before, change.missing_before, change.compared, change.correlation) == (None, 0, 0, None)


def test_the_largest_changes_come_first_in_both_directions_and_ties_by_advantage() -> None:
    frame = pd.DataFrame(
        {
            "total_before": [0.0, 0.0, 1.0, 1.0, 0.5, NAN], "total_after": [1.0, 0.2, 0.0, 0.5, 0.5, 1.0],
            "advantage_before": [0.0] * 6, "advantage_after": [1.0, 0.0, -1.0, NAN, 0.0, 0.0],
        }
    )  # fmt: skip
    assert worth_reading(frame, 5) == ([0, 1], [2, 3])
    tie = frame.assign(total_after=[1.0, 1.0, 0.0, 0.0, 0.5, 1.0], advantage_after=[0.5, -2.0, 0.0, 3.0, 0.0, 0.0])
    assert worth_reading(tie, 1) == ([1], [3])


def test_advantages_of_groups_that_the_step_did_not_train_on_are_not_known() -> None:
    step = stored(*[(v,) for v in (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)], discarded=1)
    frame = step_rows(step, step, settings(1.0), settings(1.0))
    assert frame["advantage_after"].isna().tolist() == [False] * 4 + [True] * 4
    assert frame["live_after"].all() and frame["trained"].tolist() == [True] * 4 + [False] * 4
