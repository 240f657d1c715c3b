"""The coefficient of the entropy bonus, fixed and adaptive."""

import math

import pytest

from engine.config_loss import LossConfig, has_entropy_bonus
from engine.grpo.entropy_control import EntropyControl

ADAPTIVE = LossConfig(
    use_adaptive_entropy=True, entropy_target=0.5, entropy_coef_delta=0.25, entropy_coef_min=0.125, entropy_coef_max=1.0
)


def test_a_fixed_coefficient_is_applied_and_stays_whatever_the_entropy() -> None:
    config = LossConfig(entropy_coef=0.3)
    control = EntropyControl(0.3)
    assert control.applied(config) == 0.3
    assert control.after(0.0, config) is control


@pytest.mark.parametrize(
    ("entropy", "coef"), [(0.4, 0.75), (0.5, 0.75), (0.51, 0.25)], ids=["below", "at the target", "above"]
)
def test_the_coefficient_rises_at_or_below_the_target_and_falls_above(entropy: float, coef: float) -> None:
    assert EntropyControl(0.5).after(entropy, ADAPTIVE) == EntropyControl(coef, entropy)


def test_the_coefficient_stays_within_its_bounds() -> None:
    assert EntropyControl(0.9).after(0.1, ADAPTIVE).coef == 1.0
    assert EntropyControl(0.2).after(0.9, ADAPTIVE).coef == 0.125


@pytest.mark.parametrize(("last", "applied"), [(0.4, 0.7), (0.5, 0.7), (0.6, 0.0)])
def test_it_is_applied_only_after_an_update_at_or_below_the_target(last: float, applied: float) -> None:
    assert EntropyControl(0.7, last).applied(ADAPTIVE) == applied


def test_before_the_first_update_nothing_is_applied() -> None:
    assert EntropyControl(0.7).applied(ADAPTIVE) == 0.0


@pytest.mark.parametrize("entropy", [math.nan, math.inf])
def test_an_entropy_that_is_no_number_changes_nothing(entropy: float) -> None:
    control = EntropyControl(0.7, 0.4)
    assert control.after(entropy, ADAPTIVE) is control


@pytest.mark.parametrize(
    ("coef", "adaptive", "bonus"), [(0.0, False, False), (0.1, False, True), (0.0, True, True), (0.1, True, True)]
)
def test_there_may_be_a_bonus_with_a_coefficient_or_adaptive_control(coef: float, adaptive: bool, bonus: bool) -> None:
    assert has_entropy_bonus(LossConfig(entropy_coef=coef, use_adaptive_entropy=adaptive)) is bonus
