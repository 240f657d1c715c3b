"""The three estimates of the KL divergence, at d = q − p of .1, −.1, 1 and −1."""

import pytest
import torch

from engine.grpo.kl import k3, kl_estimate

POLICY = torch.tensor([-2.0, -2.0, -2.0, -2.0], dtype=torch.float64)
REFERENCE = POLICY + torch.tensor([0.1, -0.1, 1.0, -1.0], dtype=torch.float64)


@pytest.mark.parametrize(
    ("estimator", "values"),
    [
        ("k1", [-0.1, 0.1, -1.0, 1.0]),
        ("k2", [0.005, 0.005, 0.5, 0.5]),
        ("k3", [0.005170918, 0.004837418, 0.718281828, 0.367879441]),
    ],
)
def test_each_estimator_gives_the_golden_numbers(estimator: str, values: list[float]) -> None:
    found = kl_estimate(POLICY, REFERENCE, estimator)  # type: ignore[arg-type]
    assert found.tolist() == pytest.approx(values, abs=1e-9)  # nine decimals


def test_k3_is_the_default_and_what_is_stored() -> None:
    assert torch.equal(k3(POLICY, REFERENCE), kl_estimate(POLICY, REFERENCE, "k3"))
    assert torch.equal(k3(POLICY, REFERENCE), kl_estimate(POLICY, REFERENCE))


def test_k3_of_a_tiny_difference_is_not_lost_to_rounding() -> None:
    """d² / 2 with d = 1e-4 in float32, where exp(d) − d − 1 would give 0 or 1e-7 instead of 5e-9."""
    assert float(k3(torch.zeros(1), torch.full((1,), 1e-4))) == pytest.approx(5e-9, rel=2e-2)


def test_an_unknown_estimator_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown KL estimator 'k4'"):
        kl_estimate(POLICY, REFERENCE, "k4")  # type: ignore[arg-type]
