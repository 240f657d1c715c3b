"""Estimates of the KL divergence from the reference, token by token, from two log-probabilities."""

import torch
from torch import Tensor

from engine.config_loss import KlEstimator


def kl_estimate(logprobs: Tensor, ref_logprobs: Tensor, estimator: KlEstimator = "k3") -> Tensor:
    """Per-token estimate of KL(policy ‖ reference), in nats, for tokens that the policy sampled.

    logprobs p, ref_logprobs q: same shape, returned too. k1 = p − q; k2 = (p − q)² / 2; k3 = exp(q − p) − (q − p) − 1.
    k1 and k3 are unbiased; k2 and k3 are never negative. Schulman, "Approximating KL divergence" (2020).
    """
    delta = ref_logprobs - logprobs
    if estimator == "k1":
        return -delta
    if estimator == "k2":
        return delta.square() / 2
    if estimator == "k3":
        return torch.expm1(delta) - delta
    raise ValueError(f"unknown KL estimator {estimator!r}")


def k3(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """The estimate that is stored and plotted, whatever the loss uses."""
    return kl_estimate(logprobs, ref_logprobs, "k3")
