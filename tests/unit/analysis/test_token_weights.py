"""Weights and pushes against the derivatives of the loss itself, and by hand."""

from itertools import product

import numpy as np
import pytest
import torch

from engine.analysis.token_weights import clip_weights, push
from engine.config_loss import LossConfig
from engine.grpo.loss import policy_loss
from engine.grpo.objectives import policy_objective
from engine.grpo.ratio import log_importance_ratio

LOSS_TYPES = ("grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo")
LEVELS = ("token", "sequence")
T = 12
# Both sides compute in float64; what is left is the rounding of a few products of numbers of size 10.
TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}


def cases(loss_type: str, level: str):
    """(p, o, A, config): near and far policies, one advantage or one per token, with and without δ and the mask."""
    rng = np.random.default_rng(0)
    for far, delta, threshold, per_token in product((0.05, 0.6), (None, 1.1, 3.0), (None, 0.05), (False, True)):
        config = LossConfig(
            loss_type=loss_type, importance_sampling_level=level, delta=delta, epsilon_high=0.3, beta=0.0,
            off_policy_mask_threshold=threshold,
        )  # fmt: skip
        for sign in (1, -1):
            old = -rng.exponential(1.0, T)
            advantages = rng.normal(0, 1, T) if per_token else np.array([sign * rng.uniform(0.2, 2)])
            yield old + rng.normal(0, far, T), old, advantages, config


def of_loss(p, o, advantages, config):
    """Minus the derivative of policy_loss by each log-probability, times what it divides by for a single completion."""
    logprobs = torch.tensor(p[None], requires_grad=True)
    rewards = torch.tensor(advantages if len(advantages) == 1 else advantages[None])
    loss, _ = policy_loss(logprobs, torch.tensor(o[None]), rewards, torch.ones(1, T).double(), config=config)
    (gradient,) = torch.autograd.grad(loss, logprobs)
    return -gradient[0].numpy() * (1 if config.loss_type == "luspo" else T)


def of_objective(p, o, advantages, config):
    """The same of policy_objective alone, summed over the tokens; it knows no off-policy mask."""
    logprobs, old, mask = torch.tensor(p[None], requires_grad=True), torch.tensor(o[None]), torch.ones(1, T).double()
    log_ratio = log_importance_ratio(logprobs, old, mask, config.importance_sampling_level)
    objective = policy_objective(log_ratio, logprobs, old, torch.tensor(advantages[None]), mask, config)
    (gradient,) = torch.autograd.grad(objective.loss.expand(1, T).sum(), logprobs)
    return -gradient[0].numpy()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_the_push_is_the_derivative_of_the_loss(loss_type, level):
    for p, o, advantages, config in cases(loss_type, level):
        np.testing.assert_allclose(push(p, o, advantages, config), of_loss(p, o, advantages, config), **TOLERANCE)
        if config.off_policy_mask_threshold is None:
            expected = of_objective(p, o, advantages, config)
            np.testing.assert_allclose(push(p, o, advantages, config), expected, **TOLERANCE)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_with_one_advantage_the_push_is_that_advantage_times_the_weight(loss_type, level):
    for p, o, advantages, config in cases(loss_type, level):
        if len(advantages) == 1:
            weights = clip_weights(p, o, advantages[0], config)
            np.testing.assert_allclose(push(p, o, advantages, config), advantages * weights, **TOLERANCE)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_an_on_policy_token_is_pushed_by_its_advantage(loss_type):
    config = LossConfig(loss_type=loss_type, epsilon_high=5.0 if loss_type == "cispo" else None)
    pushed = push([-1.0, -2.0], [-1.0, -2.0], -0.5, config)
    np.testing.assert_allclose(pushed, [-0.5, -0.5], rtol=1e-12)  # ρ = 1: every weight is 1, φ(1) and 4σ(1 − σ) too


def test_a_ratio_beyond_the_clip_is_no_longer_pushed():
    old, new = np.zeros(3) - 1, np.log([0.7, 1.0, 1.3]) - 1  # ρ 0.7, 1, 1.3 with ε 0.2
    np.testing.assert_allclose(clip_weights(new, old, 1.0, LossConfig(epsilon=0.2)), [0.7, 1.0, 0.0])
    np.testing.assert_allclose(clip_weights(new, old, -1.0, LossConfig(epsilon=0.2)), [0.0, 1.0, 1.3])
    np.testing.assert_allclose(clip_weights(new, old, -1.0, LossConfig(epsilon=0.2, delta=1.25)), [0.0, 1.0, 0.0])


def test_what_the_loss_leaves_out_is_not_pushed():
    one = np.array([-1.0, -1.0])
    assert push(one, one, 2.0, LossConfig(), counted=False).tolist() == [0.0, 0.0]
    assert push(one, one, 2.0, LossConfig(), kept=[0, 1]).tolist() == [0.0, 2.0]


def test_a_bad_completion_of_a_far_policy_is_masked_and_a_good_one_is_not():
    config = LossConfig(off_policy_mask_threshold=0.5, loss_type="cispo", epsilon_high=5.0)
    old, new = np.array([-1.0, -1.0]), np.array([-2.0, -2.0])  # mean of o − p is 1 nat
    assert clip_weights(new, old, -1.0, config).tolist() == [0.0, 0.0]
    np.testing.assert_allclose(clip_weights(new, old, 1.0, config), np.exp([-1.0, -1.0]))
