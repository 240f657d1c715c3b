"""Sums that describe a loss, their shares, and that parts add up."""

import math
from dataclasses import asdict

import pytest
import torch

from engine.grpo.metrics import LossMetrics, loss_metrics
from engine.grpo.objectives import Objective

MASK = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
RATIO = torch.tensor([[0.5, 1.5, 9.0], [2.0, 9.0, 9.0]])
LOW = torch.tensor([[True, False, True], [False, True, True]])
HIGH = torch.tensor([[False, True, True], [True, True, True]])
KL = torch.tensor([[0.1, 0.2, 7.0], [0.3, 7.0, 7.0]])
ENTROPIES = torch.tensor([[1.0, 2.0, 7.0], [4.0, 7.0, 7.0]])


def metrics_of(ratio: torch.Tensor = RATIO, objective: Objective | None = None, **settings: object) -> LossMetrics:
    objective = objective or Objective(torch.zeros(2, 3), LOW, HIGH)
    given = {"kl": None, "entropies": None, "keep_completion": None} | settings
    return loss_metrics(ratio, objective, MASK, MASK * torch.tensor([0.0, 1.0, 1.0]), **given)  # type: ignore[arg-type]


def test_tokens_outside_the_mask_count_nowhere() -> None:
    found = metrics_of(kl=KL, entropies=ENTROPIES)
    assert (found.tokens, found.ratios, found.completions) == (3, 3, 2)
    assert (found.clipped_low, found.clipped_high) == (1, 2)
    assert (found.ratio_sum, found.ratio_max) == (4.0, 2.0)
    assert (found.kl_sum, found.entropy_sum) == (pytest.approx(0.6), 7.0)
    assert (found.bonus_tokens, found.bonus_entropy_sum) == (1, 2.0)


def test_the_properties_are_means_and_shares() -> None:
    found = metrics_of(kl=KL, entropies=ENTROPIES)
    assert (found.clip_low, found.clip_high, found.clip_region) == pytest.approx((1 / 3, 2 / 3, 1.0))
    assert (found.ratio, found.kl, found.entropy) == pytest.approx((4 / 3, 0.2, 7 / 3))
    assert found.bonus_entropy == 2.0


def test_a_share_of_nothing_is_missing_and_not_0() -> None:
    empty = LossMetrics()
    shares = (empty.clip_low, empty.clip_high, empty.clip_region, empty.ratio, empty.kl, empty.entropy)
    assert all(math.isnan(share) for share in (*shares, empty.bonus_entropy, empty.weight))
    assert empty.ratio_max == -math.inf


def test_adding_nothing_changes_nothing() -> None:
    found = metrics_of(kl=KL, entropies=ENTROPIES)
    assert LossMetrics() + found == found
    assert set(asdict(LossMetrics()).values()) == {0.0, -math.inf}


def test_what_was_not_measured_is_a_sum_of_0() -> None:
    found = metrics_of()
    assert (found.kl_sum, found.entropy_sum, found.dropped, found.weights, found.weight_sum) == (0, 0, 0, 0, 0)


def test_at_sequence_level_a_completion_is_one_ratio_also_when_it_is_masked() -> None:
    flags = torch.tensor([[True], [False]])
    found = metrics_of(torch.tensor([[0.5], [1.25]]), Objective(torch.zeros(2, 1), flags, ~flags))
    assert (found.ratios, found.clip_low, found.clip_high) == (2, 0.5, 0.5)
    assert (found.ratio, found.ratio_max) == (0.875, 1.25)


def test_without_any_token_there_is_no_largest_ratio() -> None:
    empty = torch.zeros(2, 3)
    found = loss_metrics(
        RATIO, Objective(empty, LOW, HIGH), empty, empty, kl=None, entropies=None, keep_completion=None
    )
    assert found.ratio_max == -math.inf


def test_a_completion_is_dropped_once_however_many_tokens_say_so() -> None:
    assert metrics_of(keep_completion=torch.tensor([[0.0], [1.0]])).dropped == 1
    assert metrics_of(keep_completion=torch.tensor([[0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])).dropped == 1


def test_weights_of_completions_count_once_each_and_weights_of_tokens_under_the_mask() -> None:
    loss = torch.zeros(2, 3)
    one_each = metrics_of(objective=Objective(loss, LOW, HIGH, torch.tensor([[0.5], [1.0]])))
    assert (one_each.weights, one_each.weight) == (2, 0.75)
    by_token = metrics_of(objective=Objective(loss, LOW, HIGH, torch.tensor([[0.5, 1.0, 9.0], [0.3, 9.0, 9.0]])))
    assert (by_token.weights, by_token.weight) == (3, pytest.approx(0.6))


def test_metrics_of_parts_add_up_and_the_largest_ratio_is_that_of_either() -> None:
    left = LossMetrics(**{name: float(place) for place, name in enumerate(asdict(LossMetrics()))})
    right = metrics_of(kl=KL, entropies=ENTROPIES, keep_completion=torch.tensor([[0.0], [1.0]]))
    for found in (left + right, right + left):
        for name, value in asdict(found).items():
            a, b = getattr(left, name), getattr(right, name)
            assert value == (max(a, b) if name == "ratio_max" else a + b)


def test_metrics_carry_no_gradient() -> None:
    ratio = RATIO.clone().requires_grad_()
    assert metrics_of(ratio, kl=KL.clone().requires_grad_()).ratio_sum == 4.0
