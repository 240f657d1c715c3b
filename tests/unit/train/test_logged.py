"""What of the logged numbers of rewards is stored, and what is said of the rest."""

import numpy as np

from engine.rewards.score import Scores
from engine.train.logged import LoggedNames


def scores(metrics: dict[str, float], refused: dict[str, str] | None = None) -> Scores:
    return Scores(
        ("own",), np.ones((1, 1)), [{}], [None], 0.0, {"own": metrics}, refused={"own": refused} if refused else {}
    )


def test_numbers_are_kept_by_reward_and_name() -> None:
    assert LoggedNames().take(1, scores({"a": 1.0})) == ({"own": {"a": 1.0}}, [])


def test_names_that_differ_from_step_to_step_are_no_curves_without_end() -> None:
    names = LoggedNames()
    found = [names.take(step, scores({"always": 1.0, f"step {step}": 1.0})) for step in range(1, 60)]
    assert set().union(*(kept["own"] for kept, _ in found)) == {"always", *(f"step {step}" for step in range(1, 20))}
    assert len([event for _, events in found for event in events]) == 20


def test_a_refusal_is_said_once() -> None:
    names = LoggedNames()
    events = [event for step in (1, 2) for event in names.take(step, scores({}, {"a": "it was nan"}))[1]]
    assert [(event.kind, event.step, event.message) for event in events] == [
        ("metric-refused", 1, "own gave 'a' to log_metric a value that is left out: it was nan")
    ]
