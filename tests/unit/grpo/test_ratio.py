"""The importance ratio of tokens and of completions."""

import math

import pytest
import torch

from engine.grpo.ratio import log_importance_ratio, masked_mean

POLICY = torch.tensor([[-1.0, -2.0, -9.0], [-0.5, -0.5, -0.5]])
OLD = torch.tensor([[-1.5, -1.0, -1.0], [-0.5, -1.0, -2.0]])
MASK = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])


def test_the_ratio_of_a_token_is_policy_over_sampler() -> None:
    assert log_importance_ratio(POLICY, OLD, MASK).tolist() == [[0.5, -1.0, -8.0], [0.0, 0.5, 1.5]]


def test_the_ratio_of_a_completion_is_the_geometric_mean_over_its_own_tokens() -> None:
    found = log_importance_ratio(POLICY, OLD, MASK, "sequence")
    assert found[:, 0].tolist() == pytest.approx([-0.25, 2 / 3])  # (.5 − 1) / 2; (0 + .5 + 1.5) / 3
    assert math.exp(found[0, 0]) == pytest.approx((math.exp(0.5) * math.exp(-1.0)) ** (1 / 2))


def test_a_completion_whose_mask_is_empty_has_ratio_1() -> None:
    assert log_importance_ratio(POLICY, OLD, torch.zeros(2, 3), "sequence").tolist() == [[0.0], [0.0]]


def test_the_mean_of_one_token_is_that_token() -> None:
    assert masked_mean(torch.tensor([[3.0, 5.0]]), torch.tensor([[0.0, 1.0]])).tolist() == [[5.0]]


def test_an_unknown_level_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown importance_sampling_level 'group'"):
        log_importance_ratio(POLICY, OLD, MASK, "group")  # type: ignore[arg-type]
