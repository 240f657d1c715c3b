"""The loss as a whole: its parts put together, over micro-batches, and its metrics."""

import math
from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch.testing import assert_close

from engine.config_loss import LossConfig, LossType
from engine.grpo import policy_loss
from engine.grpo.aggregate import LossScale


def single_token_loss(ratio: float, advantage: float) -> float:
    logprobs = torch.tensor([[math.log(ratio)]], dtype=torch.float64)
    loss, _ = policy_loss(
        logprobs, torch.zeros_like(logprobs), torch.tensor([advantage], dtype=torch.float64), torch.ones(1, 1),
        config=LossConfig(beta=0.0, epsilon=0.2),
    )  # fmt: skip
    return float(loss)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss"),
    [(0.5, 1, -0.5), (0.5, -1, 0.8), (1.5, 1, -1.2), (1.5, -1, 1.5), (5, -1, 5), (1, 1, -1)],
)
def test_the_clip_takes_the_worse_of_the_clipped_and_the_plain_ratio(
    ratio: float, advantage: float, loss: float
) -> None:
    assert single_token_loss(ratio, advantage) == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("loss_type", get_args(LossType))
def test_splitting_a_step_into_micro_batches_adds_up_to_the_same_loss_and_gradient(loss_type: str) -> None:
    torch.manual_seed(0)
    logprobs = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    old, ref = torch.randn(6, 5, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64)
    advantages = torch.randn(6, dtype=torch.float64)
    mask = (torch.arange(5) < torch.tensor([1, 2, 3, 4, 5, 5])[:, None]).double()
    scale = replace(LossScale.of(mask), max_completion_length=7)
    config = LossConfig(loss_type=loss_type, beta=0.1)  # type: ignore[arg-type]

    def loss(rows: slice) -> torch.Tensor:
        parts = (logprobs[rows], old[rows], advantages[rows], mask[rows])
        return policy_loss(*parts, config=config, scale=scale, ref_logprobs=ref[rows])[0]

    whole, parts = loss(slice(0, 6)), loss(slice(0, 2)) + loss(slice(2, 6))
    assert_close(whole, parts, rtol=1e-12, atol=0.0)
    gradients = [torch.autograd.grad(value, logprobs, retain_graph=True)[0] for value in (whole, parts)]
    assert_close(gradients[0], gradients[1], rtol=1e-12, atol=1e-15)


def test_on_policy_the_loss_is_near_zero_and_the_gradient_is_not() -> None:
    logprobs = torch.full((4, 1), -1.0, dtype=torch.float64, requires_grad=True)
    advantages = torch.tensor([1.5, -0.5, -0.5, -0.5], dtype=torch.float64)
    loss, metrics = policy_loss(logprobs, logprobs.detach(), advantages, torch.ones(4, 1), config=LossConfig(beta=0.0))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(0.0, abs=1e-12)
    assert logprobs.grad is not None
    assert logprobs.grad[:, 0].tolist() == [-0.375, 0.125, 0.125, 0.125]  # -A / 4
    assert (metrics.clipped_low, metrics.clipped_high) == (0, 0)


def test_the_clip_counts_only_tokens_whose_gradient_it_removed() -> None:
    ratio = torch.tensor([[0.5, 1.5, 1.0], [0.5, 1.5, 1.0]], dtype=torch.float64)
    _, metrics = policy_loss(
        ratio.log(), torch.zeros_like(ratio), torch.tensor([1.0, -1.0], dtype=torch.float64), torch.ones(2, 3),
        config=LossConfig(beta=0.0),
    )  # fmt: skip
    assert (metrics.clipped_low, metrics.clipped_high, metrics.tokens) == (1, 1, 6)
    assert metrics.clip_region == pytest.approx(2 / 6, rel=1e-12)


def test_kl_without_reference_log_probabilities_is_refused() -> None:
    with pytest.raises(ValueError, match="ref_logprobs"):
        policy_loss(
            torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1), torch.ones(1, 1),
            config=LossConfig(beta=0.1),
        )  # fmt: skip


ONE = {"logprobs": torch.zeros(1, 2), "old_logprobs": torch.zeros(1, 2), "advantages": torch.zeros(1)}


def test_with_beta_0_a_reference_is_measured_and_does_not_touch_the_loss() -> None:
    reference = torch.tensor([[-math.inf, -1.0]])  # rules the first token out: a KL of infinity
    loss, metrics = policy_loss(**ONE, mask=torch.ones(1, 2), config=LossConfig(beta=0.0), ref_logprobs=reference)
    assert (loss.item(), metrics.kl) == (0.0, math.inf)


@pytest.mark.parametrize(
    ("settings", "message"), [({"top_entropy_quantile": 0.5}, "top_entropy_quantile"), ({"entropy_coef": 0.1}, "bonus")]
)
def test_settings_that_need_entropies_are_refused_without(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=f"{message}.* needs entropies"):
        policy_loss(**ONE, mask=torch.ones(1, 2), config=LossConfig(beta=0.0, **settings))


def test_what_the_whole_update_knows_is_used_in_place_of_this_batch() -> None:
    """keep, the bonus tokens and the coefficient are given: −0.5 · (entropies of kept tokens: 3) / 4."""
    entropies = torch.tensor([[1.0, 3.0]])
    scale = LossScale(num_completions=1, num_tokens=2, max_completion_length=2, update_tokens=2, bonus_tokens=4)
    loss, metrics = policy_loss(
        **ONE, mask=torch.ones(1, 2), config=LossConfig(beta=0.0, top_entropy_quantile=1.0, entropy_coef=0.1),
        entropies=entropies, scale=scale, keep=torch.tensor([[0.0, 1.0]]), entropy_coef=0.5,
    )  # fmt: skip
    assert loss.item() == -0.5 * 3 / 4
    assert (metrics.bonus_tokens, metrics.bonus_entropy) == (1, 3)


def test_a_bonus_over_no_token_is_0_and_over_a_fraction_counts_as_one() -> None:
    config, entropies = LossConfig(beta=0.0, entropy_coef=0.5), torch.ones(1, 2)
    nothing, _ = policy_loss(**ONE, mask=torch.zeros(1, 2), config=config, entropies=entropies)
    scale = LossScale(num_completions=1, num_tokens=2, max_completion_length=2, update_tokens=2, bonus_tokens=0.5)
    half, _ = policy_loss(**ONE, mask=torch.ones(1, 2), config=config, entropies=entropies, scale=scale)
    assert (nothing.item(), half.item()) == (0.0, -1.0)
