"""Which tokens and completions the policy term leaves out."""

import math

import pytest
import torch

from engine.grpo.masks import entropy_mask, entropy_threshold, off_policy_mask

ELEVEN = torch.tensor([0.9, 0.1, 0.5, 1.1, 0.3, 0.7, 0.2, 0.8, 0.4, 1.0, 0.6])  # .1 to 1.1, shuffled


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
def test_a_share_of_eleven_tokens_keeps_that_share_of_ten_and_one_more(share: float) -> None:
    """The quantile lies on a token, which is kept: also where (1 − share) · 10 is not quite a whole number."""
    threshold = entropy_threshold(ELEVEN, share)
    assert int(entropy_mask(ELEVEN, torch.ones(11), threshold).sum()) == round(share * 10) + 1


def test_the_threshold_between_two_tokens_is_linear_as_numpys() -> None:
    entropies = torch.tensor([9.0, 4.0, 1.0, 2.0], requires_grad=True)
    assert entropy_threshold(entropies, 0.5) == 3.0  # place 1.5 of 1, 2, 4, 9
    assert entropy_threshold(entropies, 0.75) == 1.75  # place 0.75


def test_the_threshold_of_one_token_is_that_token_and_of_none_is_missing() -> None:
    assert entropy_threshold(torch.tensor([0.5]), 0.2) == 0.5
    assert math.isnan(entropy_threshold(torch.tensor([]), 0.2))


def test_a_token_at_the_threshold_is_kept_and_padding_is_not() -> None:
    entropies = torch.tensor([[0.1, 0.5, 0.9, 0.9]])
    mask = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    assert entropy_mask(entropies, mask, 0.5).tolist() == [[0.0, 1.0, 1.0, 0.0]]


def test_the_masks_carry_no_gradient() -> None:
    values = torch.tensor([[0.5, 1.0]], requires_grad=True)
    assert not entropy_mask(values, torch.ones(1, 2), 0.7).requires_grad
    assert not off_policy_mask(values, torch.zeros(1, 2), torch.ones(1, 1), torch.ones(1, 2), 0.1).requires_grad


def test_a_completion_is_left_out_only_if_it_was_bad_and_is_beyond_the_threshold() -> None:
    old = torch.tensor([[1.0, 0.0, 9.0]] * 4 + [[1.25, 0.0, 9.0]])
    mask = torch.tensor([[1.0, 1.0, 0.0]] * 5)  # mean of o − p: .5, and .625 in the last row
    advantages = torch.tensor([[1.0], [0.0], [-1.0], [-1.0], [-1.0]])
    found = off_policy_mask(torch.zeros(5, 3), old, advantages, mask, 0.5)
    assert found.tolist() == [[1.0], [1.0], [1.0], [1.0], [0.0]]
    below = off_policy_mask(torch.zeros(5, 3), old, advantages, mask, 0.499)
    assert below.tolist() == [[1.0], [1.0], [0.0], [0.0], [0.0]]


def test_a_completion_that_became_likelier_stays() -> None:
    found = off_policy_mask(torch.full((1, 1), 5.0), torch.zeros(1, 1), -torch.ones(1, 1), torch.ones(1, 1), 0.5)
    assert found.tolist() == [[1.0]]
