"""Which evaluation is better, and how long there was no gain."""

import pytest

from engine.analysis.evaluation import Estimate
from engine.analysis.gains import evaluations_without_gain, measure_key, measure_value, measure_words, measured


@pytest.mark.parametrize(
    ("values", "threshold", "expected"),
    [
        ([], 0.0, 0),
        ([0.5], 0.0, 0),  # the first is a gain
        ([0.5, 0.5], 0.0, 1),  # the same is none
        ([0.5, 0.6, 0.4, 0.6], 0.0, 2),
        ([0.5, 0.4, 0.45, 0.51], 0.0, 0),
        ([0.5, 0.55], 0.1, 1),  # too little
        ([0.5, 0.55, 0.6], 0.1, 2),  # each compared with the best before it, 0.55 for the last
        ([0.5, 0.65], 0.1, 0),
        ([-3.0, -2.0], 0.0, 0),  # rewards may be negative
    ],
)
def test_evaluations_without_a_gain_are_counted_from_the_end(
    values: list[float], threshold: float, expected: int
) -> None:
    assert evaluations_without_gain(values, threshold) == expected


def test_k_stands_for_the_number_of_completions() -> None:
    assert [measure_key(m, 8) for m in ("pass_at_1", "pass_at_k", "majority_at_k", "reward")] == [
        "pass_at_1", "pass_at_8", "majority_at_8", "reward",
    ]  # fmt: skip
    assert measure_key("pass_at_k", 1) == "pass_at_1"


def test_measures_are_named_as_people_write_them() -> None:
    assert [measure_words(key) for key in ("pass_at_8", "majority_at_8", "reward")] == [
        "pass@8", "majority@8", "total reward",
    ]  # fmt: skip
    assert (measure_value("pass_at_8", 0.4141), measure_value("reward", -0.5)) == ("41.4 %", "-0.500")


def test_evaluations_without_the_metric_are_passed_over() -> None:
    evaluations = [(0, {"reward": Estimate(0.5)}), (5, {}), (10, {"reward": Estimate(float("nan"))})]
    assert measured(evaluations, "reward") == [(0, 0.5)]
