"""What a clone is called."""

import pytest

from engine.runs.naming import next_name


@pytest.mark.parametrize(
    ("name", "taken", "expected"),
    [
        ("learn to add", {"learn to add"}, "learn to add 2"),
        ("learn to add 2", {"learn to add", "learn to add 2"}, "learn to add 3"),
        ("learn to add", {"learn to add", "learn to add 2"}, "learn to add 3"),
        ("sums up to 20", {"sums up to 20"}, "sums up to 20 2"),
        ("x" * 80, {"x" * 80}, "x" * 78 + " 2"),
    ],
)
def test_a_clone_gets_the_next_free_number(name, taken, expected):
    assert next_name(name, taken) == expected
