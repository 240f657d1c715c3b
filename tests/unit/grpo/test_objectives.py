"""The policy term of each loss type: golden numbers, and what happens exactly on a bound."""

import math

import pytest
import torch

from engine.config_loss import LossConfig, upper_epsilon
from engine.grpo.objectives import (
    cispo_objective,
    clipped_objective,
    policy_objective,
    sapo_objective,
    vespo_objective,
    vespo_weight,
)


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


@pytest.mark.parametrize(
    ("ratio", "advantage", "delta", "loss"),
    [
        (0.5, 1, None, -0.5), (0.5, -1, None, 0.8), (1.5, 1, None, -1.2), (1.5, -1, None, 1.5), (5, -1, None, 5),
        (5, -1, 4.0, 4), (3, -1, 4.0, 3), (5, 1, 4.0, -1.2), (1, -1, 4.0, 1),
    ],
)  # fmt: skip
def test_the_clipped_term_has_the_golden_numbers(
    ratio: float, advantage: float, delta: float | None, loss: float
) -> None:
    found = clipped_objective(column(ratio), column(advantage), LossConfig(epsilon=0.2, delta=delta))
    assert float(found.loss) == pytest.approx(loss, rel=1e-12)


def test_the_two_sides_of_the_clip_have_widths_of_their_own() -> None:
    config = LossConfig(epsilon=0.1, epsilon_high=0.5)
    found = clipped_objective(column(0.5, 2.0), column(-1.0, 1.0), config)
    assert found.loss[:, 0].tolist() == pytest.approx([0.9, -1.5])
    assert (upper_epsilon(config), upper_epsilon(LossConfig(epsilon=0.1))) == (0.5, 0.1)


def test_a_ratio_on_the_bound_and_an_advantage_of_0_are_not_clipped() -> None:
    config = LossConfig(epsilon=0.25)  # bounds that floating point holds exactly
    ratio = column(0.75, 0.7499, 1.25, 1.2501, 0.5, 2.0, 0.5, 2.0)
    advantages = column(-1, -1, 1, 1, 0, 0, 1, -1)
    found = clipped_objective(ratio, advantages, config)
    assert found.clipped_low[:, 0].tolist() == [False, True] + [False] * 6
    assert found.clipped_high[:, 0].tolist() == [False, False, False, True] + [False] * 4


def test_cispo_weights_log_probabilities_up_to_its_cap_and_holds_the_weight_fixed() -> None:
    ratio, logprobs = column(0.5, 1.5, 3.0, 3.0, 1.5, 3.0), column(-1, -2, -3, -3, -2, -3).requires_grad_()
    ratio.requires_grad_()
    found = cispo_objective(ratio, logprobs, column(1, 1, 1, -1, -1, 0), 1.5)
    assert found.loss[:, 0].tolist() == [0.5, 3.0, 4.5, -4.5, -3.0, 0.0]
    assert found.clipped_high[:, 0].tolist() == [False, False, True, False, False, False]
    assert not found.clipped_low.any()
    found.loss.sum().backward()
    assert ratio.grad is None and logprobs.grad is not None
    assert logprobs.grad[:, 0].tolist() == [-0.5, -1.5, -1.5, 1.5, 1.5, 0.0]


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss"), [(1, 1, -2.0), (1, -1, 1.904762), (1.5, 1, -2.489837), (5, -1, 3.753242)]
)
def test_sapo_has_the_golden_numbers(ratio: float, advantage: float, loss: float) -> None:
    found = sapo_objective(column(ratio), column(advantage), LossConfig())
    assert float(found.loss) == pytest.approx(loss, abs=1e-6)  # six decimals
    assert not found.clipped_low.any() and not found.clipped_high.any()


@pytest.mark.parametrize(
    ("log_w", "advantage", "weight"),
    [(0.0, 1, 1.0), (0.0, -1, 1.0), (0.1, 1, 0.890909), (0.1, -1, 1.093800), (-0.5, 1, 1.197706), (-0.5, -1, 0.490141)],
)
def test_the_weight_of_vespo_has_the_golden_numbers(log_w: float, advantage: float, weight: float) -> None:
    found = vespo_weight(column(log_w), column(0.0), column(advantage), column(1.0), LossConfig())
    assert float(found) == pytest.approx(weight, abs=1e-6)  # six decimals


def test_vespo_takes_an_advantage_of_0_as_positive_and_sums_over_the_mask() -> None:
    logprobs = torch.tensor([[0.3, -0.2, 5.0]], dtype=torch.float64)
    mask = torch.tensor([[1.0, 1.0, 0.0]], dtype=torch.float64)
    found = vespo_weight(logprobs, torch.zeros_like(logprobs), column(0.0), mask, LossConfig())
    assert float(found) == pytest.approx(0.890909, abs=1e-6)  # log W = .3 − .2


@pytest.mark.parametrize(
    ("log_ratios", "log_w"),
    [([25.0, -22.0], 0.0), ([25.0, -19.0], 1.0), ([18.0, -30.0], -2.0), ([-15.0, -15.0], math.log(1e-8))],
)
def test_vespo_bounds_each_log_ratio_and_their_sum(log_ratios: list[float], log_w: float) -> None:
    config = LossConfig(vespo_k_pos=0.1, vespo_lambda_pos=0.3)
    logprobs = torch.tensor([log_ratios], dtype=torch.float64)
    found = vespo_weight(logprobs, torch.zeros_like(logprobs), column(1.0), torch.ones_like(logprobs), config)
    assert float(found) == pytest.approx(math.exp(0.3 + 0.1 * log_w - 0.3 * math.exp(log_w)), rel=1e-12)


def test_vespo_gives_no_weight_to_what_is_far_too_likely_and_none_to_what_overflows() -> None:
    far = vespo_weight(column(1000.0), column(0.0), column(1.0), column(1.0), LossConfig())
    config = LossConfig(vespo_k_pos=100.0, vespo_lambda_pos=0.0)  # exp(100 · 15) is no number
    overflow = vespo_weight(column(15.0), column(0.0), column(1.0), column(1.0), config)
    assert (float(far), float(overflow)) == (0.0, 0.0)


def test_lambda_of_vespo_is_never_below_1e_4() -> None:
    config = LossConfig(vespo_k_pos=0.0, vespo_lambda_pos=0.0)
    found = vespo_weight(column(8.0), column(0.0), column(1.0), column(1.0), config)
    assert float(found) == pytest.approx(math.exp(1e-4 * (1 - math.exp(8.0))), rel=1e-12)


def test_the_term_of_vespo_is_weight_times_advantage_times_log_probability_and_clips_nothing() -> None:
    found = vespo_objective(column(-2.0), column(-2.1), column(1.0), column(1.0), LossConfig())
    assert float(found.loss) == pytest.approx(0.890909 * 2.0, abs=2e-6)  # six decimals
    assert found.weight is not None and float(found.weight) == pytest.approx(0.890909, abs=1e-6)
    assert not found.clipped_low.any() and not found.clipped_high.any()


def test_an_unknown_loss_type_is_refused_by_name() -> None:
    config = LossConfig().model_copy(update={"loss_type": "ppo"})
    one = column(1.0)
    with pytest.raises(ValueError, match="unknown loss_type 'ppo'"):
        policy_objective(one, one, one, one, one, config)
