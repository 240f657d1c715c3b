"""The key numbers of a run: what counts as a change, and as a good or bad one."""

import pandas as pd
import pytest

from dashboard.views.run_board import metric_kpi
from dashboard.wording import number, percent


def kpi(key: str, before: list[float], now: list[float], changed=None):
    """The key number of ten steps after ten others; each list of values is repeated."""
    values = (before * 10)[:10] + (now * 10)[:10]
    metrics = pd.DataFrame({"step": range(1, 21), key: values})
    return metric_kpi(metrics, key, percent if changed else number, changed)


def test_a_change_within_chance_has_no_colour():
    unsteady = kpi("reward", [0.0, 1.0], [0.02, 1.0])  # each mean is known to ±0.16
    assert (unsteady.change, unsteady.tone) == ("▲ 0.010", "")


@pytest.mark.parametrize(("now", "tone"), [(0.9, "good"), (0.1, "bad")])
def test_a_change_beyond_chance_is_good_or_bad(now, tone):
    assert kpi("reward", [0.49, 0.51], [now - 0.01, now + 0.01]).tone == tone


def test_a_change_that_rounds_to_nothing_is_none():
    dead = kpi("frac_reward_zero_std", [0.02], [0.024], lambda change: f"{100 * change:.0f} points")
    assert (dead.change, dead.tone) == ("= 0 points", "")
