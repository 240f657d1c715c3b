"""What the relay takes for the result of tests."""

from typing import Any

import pytest

from engine.rewards.sandbox.judge.relay import BrokenTests, Judgement, _judgement


def test_the_tests_say_how_many_passed_and_what_failed_first() -> None:
    assert _judgement([1, 2, "why"]) == Judgement(1, 2, "why")


@pytest.mark.parametrize("done", [5, [], [1, 1], [2, 1, ""], [-1, 1, ""], [0, 0, ""], [1.5, 2, ""], ["1", "1", ""]])
def test_what_the_tests_program_does_not_say_is_no_result(done: Any) -> None:
    with pytest.raises(BrokenTests, match="the channel of their own results"):
        _judgement(done)
