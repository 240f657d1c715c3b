"""Key numbers and charts of the Run page, from courses made by hand."""

import numpy as np
import pandas as pd
import pytest

from dashboard.live_plot import Kpi
from dashboard.live_run import Course
from dashboard.views.run_board import metric_kpi, run_charts, run_kpis
from dashboard.wording import number, percent
from engine.analysis.distribution import reward_bins
from engine.analysis.evaluation import Estimate
from engine.config import RunConfig
from engine.glossary import METRICS
from tests.fakes import fake_config

NAN = float("nan")
COMPLETIONS = pd.DataFrame(
    {"group_index": [0, 0], "completion_index": [0, 1], "total": [1.0, 0.0], "advantage": [0.4, -0.4]}
)


def course(steps: int, *evaluations: tuple[int, float], **columns: object) -> Course:
    """A run of so many steps in which every metric is 0 but for these columns."""
    metrics = pd.DataFrame({key: np.zeros(steps) for key in METRICS} | {"step": np.arange(1, steps + 1)})
    frame = pd.DataFrame(evaluations, columns=["step", "pass_at_1"]).assign(
        num_prompts=64, num_generations=1, seconds=1.0
    )
    measured = [{"pass_at_1": Estimate(value, value - 0.1, value + 0.1)} for _, value in evaluations]
    frame["metrics"] = pd.Series(measured, dtype=object)
    return Course(
        metrics.assign(**columns), pd.DataFrame(index=range(steps)), pd.DataFrame(index=range(steps)),
        np.zeros((steps, 5)), 1, np.ones((steps, 1)), reward_bins(0, 0, set()),
        frame.astype({"pass_at_1": float}), None, (steps, 0, 0),
    )  # fmt: skip


def config(**loss: object) -> RunConfig:
    plain = fake_config(name="x", steps=30)
    return plain.model_copy(update={"loss": plain.loss.model_copy(update=loss)})


def kpi(key: str, of: Course, **loss: object) -> Kpi:
    return next(found for found in run_kpis(config(**loss), of) if found.key == key)


def test_a_number_is_the_mean_of_the_newest_ten_steps_and_its_arrow_compares_with_the_ten_before():
    rewards = [9.0] * 5 + [0.2] * 10 + [0.25, 0.75] * 5
    found = kpi("reward", course(25, reward=rewards))
    assert (found.value, found.change, found.tone) == ("0.500", "▲ 0.300", "good")
    assert len(found.points) == 25
    assert "mean of the newest 10 steps" in found.help


@pytest.mark.parametrize(
    ("key", "now", "value", "change", "tone"),
    [
        ("reward", 0.25, "0.250", "▼ 0.250", "bad"),
        ("reward", 0.5, "0.500", "= 0.000", ""),
        ("kl", 0.75, "0.7500", "▲ 0.2500", ""),  # neither good nor bad
        ("entropy", 0.25, "0.250", "▼ 0.250", ""),
        ("completions/mean_length", 12.5, "12.5", "▲ 12.0", ""),
        ("frac_reward_zero_std", 0.25, "25 %", "▼ 25 points", "good"),
    ],
)
def test_a_change_has_an_arrow_and_a_tone_where_one_direction_is_better(key, now, value, change, tone):
    found = kpi(key, course(20, **{key: [0.5] * 10 + [now] * 10}))
    assert (found.value, found.change, found.tone) == (value, change, tone)


def test_the_first_ten_steps_have_nothing_to_be_compared_with():
    found = kpi("reward", course(10, reward=0.5))
    assert (found.value, found.change, found.tone) == ("0.500", "", "")


def test_dead_groups_are_told_by_kind():
    found = kpi("frac_reward_zero_std", course(20, frac_solved=[1.0] * 10 + [0.4] * 10, frac_hopeless=0.1))
    assert found.note == "40 % all right, 10 % all wrong"
    assert kpi("frac_reward_zero_std", course(0)).note == ""
    unknown = course(20, frac_solved=NAN, frac_hopeless=NAN)
    assert kpi("frac_reward_zero_std", unknown).note == "no reward decides what is right"
    assert kpi("frac_reward_zero_std", course(20, frac_solved=NAN, frac_hopeless=0.1)).note == "10 % all wrong"
    assert (
        kpi("frac_reward_zero_std", course(20, frac_reward_zero_std=[1.0] * 10 + [0.0] * 10)).change == "▼ 100 points"
    )


@pytest.mark.parametrize(
    ("evaluations", "value", "change", "tone", "note"),
    [
        ([], "–", "", "", "not evaluated yet"),
        ([(0, NAN)], "–", "", "", "no reward decides"),
        ([(0, 0.25)], "25 %", "", "", "before training"),
        ([(5, 0.25)], "25 %", "", "", "at step 5"),
        ([(0, 0.25), (25, 0.5), (50, 0.75)], "75 %", "+50 points", "good", "25 % before training"),
        ([(5, 0.5), (25, 0.25)], "25 %", "−25 points", "bad", "50 % at step 5"),
    ],
)
def test_the_held_out_share_is_compared_with_the_first_one(evaluations, value, change, tone, note):
    found = kpi("eval/pass_at_1", course(1, *evaluations))
    assert (found.value, found.change, found.tone, found.note) == (value, change, tone, note)
    assert "newest 10 steps" not in found.help


def test_a_held_out_share_tells_what_could_not_be_scored():
    some = course(1, (0, 0.25), (25, 0.5))
    some.evaluations["metrics"].iloc[-1]["undecided"] = Estimate(3.0)
    told = "3 of 64 completions could not be scored; they are left out."
    assert told in kpi("eval/pass_at_1", some).help
    none = course(1, (0, NAN))
    none.evaluations["metrics"].iloc[0]["undecided"] = Estimate(64.0)
    assert kpi("eval/pass_at_1", none).note == "no completion could be scored"


@pytest.mark.parametrize("beta", [0.0, 0.04])  # KL is measured whether it is in the loss or not
def test_a_kl_that_is_not_there_has_its_reason(beta):
    found = kpi("kl", course(3, kl=NAN), beta=beta)
    assert (found.value, found.note) == ("–", "not measured yet")


def test_curves_without_numbers_are_named():
    curves = run_charts(config(), course(3, kl=NAN), 3, COMPLETIONS)[-1]
    assert "KL to reference: not measured so far." in curves.sentence


@pytest.mark.parametrize(
    ("loss", "reach"),
    [
        ({"scale_rewards": "group"}, 2.0),
        ({"scale_rewards": "batch"}, 2.0),
        ({"scale_rewards": "none"}, 0.4),
        ({"scale_rewards": "none", "multi_objective_aggregation": "normalize_then_sum"}, 2.0),  # divides all the same
    ],
)
def test_full_colour_is_two_standard_deviations_unless_advantages_are_not_divided(loss, reach):
    strip = run_charts(config(**loss), course(3), 3, COMPLETIONS)[3]
    assert strip.title == "Advantages of step 3"
    assert strip.figure["data"][0]["marker"]["cmax"] == reach


def kpi_of(key: str, before: list[float], now: list[float], changed=None):
    """The key number of ten steps after ten others; each list of values is repeated."""
    values = (before * 10)[:10] + (now * 10)[:10]
    metrics = pd.DataFrame({"step": range(1, 21), key: values})
    return metric_kpi(metrics, key, percent if changed else number, changed)


def test_a_change_within_chance_has_no_colour():
    unsteady = kpi_of("reward", [0.0, 1.0], [0.02, 1.0])  # each mean is known to ±0.16
    assert (unsteady.change, unsteady.tone) == ("▲ 0.010", "")


@pytest.mark.parametrize(("now", "tone"), [(0.9, "good"), (0.1, "bad")])
def test_a_change_beyond_chance_is_good_or_bad(now, tone):
    assert kpi_of("reward", [0.49, 0.51], [now - 0.01, now + 0.01]).tone == tone


def test_a_change_that_rounds_to_nothing_is_none():
    dead = kpi_of("frac_reward_zero_std", [0.02], [0.024], lambda change: f"{100 * change:.0f} points")
    assert (dead.change, dead.tone) == ("= 0 points", "")
