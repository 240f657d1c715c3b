"""Rewards that score steps: which steps there are, at which token each ends, and what becomes of bad ones."""

import math

import numpy as np
import pytest

from engine.config import RewardSpec
from engine.rewards.score import BoundReward, Scores, bind_rewards, score


def run(name: str, text: str, offsets: list[int], answer: str = "85") -> Scores:
    return score(
        bind_rewards([RewardSpec(name=name)]), prompts=["p"], completions=[text], completion_ids=[[3] * len(offsets)],
        columns={"answer": [answer]}, conversational=False, completion_offsets=[offsets],
    )  # fmt: skip


def steps_of(name: str, text: str, offsets: list[int], answer: str = "85") -> list[tuple[int, float]]:
    return list(run(name, text, offsets, answer).steps[0].get(name, []))


def test_each_digit_is_a_step_at_its_own_token() -> None:
    # three tokens: 8, 6 and the end token, which adds no character
    assert steps_of("digit_steps", "86", [1, 2, 2]) == [(0, 1.0), (1, 0.0)]


def test_digits_that_share_a_token_are_steps_of_that_token() -> None:
    assert steps_of("digit_steps", "85", [2, 2]) == [(0, 1.0), (0, 1.0)]


@pytest.mark.parametrize(("text", "first"), [("85", 0), (" 85", 1), ("\n 85\n", 2)])
def test_space_around_the_answer_is_no_step(text: str, first: int) -> None:
    offsets = list(range(1, len(text) + 1))
    assert steps_of("digit_steps", text, offsets) == [(first, 1.0), (first + 1, 1.0)]
    assert steps_of("digit_steps", "  ", [1, 2, 2]) == [(2, 0.0)]


def test_an_answer_that_ends_too_soon_is_wrong_at_its_last_token_and_a_digit_too_many_is_wrong() -> None:
    assert steps_of("digit_steps", "8", [1, 1]) == [(0, 1.0), (1, 0.0)]
    assert steps_of("digit_steps", "851", [1, 2, 3, 3]) == [(0, 1.0), (1, 1.0), (2, 0.0)]
    assert steps_of("digit_steps", "", [0]) == [(0, 0.0)]


def test_the_value_of_a_reward_that_scores_steps_is_their_mean() -> None:
    assert run("digit_steps", "86", [1, 2, 2]).values.tolist() == [[0.5]]


def test_equations_are_steps_that_end_where_their_result_ends() -> None:
    text = "48/2=24, then 24 + 1 = 26."
    ends = [text.index("24,") + 2, text.index("26") + 2]
    offsets = list(range(1, len(text) + 1))
    assert steps_of("equation_steps", text, offsets) == [(ends[0] - 1, 1.0), (ends[1] - 1, 0.0)]


@pytest.mark.parametrize(
    ("equation", "is_true"),
    [
        ("2 + 3 * 4 = 14", True),  # products first
        ("2 + 3 * 4 = 20", False),
        ("10 - 4 - 3 = 3", True),  # from the left
        ("-5 + 3 = -2", True),
        ("1,200 × 3 = 3,600", True),
        ("10 / 3 = 3.33", True),  # to its last decimal
        ("10 / 3 = 3.34", False),
        ("10 / 3 = 3", False),  # a whole number is not rounded
        ("5 / 0 = 0", False),
        ("2*3+4*5-6/3=24", True),
    ],
)
def test_an_equation_is_judged_exactly(equation: str, is_true: bool) -> None:
    assert run("equation_steps", equation, list(range(1, len(equation) + 1))).values.tolist() == [[float(is_true)]]


@pytest.mark.parametrize("text", ["(2+3)*4=20", "x+3=7", "3.4.5+1=6", "a=b"])
def test_what_is_only_part_of_an_equation_is_no_step(text: str) -> None:
    scores = run("equation_steps", text, list(range(1, len(text) + 1)))
    assert scores.errors == [{"equation_steps": "there is no step to score"}]
    assert np.isnan(scores.values).all()


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ([(2, 1.0)], "scored a step at token 2 of a completion of 2 tokens"),
        ([(-1, 1.0)], "scored a step at token -1 of a completion of 2 tokens"),
        ([(0, math.nan)], "scored the step at token 0 nan, not a finite number"),
        ([(0, 1.0), (0.5, 1.0)], "nor (token position, score) pairs"),
        ([], "returned no step"),
    ],
)
def test_one_bad_step_makes_the_value_missing_with_its_reason(result: object, reason: str) -> None:
    reward = BoundReward("custom", lambda **_: [result])  # type: ignore[list-item]
    scores = score(
        [reward], prompts=["p"], completions=["85"], completion_ids=[[3, 4]], columns={}, conversational=False
    )
    assert np.isnan(scores.values).all() and scores.steps[0] == {}
    assert reason in scores.errors[0]["custom"]
