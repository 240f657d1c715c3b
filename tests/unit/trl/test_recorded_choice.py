"""What is taken for the weights of a recorded run: only what its log or its advantages bear out."""

import numpy as np

from engine.trl.recorded_choice import Evidence, choose_weights
from engine.trl.recorded_groups import Rows, find_weights
from engine.trl.recorded_log import TrainerLog

NOISE = {1: {"a": 0.5, "b": 0.25}, 2: {"a": 0.25, "b": 0.75}}
LOGGED = {1: 0.8, 2: 0.9}


def log_of(means: dict[int, dict[str, float]]) -> TrainerLog:
    return TrainerLog({}, means, frozenset(means), {}, ("a", "b"), (), 0, None)


def rows_of(step: int, advantages: list[float]) -> Rows:
    """Totals with weights 1 and 2: 1, 2, 0, 3. Their mean is 1.5."""
    return Rows(step, np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0]]), np.array(advantages))


def test_as_many_steps_as_functions_always_have_a_solution_so_it_says_nothing() -> None:
    assert find_weights(LOGGED, NOISE, ["a", "b"]) is None


def test_weights_that_solve_the_log_are_not_taken_unless_something_bears_them_out() -> None:
    """Three steps that 1 and 2 solve, and advantages that no rule gives from them."""
    means = {**NOISE, 3: {"a": 1.0, "b": 0.0}}
    logged = {1: 1.0, 2: 1.75, 3: 1.0}
    assert np.array_equal(find_weights(logged, means, ["a", "b"]), [1.0, 2.0])
    wrong = Evidence([rows_of(1, [0.3, -0.1, 0.4, -0.6])], logged, {}, 4)
    weights, words = choose_weights(wrong, ["a", "b"], log_of(means))
    assert weights.tolist() == [1.0, 1.0] and words.startswith("Total rewards are sums with weight 1 each: ")
    right = Evidence([rows_of(1, [-0.5, 0.5, -1.5, 1.5])], logged, {}, 4)
    weights, words = choose_weights(right, ["a", "b"], log_of(means))
    assert weights.tolist() == [1.0, 2.0] and words.endswith("is their sum: a × 1, b × 2.")


def test_plain_sums_are_told_to_be_plain_sums_only_where_they_are_used() -> None:
    """The rows have mean rewards 0.5 and 0.5: a plain sum would be logged as 1, and 1.5 was."""
    evidence = Evidence([rows_of(1, [0.3, -0.1, 0.4, -0.6])], {1: 1.5}, {1: 1.5}, 4)
    weights, words = choose_weights(evidence, ["a", "b"], log_of({1: {"a": 0.5, "b": 0.5}}))
    assert weights.tolist() == [1.0, 1.0] and "which the logged reward is not" in words


def test_weights_of_1_that_the_log_confirms_come_before_a_solution() -> None:
    evidence = Evidence([rows_of(1, [0.0] * 4)], {1: 1.0}, {1: 1.0}, 4)
    weights, words = choose_weights(evidence, ["a", "b"], log_of({1: {"a": 0.5, "b": 0.5}}))
    assert weights.tolist() == [1.0, 1.0] and words == "The weights are 1 each: the logged reward is the plain sum."
