"""The gradient of every loss type and option, in float64: against finite differences, or against its formula.

Finite differences where the loss is smooth: the inputs keep away from the kinks of the clip. cispo and vespo hold
their weights fixed, so that finite differences of the loss are not their gradient: those are compared with
weight · A · (1 / tokens), written out.
"""

import itertools
from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from engine.config_loss import CLIPPED, KlEstimator, LossConfig
from engine.grpo import policy_loss
from engine.grpo.objectives import vespo_weight

MASK = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1]], dtype=torch.float64)
ADVANTAGES = torch.tensor([1.3, -0.7, 0.4, -1.1], dtype=torch.float64)
OLD = -torch.tensor([[1.0, 2.0, 0.5], [1.5, 0.7, 1.1], [2.0, 1.0, 1.0], [0.3, 0.9, 1.4]], dtype=torch.float64)
# Log ratios of 1.2 and 0.8 are 0.182 and -0.223: none of these is near, and neither is the mean of a row.
LOG_RATIO = torch.tensor(
    [[0.5, 0.05, -0.4], [0.6, -0.5, 0.1], [0.02, 0.3, 0.3], [-0.6, -0.3, -0.35]], dtype=torch.float64
)
REF = OLD + torch.tensor([[0.2, -0.3, 0.1]], dtype=torch.float64)
ENTROPIES = torch.tensor([[0.1, 0.9, 0.5], [1.2, 0.3, 0.7], [0.4, 0.2, 0.1], [0.8, 1.1, 0.6]], dtype=torch.float64)


def loss_of(logprobs: Tensor, entropies: Tensor, advantages: Tensor = ADVANTAGES, **settings: Any) -> Tensor:
    config = LossConfig(**settings)
    return policy_loss(
        logprobs, OLD, advantages, MASK, config=config, entropies=entropies,
        ref_logprobs=REF if config.beta else None,
    )[0]  # fmt: skip


def check(**settings: Any) -> None:
    """gradcheck compares with central differences of 1e-6 to 1e-7: their own error is about 1e-9."""
    leaves = (OLD + LOG_RATIO).requires_grad_(), ENTROPIES.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda p, h: loss_of(p, h, **settings), leaves, eps=1e-6, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize(("loss_type", "level"), list(itertools.product((*CLIPPED, "sapo"), ("token", "sequence"))))
def test_the_gradient_is_that_of_finite_differences(loss_type: str, level: str) -> None:
    common = {"loss_type": loss_type, "importance_sampling_level": level}
    check(beta=0.0, **common)
    check(beta=0.3, **common)
    check(beta=0.3, use_bias_correction_kl=False, delta=1.5, epsilon_high=0.4, **common)
    check(beta=0.0, top_entropy_quantile=0.5, off_policy_mask_threshold=0.3, entropy_coef=0.2, **common)
    check(beta=0.1, advantages=ADVANTAGES[:, None] * torch.tensor([[1.0, -0.5, 0.2]], dtype=torch.float64), **common)


@pytest.mark.parametrize(("estimator", "corrected"), list(itertools.product(get_args(KlEstimator), (True, False))))
def test_the_gradient_of_each_kl_estimator_is_that_of_finite_differences(estimator: str, corrected: bool) -> None:
    check(beta=0.5, kl_estimator=estimator, use_bias_correction_kl=corrected)


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_cispo_has_the_gradient_of_a_weighted_log_probability(level: str) -> None:
    logprobs = (OLD + LOG_RATIO).requires_grad_()
    loss_of(
        logprobs, ENTROPIES, loss_type="cispo", beta=0.0, epsilon_high=1.04, importance_sampling_level=level
    ).backward()  # type: ignore[no-untyped-call]
    ratio = LOG_RATIO.exp()
    if level == "sequence":
        ratio = ((LOG_RATIO * MASK).sum(1) / MASK.sum(1)).exp()[:, None]
    assert_close(
        logprobs.grad, -ratio.clamp(max=1.04) * ADVANTAGES[:, None] * MASK / 9, rtol=1e-12, atol=0.0
    )  # 9 tokens


def test_vespo_has_the_gradient_of_a_weighted_log_probability() -> None:
    logprobs = (OLD + LOG_RATIO).requires_grad_()
    loss_of(logprobs, ENTROPIES, loss_type="vespo", beta=0.0).backward()  # type: ignore[no-untyped-call]
    weight = vespo_weight(OLD + LOG_RATIO, OLD, ADVANTAGES[:, None], MASK, LossConfig())
    assert_close(logprobs.grad, -weight * ADVANTAGES[:, None] * MASK / 9, rtol=1e-12, atol=0.0)


def test_beyond_the_clip_there_is_no_gradient_and_within_it_is_that_of_the_plain_ratio() -> None:
    logprobs = (OLD + LOG_RATIO).requires_grad_()
    loss_of(logprobs, ENTROPIES, loss_type="dapo", beta=0.0).backward()  # type: ignore[no-untyped-call]
    plain = -LOG_RATIO.exp() * ADVANTAGES[:, None] / 9
    # Row 0, A > 0: the first is above the clip. Row 1, A < 0: the second is below. Row 3, A < 0: all below.
    free = torch.tensor([[0, 1, 1], [1, 0, 0], [1, 0, 0], [0, 0, 0]], dtype=torch.float64)
    assert_close(logprobs.grad, plain * free, rtol=1e-12, atol=0.0)


def test_the_unbiased_kl_gradient_is_that_of_the_true_kl_and_the_plain_one_is_not() -> None:
    """Over a whole vocabulary, sampled as often as its probability says: the exact gradient of Σ p log(p / q)."""
    logits = torch.tensor([0.5, -0.2, 0.1], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([0.1, 0.3, -0.4], dtype=torch.float64).log_softmax(0)
    policy = logits.log_softmax(0)
    true = (policy.exp() * (policy - reference)).sum()
    (expected,) = torch.autograd.grad(true, logits, retain_graph=True)

    def gradient(corrected: bool) -> Tensor:
        config = LossConfig(beta=1.0, use_bias_correction_kl=corrected)
        losses = [
            policy_loss(
                policy[token].view(1, 1), policy[token].detach().view(1, 1), torch.zeros(1, dtype=torch.float64),
                torch.ones(1, 1, dtype=torch.float64), config=config, ref_logprobs=reference[token].view(1, 1),
            )[0]
            for token in range(3)
        ]  # fmt: skip
        average = (policy.detach().exp() * torch.stack(losses)).sum()
        return torch.autograd.grad(average, logits, retain_graph=True)[0]

    assert_close(gradient(True), expected, rtol=1e-12, atol=1e-15)
    assert float((gradient(False) - expected).abs().max()) > 1e-2
