"""The time of a step in words: durations with few digits, and what the estimate stands on."""

import pytest

from dashboard.views.form_time import basis, span, title
from engine.machine_speed import MachineSpeed
from engine.step_time import StepTime, TimeRange

FOUND = TimeRange(3.0, 30.0, StepTime(64, 9.0, 2.0, 4.0))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0312, "0.031 s"), (4.26, "4.3 s"), (89, "89 s"), (90, "1.5 min"), (3600, "60 min"), (6000, "1.7 h"),
     (3 * 86400, "3 days")],
)  # fmt: skip
def test_a_duration_has_the_digits_that_mean_something(seconds, words):
    assert span(seconds) == words


def test_the_title_tells_a_step_and_the_whole_run():
    assert title(FOUND, 100) == "Time: roughly 3 s to 30 s a step, 5 min to 50 min in all"
    assert title(FOUND, 1) == "Time: roughly 3 s to 30 s a step"


def test_the_basis_names_what_was_measured_and_what_is_assumed():
    words = basis(FOUND, MachineSpeed("cpu", 2, 8.4e10, 4.5e9, 1e-6), 12)
    assert "completions of 64 tokens" in words and "prompts of 12" in words
    assert "with 2 threads" in words and "84 billion operations a second" in words and "4.5 GB" in words
    assert "with all cores" in basis(FOUND, MachineSpeed("cpu", 0, 1.0, 1.0, 1.0), 12)
    assert "on the GPU" in basis(FOUND, MachineSpeed("cuda", 0, 1.0, 1.0, 1.0), 12)
