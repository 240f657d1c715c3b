"""What a run has spent by each step, and when a monitor has turned."""

import math

import numpy as np
import pytest

from engine.analysis.compare import spent_so_far, turned, working_seconds

NAN = float("nan")


def test_time_between_two_attempts_does_not_count():
    # 0–30 s at work, a pause of 970 s, then from 1000 s again
    finished = [10.0, 30.0, 1005.0, 1010.0]
    assert working_seconds(finished, [(0.0, 30.0), (1000.0, 1010.0)]).tolist() == [10.0, 30.0, 35.0, 40.0]


def test_a_killed_attempt_counts_up_to_its_last_step():
    finished = [10.0, 20.0, 1005.0]
    assert working_seconds(finished, [(0.0, None), (1000.0, None)]).tolist() == [10.0, 20.0, 25.0]


def test_an_attempt_that_finished_no_step_counts_nothing_unless_it_ended_by_itself():
    assert working_seconds([105.0], [(0.0, None), (100.0, None)]).tolist() == [5.0]
    assert working_seconds([105.0], [(0.0, 40.0), (100.0, None)]).tolist() == [45.0]


def test_time_never_falls_even_when_the_clock_was_set_back():
    assert working_seconds([10.0, 8.0, 12.0], [(0.0, None)]).tolist() == [10.0, 10.0, 12.0]
    assert working_seconds([10.0, 12.0], []).tolist() == [0.0, 2.0]
    assert working_seconds([], [(0.0, None)]).size == 0


def test_what_was_spent_adds_up_and_a_step_that_does_not_say_is_a_gap():
    total = spent_so_far([5.0, NAN, 7.0])
    assert total[[0, 2]].tolist() == [5.0, 12.0] and math.isnan(total[1])


STEPS = np.arange(1, 201)
KL = STEPS / 1000
NOISE = np.random.default_rng(0).normal(0, 0.02, (2, 200))
HUMP = 0.5 + 0.4 * np.sin(np.pi * STEPS / 200)  # highest at step 100
RISING = 0.2 + 0.6 * STEPS / 200


def test_a_monitor_that_falls_while_the_reward_rises_is_found_with_its_best_step():
    found = turned(STEPS, KL, RISING + NOISE[0], HUMP + NOISE[1], 0.9)
    assert found is not None
    assert 95 <= found.step <= 125  # a smoothed line lags by about 10 steps
    assert found.kl == pytest.approx(found.step / 1000, abs=0.01)
    assert found.monitor_now < found.monitor_then - 0.2 and found.reward_now > found.reward_then + 0.2


@pytest.mark.parametrize(
    ("reward", "monitor"),
    [
        (RISING, RISING),  # both rise
        (RISING[::-1], HUMP),  # the reward falls, too
        (RISING, np.full(200, 0.5)),  # the monitor stays where it is
        (RISING, np.full(200, NAN)),  # and one that was never measured
    ],
)
def test_nothing_is_said_unless_one_rises_while_the_other_falls(reward, monitor):
    assert turned(STEPS, KL, reward + NOISE[0], monitor + NOISE[1], 0.9) is None


def test_a_monitor_that_falls_from_the_beginning_was_at_its_best_there():
    falling = 0.45 - 0.4 * STEPS / 200
    found = turned(STEPS, KL, RISING + NOISE[0], falling + NOISE[1], 0.9)
    assert found is not None and found.step <= 15  # a bound of means of few values is low
    assert found.monitor_then == pytest.approx(0.44, abs=0.03)  # means of some values with a spread of 0.02
    assert found.monitor_now == pytest.approx(0.05 + 9 * 0.002, abs=0.02)  # a line of 0.9 is 9 steps late


def test_a_monitor_that_stays_at_its_best_for_long_turns_where_it_leaves_it():
    found = turned(STEPS, KL, RISING, np.where(STEPS <= 60, 1.0, 0.0), 0.9)
    assert found is not None and (found.step, found.monitor_then) == (60, 1.0)


@pytest.mark.parametrize("weight", [0.05, 0.5, 0.9])
def test_noise_is_hardly_ever_taken_for_a_turn(weight):
    """Two errors on either side of two values: below 1 of 100 at every weight."""
    rng = np.random.default_rng(0)
    found = [turned(STEPS, KL, *rng.normal(0, 1, (2, 200)), weight) for _ in range(200)]
    assert sum(turn is not None for turn in found) <= 4


@pytest.mark.parametrize("weight", [0.0, 1.0, -0.5])
def test_a_weight_that_shows_no_spread_is_refused(weight):
    with pytest.raises(ValueError, match="must be above 0 and below 1"):
        turned(STEPS, KL, RISING, HUMP, weight)


def test_nothing_is_said_of_a_few_steps():
    assert turned(STEPS[:15], KL[:15], RISING[:15], -RISING[:15], 0.9) is None


def test_a_turn_is_found_where_kl_is_not_measured():
    found = turned(STEPS, np.full(200, NAN), RISING + NOISE[0], HUMP + NOISE[1], 0.9)
    assert found is not None and math.isnan(found.kl)
