"""What the loss holds back at the last of several updates, by hand: e^0.1 = 1.105, e^0.3 = 1.350, e^-0.3 = 0.741."""

import math

import pytest

from engine.analysis.late_weights import LateWeights, late_weights
from engine.config_loss import LossConfig

NAN = float("nan")
LATEST, SAMPLED = [-1.0, -1.0, -1.0], [-1.1, -1.3, -0.7]


def test_a_clip_of_a_fifth_holds_the_ratio_above_it_where_the_advantage_is_positive() -> None:
    found = late_weights([(LATEST, SAMPLED, 0.5)], LossConfig(epsilon=0.2))
    assert (found.num_tokens, found.held) == (3, 1)
    assert found.mean == pytest.approx((1.10517 + 0 + 0.74082) / 3, abs=1e-5)  # rounded by hand


def test_and_the_ratio_below_it_where_the_advantage_is_negative() -> None:
    found = late_weights([(LATEST, SAMPLED, -0.5)], LossConfig(epsilon=0.2))
    assert (found.num_tokens, found.held) == (3, 1)
    assert found.mean == pytest.approx((1.10517 + 1.34986 + 0) / 3, abs=1e-5)


def test_a_narrower_clip_holds_more() -> None:
    assert late_weights([(LATEST, SAMPLED, 0.5)], LossConfig(epsilon=0.05)).held == 2


def test_completions_without_an_advantage_do_not_count() -> None:
    found = late_weights([(LATEST, SAMPLED, 0.0), (LATEST, SAMPLED, NAN), ([-1.0], [-1.0], 1.0)], LossConfig())
    assert found == LateWeights(1, 0, 1.0)
    none = late_weights([(LATEST, SAMPLED, 0.0)], LossConfig())
    assert (none.num_tokens, none.held) == (0, 0) and math.isnan(none.mean)
