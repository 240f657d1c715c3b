"""Golden numbers of group advantages, worked out by hand in plain arithmetic."""

import math

import pytest
import torch
from torch.testing import assert_close

from engine.grpo import group_advantages
from engine.grpo.advantages import dead_groups, group_statistics, total_rewards

ONE = torch.ones(1)
NAN = math.nan
ROUNDING = {"rtol": 0.0, "atol": 1e-6}  # the golden numbers have six decimals


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


@pytest.mark.parametrize("scale", ["group", "none"])
def test_a_reward_at_the_mean_of_its_group_has_no_advantage_and_no_sign(scale):
    # (0.1 + 0.2 + 0.3) / 3 is 0.20000000000000004 in binary
    assert group_advantages(column(0.1, 0.2, 0.3), ONE, 3, scale_rewards=scale)[1].item() == 0.0


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([1, 0, 0, 0], [1.499700, -0.499900, -0.499900, -0.499900]),  # mean .25, std .5
        ([1, 1, 0, 0], [0.865875, 0.865875, -0.865875, -0.865875]),  # std sqrt(1/3)
        ([1, 1, 1, 1], [0, 0, 0, 0]),
        ([0.2, 1.5, -0.3, 0.7], [-0.423358, 1.270074, -1.074678, 0.227962]),  # std .767572
        ([1, 0, 0, 0, 0, 0, 0, 0], [2.474174] + [-0.353453] * 7),
    ],
)
def test_group_scaling_gives_the_golden_advantages(rewards: list[float], expected: list[float]) -> None:
    found = group_advantages(column(*rewards), ONE, len(rewards))
    assert_close(found, torch.tensor(expected, dtype=torch.float32), **ROUNDING)


def test_batch_scaling_divides_by_the_std_of_the_batch_and_keeps_the_group_mean() -> None:
    found = group_advantages(column(1, 0, 0, 0, 2, 1, 1, 0), ONE, 4, scale_rewards="batch")
    expected = [1.007897, -0.335966, -0.335966, -0.335966, 1.343862, 0.0, 0.0, -1.343862]  # std .744024
    assert_close(found, torch.tensor(expected), **ROUNDING)


def test_no_scaling_leaves_the_distance_to_the_group_mean() -> None:
    found = group_advantages(column(1, 0, 0, 0), ONE, 4, scale_rewards="none")
    assert_close(found, torch.tensor([0.75, -0.25, -0.25, -0.25]), rtol=0.0, atol=0.0)


def test_adding_a_constant_to_all_rewards_changes_nothing() -> None:
    rewards = column(0.2, 1.5, -0.3, 0.7)
    assert_close(group_advantages(rewards + 100, ONE, 4), group_advantages(rewards, ONE, 4), **ROUNDING)


def test_rewards_are_summed_with_their_weights_before_the_group_is_compared() -> None:
    rewards = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    totals = total_rewards(rewards, torch.tensor([1.0, 0.5]))
    assert totals.tolist() == [1.0, 0.5, 0.0, 1.5]


def test_a_monitor_of_weight_zero_changes_no_advantage_even_when_it_is_missing() -> None:
    trained = column(1, 0, 0, 0)
    with_monitor = torch.cat([trained, column(NAN, 7, NAN, 3)], dim=1)
    found = group_advantages(with_monitor, torch.tensor([1.0, 0.0]), 4)
    assert_close(found, group_advantages(trained, ONE, 4), rtol=0.0, atol=0.0)


def test_a_missing_reward_is_left_out_of_mean_and_std_and_gets_advantage_zero() -> None:
    found = group_advantages(column(1, 0, 0, NAN), ONE, 4)
    # mean 1/3, std sqrt(1/3): (1 - 1/3) / (.577350 + 1e-4) = 1.154500
    assert_close(found, torch.tensor([1.154500, -0.577250, -0.577250, 0.0]), **ROUNDING)


def test_a_group_with_one_scored_completion_has_no_evidence() -> None:
    assert group_advantages(column(1, NAN, NAN, NAN), ONE, 4).tolist() == [0.0] * 4


def test_a_group_with_no_scored_completion_has_no_evidence_whatever_the_scaling() -> None:
    rewards = column(NAN, NAN, NAN, NAN, 1, 0, 0, 0)
    for scaling in ("group", "batch", "none"):
        assert group_advantages(rewards, ONE, 4, scale_rewards=scaling)[:4].tolist() == [0.0] * 4  # type: ignore[arg-type]


def test_equal_rewards_that_rounding_tells_apart_are_a_dead_group() -> None:
    value = 0.1 + 0.2  # 0.30000000000000004
    totals = torch.tensor([value, 0.3, 0.3, 0.3], dtype=torch.float64)
    assert dead_groups(totals, 4).tolist() == [True]
    assert group_advantages(totals[:, None], ONE, 4).tolist() == [0.0] * 4


def test_std_is_the_sample_form_with_n_minus_one() -> None:
    mean, std = group_statistics(torch.tensor([1.0, 0.0, 0.0, 0.0, 2.0, 1.0, 1.0, 0.0], dtype=torch.float64), 4)
    assert mean.tolist() == [0.25, 1.0]
    assert_close(std, torch.tensor([0.5, math.sqrt(2 / 3)], dtype=torch.float64), rtol=1e-12, atol=0.0)
    assert float(std.mean()) == pytest.approx(0.658248, abs=1e-6)  # not the batch's .744024


def test_gdpo_has_the_golden_advantages() -> None:
    rewards = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 2.0], [1.0, 0.0]])
    found = group_advantages(rewards, torch.tensor([1.0, 0.5]), 2, aggregation="normalize_then_sum")
    assert_close(found, torch.tensor([0.865783, -0.865783, 0.865844, -0.865844]), **ROUNDING)


def test_leave_one_out_compares_with_the_mean_of_the_others() -> None:
    found = group_advantages(column(1, 0, 0, NAN), ONE, 4, baseline="leave_one_out", scale_rewards="none")
    assert_close(found, torch.tensor([1.0, -0.5, -0.5, 0.0]), rtol=0.0, atol=0.0)


def test_rows_that_are_not_whole_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="5 completions are not whole groups of 4"):
        group_advantages(column(1, 0, 0, 0, 1), ONE, 4)


@pytest.mark.parametrize(
    ("totals", "dead"),
    [
        ([1e-8, 0.0], True), ([1.05e-8, 0.0], False), ([1e-9, 0.0], True),  # around 0 the limit is 1e-8 itself
        ([-1e9, -1e9 - 5.0], True), ([1e9, 1e9 - 5.0], True), ([1e9, 1e9 - 15.0], False),  # else relative to the size
        ([2.0, NAN], True), ([NAN, NAN], True), ([NAN, -3.0], True), ([1.0, 0.0], False),
    ],
)  # fmt: skip
def test_a_group_is_dead_when_its_scored_totals_agree_up_to_rounding(totals: list[float], dead: bool) -> None:
    assert dead_groups(torch.tensor(totals, dtype=torch.float64), 2).tolist() == [dead]


def test_missing_values_are_left_out_of_the_std_and_one_value_has_none() -> None:
    _, std = group_statistics(torch.tensor([1.0, 3.0, NAN, 5.0, NAN, NAN, NAN, NAN, NAN]), 3)
    assert std.tolist() == pytest.approx([math.sqrt(2), math.nan, math.nan], nan_ok=True)


def test_in_gdpo_a_group_without_spread_has_advantage_0_exactly() -> None:
    rewards = torch.tensor([[0.3, 1.0], [0.1 + 0.2, 1.0], [1.0, 0.0], [0.0, 0.5]], dtype=torch.float64)
    for baseline in ("mean", "leave_one_out"):
        found = group_advantages(
            rewards,
            torch.tensor([1.0, 1.0]),
            2,
            aggregation="normalize_then_sum",
            baseline=baseline,  # type: ignore[arg-type]
        )
        assert found[:2].tolist() == [0.0, 0.0] and found[2] > 0 > found[3]
