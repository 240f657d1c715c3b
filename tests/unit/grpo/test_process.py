"""Process supervision, worked out by hand."""

import math

import pytest
import torch
from torch.testing import assert_close

from engine.grpo import process_advantages
from engine.grpo.process import add_outcome, at_positions

NAN = math.nan
# Two groups of two. The first has the step scores 1, 0 | 0, 1, 0.5: mean .5, squares 1, std 1/2.
SCORES = torch.tensor([[NAN, 1.0, NAN, 0.0], [0.0, NAN, 1.0, 0.5], [2.0, NAN, NAN, NAN], [NAN, 4.0, NAN, NAN]])
UNIT = 0.5 / (0.5 + 1e-4)  # (1 − .5) / (std + 1e-4)
PAIR = 1 / (math.sqrt(2) + 1e-4)  # of 2 and 4: distance 1 from their mean, std √2


def test_a_token_gets_the_sum_of_all_normalised_steps_that_end_at_or_after_it() -> None:
    expected = [[0, 0, -UNIT, -UNIT], [0, UNIT, UNIT, 0], [-PAIR, 0, 0, 0], [PAIR, PAIR, 0, 0]]
    assert_close(process_advantages(SCORES, 2), torch.tensor(expected), rtol=1e-6, atol=1e-7)  # float32


def test_without_scaling_steps_are_only_centred_on_their_group() -> None:
    expected = [[0, 0, -0.5, -0.5], [0, 0.5, 0.5, 0], [-1, 0, 0, 0], [1, 1, 0, 0]]
    assert process_advantages(SCORES, 2, scale_rewards="none").tolist() == expected


def test_batch_scaling_divides_by_the_std_of_all_steps() -> None:
    # 1, 0, 0, 1, .5, 2, 4: mean 8.5 / 7, sum of squares 22.25, so std = sqrt((22.25 − 8.5² / 7) / 6)
    std = math.sqrt((22.25 - 8.5**2 / 7) / 6)
    expected = process_advantages(SCORES, 2, scale_rewards="none") / (std + 1e-4)
    assert_close(process_advantages(SCORES, 2, scale_rewards="batch"), expected, rtol=1e-6, atol=0.0)


def test_equal_steps_and_a_lone_step_give_no_advantage() -> None:
    scores = torch.tensor([[0.3, 0.1 + 0.2], [0.3, NAN], [5.0, NAN], [NAN, NAN]], dtype=torch.float64)
    for scaling in ("group", "batch", "none"):
        assert process_advantages(scores, 2, scale_rewards=scaling).tolist() == [[0.0, 0.0]] * 4  # type: ignore[arg-type]


def test_rows_that_are_not_whole_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="4 completions are not whole groups of 3"):
        process_advantages(SCORES, 3)


def test_outcome_and_process_add_up_and_padding_has_neither() -> None:
    process, outcome = torch.tensor([[0.5, -0.5], [1.0, 1.0]]), torch.tensor([2.0, -3.0])
    mask = torch.tensor([[1, 1], [1, 0]])
    assert add_outcome(process, outcome, mask).tolist() == [[2.5, 1.5], [-2.0, 0.0]]


def test_scores_are_placed_at_their_token_and_add_up_there() -> None:
    found = at_positions([[(0, 1.0), (2, 0.5), (2, 0.25)], []], 3)
    assert_close(found, torch.tensor([[1.0, NAN, 0.75], [NAN] * 3], dtype=torch.float64), equal_nan=True)


@pytest.mark.parametrize("position", [-1, 3])
def test_a_score_outside_its_completion_is_refused(position: int) -> None:
    with pytest.raises(ValueError, match=f"completion 1: step score at token {position}, but it has 3 tokens"):
        at_positions([[], [(position, 1.0)]], 3)
