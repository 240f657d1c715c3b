"""What reward functions give to log_metric: what is a number is averaged, everything else has a reason."""

import math

from engine.rewards.worker.values import Logged


def logged(*pairs: tuple[object, object]) -> Logged:
    found = Logged()
    for name, value in pairs:
        found.log(name, value)
    return found


def test_what_is_logged_twice_is_averaged_as_in_trl() -> None:
    assert logged(("a", 1.0), ("a", 2), ("b", True)).means() == {"a": 1.5, "b": 1.0}


def test_a_mean_of_huge_numbers_is_a_number() -> None:
    assert logged(("a", 1.5e308), ("a", 1.5e308)).means() == {"a": 1.5e308}


def test_what_is_no_finite_number_is_left_out_with_its_reason() -> None:
    found = logged(("nan", math.nan), ("inf", math.inf), ("text", "1.0"), ("none", None), ("a", 1.0), ("a", math.nan))
    assert found.means() == {"a": 1.0}
    assert found.refused == {
        "nan": "returned nan, not a finite number", "inf": "returned inf, not a finite number",
        "text": "returned '1.0', not a finite number", "none": "its value was None",
        "a": "returned nan, not a finite number",
    }  # fmt: skip


def test_names_are_few_and_short_and_are_text() -> None:
    found = logged(*((f"n{i}", 1.0) for i in range(25)), ("n3", 2.0), ("x" * 81, 1.0))
    assert list(found.means()) == [f"n{i}" for i in range(20)] and found.means()["n3"] == 1.5
    assert found.refused["n20"] == "a reward can log at most 20 names"
    assert found.refused["x" * 80] == "its name has 81 characters, more than 80"
    assert list(logged(("\ud800", 1.0), (7, 1.0)).means()) == ["?", "7"]
