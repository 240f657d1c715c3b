"""The steps that stand for a run: bounded, evenly spaced, and said in words."""

import pytest

from engine.analysis.step_sample import Sample, sample_of


@pytest.mark.parametrize(
    ("last", "per_step", "every", "count"),
    [
        (0, 64, 1, 0), (300, 64, 1, 300), (400, 64, 1, 400), (401, 64, 2, 200), (10_000, 64, 32, 312),
        (10_000, 1024, 256, 39), (1000, 100_000, 128, 7),
    ],
)  # fmt: skip
def test_a_sample_is_every_so_manyth_step_within_bounds(last: int, per_step: int, every: int, count: int) -> None:
    found = sample_of(1, last, per_step)
    assert (found.every, len(found.steps)) == (every, count)
    assert all(step % every == 0 and 1 <= step <= last for step in found.steps)


def test_the_sample_of_a_fork_is_of_its_own_steps() -> None:
    assert list(sample_of(101, 105, 64).steps) == [101, 102, 103, 104, 105]
    found = sample_of(10_001, 11_000, 64)
    assert (found.every, found.steps[0], len(found.steps)) == (4, 10_004, 250)
    assert found.words == "250 of 1,000 steps, evenly spaced" and sample_of(301, 305, 64).words == "all 5 steps"


def test_a_sample_says_how_much_of_the_run_it_is() -> None:
    assert Sample(1, 300).words == "all 300 steps"
    assert Sample(1, 1).words == "the one step"
    assert Sample(32, 10_000).words == "312 of 10,000 steps, evenly spaced"


def test_a_smaller_bound_makes_a_shorter_sample() -> None:
    assert sample_of(1, 100, 64, max_completions=1600).words == "25 of 100 steps, evenly spaced"
