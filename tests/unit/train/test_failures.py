"""When failed rewards are worth a warning, and when they end the run."""

import numpy as np
import pytest

from engine.errors import RewardError
from engine.rewards.score import RewardNote, Scores
from engine.train.failures import FailureWatch


def scores(failed: int, rows: int = 20, traceback: str = "", reason: str = "raised OSError") -> Scores:
    values = np.array([[np.nan]] * failed + [[1.0]] * (rows - failed))
    rows_failed = [frozenset({"own"})] * failed + [frozenset[str]()] * (rows - failed)
    errors = [{"own": reason}] * failed + [{}] * (rows - failed)
    notes = [RewardNote("own", traceback, "")] if traceback else []
    return Scores(("own",), values, errors, [None] * rows, 0.0, failed=rows_failed, notes=notes)


def noted(*failed: int) -> list[int]:
    """The steps that brought a warning."""
    watch = FailureWatch()
    return [event.step for step, count in enumerate(failed, 1) for event in watch.note(step, scores(count), {"own"})]


def test_more_than_five_percent_of_a_step_is_a_warning() -> None:
    assert noted(0, 1, 2) == [3]  # of 20


def test_a_single_bad_step_of_five_does_not_end_a_run() -> None:
    assert noted(0, 0, 20, 0, 0, 0, 0, 20) == [3, 8]


@pytest.mark.parametrize(
    ("failed", "ended_at"),
    [((20, 20), 2), ((7, 7, 7), 3), ((0, 20, 0, 1), 4), ((5, 5, 5, 5, 5), 5), ((20, 1, 0), 3)],
)
def test_more_than_a_fifth_of_five_steps_or_all_of_two_end_it(failed: tuple[int, ...], ended_at: int) -> None:
    assert noted(*failed[: ended_at - 1]) is not None
    with pytest.raises(RewardError, match=f"Step {ended_at}: reward 'own' failed for {sum(failed[:ended_at])} of"):
        noted(*failed)


def test_a_fifth_exactly_is_borne() -> None:
    assert noted(4, 4, 4, 4, 4, 4, 4) == [1, 2, 3, 4, 5, 6, 7]


def test_the_error_has_the_first_three_different_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    watch = FailureWatch()
    watch.note(1, scores(10, traceback="line 1\nKeyError: 1\n\nline 2\nKeyError: 2"), {"own"})
    watch.note(2, scores(9, traceback="line 1\nKeyError: 3"), {"own"})
    with pytest.raises(RewardError) as caught:
        watch.note(3, scores(9, traceback="line 3\nKeyError: 4\n\nline 4\nKeyError: 5"), {"own"})
    told = "Its first errors:\n\nline 1\nKeyError: 1\n\nline 2\nKeyError: 2\n\nline 3\nKeyError: 4"
    assert str(caught.value).endswith(told)
    assert capsys.readouterr().err.count("line 1") == 1


def test_where_there_is_no_traceback_the_reason_stands_for_it() -> None:
    watch = FailureWatch()
    watch.note(1, scores(20, reason="took longer than 30 s"), {"own"})
    with pytest.raises(RewardError, match="Its first errors:\n\ntook longer than 30 s"):
        watch.note(2, scores(20, reason="took longer than 30 s"), {"own"})


def test_a_monitor_that_fails_is_given_up_once_and_ends_nothing() -> None:
    watch = FailureWatch()
    events = [event for step in range(1, 9) for event in watch.note(step, scores(20), set())]
    assert [(event.kind, event.step) for event in events] == [("reward-missing", 1), ("monitor-fails", 2)]
    assert events[1].message == (
        "The monitor 'own' failed for 40 of 40 completions of the last 2 steps. It is not trained on, so the run goes "
        "on; further failures stand beside the completions alone. The first: raised OSError"
    )


def test_a_resumed_run_does_not_give_a_monitor_up_again() -> None:
    watch = FailureWatch()
    watch.told_before(["own", "other"], ["The monitor 'own' failed for 40 of 40 completions of the last 2 steps."])
    assert watch.given_up == {"own"}
    assert [event for step in range(1, 5) for event in watch.note(step, scores(20), set())] == []


def test_a_monitor_that_becomes_trained_is_counted_from_there() -> None:
    watch = FailureWatch()
    for step in range(1, 6):
        watch.note(step, scores(20), set())
    assert [event.kind for event in watch.note(6, scores(20), {"own"})] == ["reward-missing"]
    with pytest.raises(RewardError, match="Step 7: reward 'own' failed for 40 of 40 completions of the last 2 steps"):
        watch.note(7, scores(20), {"own"})


def test_a_trained_reward_that_becomes_a_monitor_ends_nothing_any_more() -> None:
    watch = FailureWatch()
    watch.note(1, scores(20), {"own"})
    assert [event.kind for event in watch.note(2, scores(20), set())] == ["reward-missing"]
    assert [event.kind for event in watch.note(3, scores(20), set())] == ["monitor-fails"]
