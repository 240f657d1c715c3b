"""Which two occasions and which of their completions are compared."""

import pandas as pd
import pytest

from dashboard.views.history_panel import course_words
from dashboard.views.then_now import picked, steps_ago


@pytest.mark.parametrize(
    ("here", "place"), [(4, 2), (3, 1), (0, 1)]
)  # step 100 − 50 = 50: 60 is nearest; 70 − 50 = 20; before the first there is only what comes later
def test_the_nearest_to_fifty_steps_ago_is_found(here, place):
    assert steps_ago([10, 25, 60, 70, 100], here) == place


def test_the_shown_step_is_never_the_one_from_fifty_steps_ago():
    assert steps_ago([10, 12], 0) == 1
    assert steps_ago([10, 12], 1) == 0


def test_best_worst_and_the_one_in_the_middle_by_reward():
    completions = pd.DataFrame({"total": [0.5, float("nan"), 2.0, 1.0, 0.0]})
    assert [picked(completions, which).name for which in ("best", "typical", "worst")] == [2, 0, 1]
    assert picked(completions.head(1), "typical").name == 0


def course(*rates: float) -> pd.DataFrame:
    return pd.DataFrame({"step": [7 * (place + 1) for place in range(len(rates))], "pass_rate": rates})


def test_a_course_is_told_in_words():
    assert course_words(course(0.5)).startswith("This run has asked this prompt once so far, in step 7.")
    words = course_words(course(0.25, 0.5, 1.0))
    assert words.startswith("Asked 3 times, in steps 7 to 21: right 25 % of the time at first, 100 % at last.")
    assert "right" not in course_words(course(float("nan"), 1.0)).partition(".")[0]
    assert "200 of them, evenly spaced, are drawn." in course_words(course(*[1.0] * 201))
