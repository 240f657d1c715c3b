"""The averaging rule of each loss type."""

from typing import get_args

import pytest
import torch

from engine.config_loss import LossType
from engine.grpo.aggregate import LossScale, aggregate


# Two completions in one step: two tokens of loss 1, four tokens of -0.5 or -1; the completion limit is 8.
@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (-0.5, {"grpo": 0.25, "bnpo": 0.0, "dapo": 0.0, "dr_grpo": 0.0, "luspo": 0.0}),
        (-1.0, {"grpo": 0.0, "bnpo": -1 / 3, "dapo": -1 / 3, "dr_grpo": -0.125, "luspo": -1.0}),
    ],
)
def test_each_loss_type_averages_as_its_source_says(second: float, expected: dict[str, float]) -> None:
    per_token = torch.tensor([[1.0, 1.0, 9.0, 9.0], [second] * 4])
    mask = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0] * 4])
    scale = LossScale(num_completions=2, num_tokens=6, max_completion_length=8, update_tokens=6, bonus_tokens=6)
    for loss_type, value in expected.items():
        assert float(aggregate(per_token, mask, loss_type, scale)) == pytest.approx(value, abs=1e-7)


def test_a_step_without_tokens_has_loss_0_and_a_fraction_of_a_token_counts_as_one() -> None:
    per_token, mask = torch.ones(1, 2), torch.zeros(1, 2)
    for loss_type in get_args(LossType):
        assert float(aggregate(per_token, mask, loss_type, LossScale.of(mask))) == 0
    half = LossScale(num_completions=1, num_tokens=0.5, max_completion_length=2, update_tokens=0.5, bonus_tokens=0.5)
    one = torch.tensor([[1.0, 0.0]])
    assert float(aggregate(per_token, one, "dapo", half)) == float(aggregate(per_token, one, "bnpo", half)) == 1.0


def test_an_unknown_loss_type_has_no_average() -> None:
    with pytest.raises(ValueError, match="unknown loss_type 'ppo'"):
        aggregate(torch.ones(1, 1), torch.ones(1, 1), "ppo", LossScale.of(torch.ones(1, 1)))  # type: ignore[arg-type]


def test_the_scale_of_a_batch_alone_counts_what_is_in_it() -> None:
    mask, bonus = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    assert LossScale.of(mask, bonus) == LossScale(2, 3.0, 3, 3.0, 1.0)
    assert LossScale.of(mask) == LossScale(2, 3.0, 3, 3.0, 3.0)


def test_a_completion_of_one_token_counts_as_much_as_a_longer_one_in_grpo_and_sapo() -> None:
    per_token, mask = torch.tensor([[3.0, 9.0], [1.0, 2.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    for loss_type in ("grpo", "sapo"):
        assert float(aggregate(per_token, mask, loss_type, LossScale.of(mask))) == (3 + 1.5) / 2  # type: ignore[arg-type]
