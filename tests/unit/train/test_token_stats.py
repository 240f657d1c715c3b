"""What an update leaves behind of each token: alternatives, and its log-probability at the last update that used it."""

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from engine.config import RunConfig
from engine.train.forward import Forward, micro_batches
from tests.toy import toy_policy
from tests.unit.train.lessons import ADVANTAGES, LIVE_ROWS, ROWS, loss_config, moved_policy, update_on, weights


def keeping(config: RunConfig, num_alternatives: int) -> RunConfig:
    return config.model_copy(
        update={"rollout": config.rollout.model_copy(update={"num_alternatives": num_alternatives})}
    )


@pytest.mark.parametrize(
    "loss",
    [
        {},
        {"beta": 0.04, "entropy_coef": 0.01},
        {"num_iterations": 2, "num_minibatches": 2},
        {"top_entropy_quantile": 0.5},
    ],
    ids=str,
)
def test_keeping_alternatives_changes_no_weight_by_a_bit(loss: dict[str, Any]) -> None:
    moved = []
    for count in (0, 3):
        policy = moved_policy()
        result = update_on(policy, keeping(loss_config(16, **loss), count))
        moved.append((weights(policy), result.loss, result.grad_norm))
        assert {stats.alternative_ids.shape[1] for stats in result.tokens} == {count}
    assert torch.equal(moved[0][0], moved[1][0]) and moved[0][1:] == moved[1][1:]


@pytest.mark.parametrize("slow", [False, True], ids=["shared prompt", "whole model"])
def test_the_alternatives_are_those_of_the_policy_that_sampled(slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if slow:
        monkeypatch.setattr(Forward, "_compare", lambda *_: "asked for")
    policy = toy_policy()
    row = ROWS[3]
    sequence = torch.tensor([[*row.prompt, *row.completion]])
    logits = policy.model(input_ids=sequence).logits[0, len(row.prompt) - 1 : -1]
    expected = logits.log_softmax(dim=1).topk(3, dim=1)
    result = update_on(policy, keeping(loss_config(num_iterations=3), 3))
    stats = result.tokens[3]
    assert stats.alternative_ids.tolist() == expected.indices.tolist()
    assert_close(stats.alternative_logprobs, expected.values.detach(), rtol=0.0, atol=1e-5)  # another order of sums


def test_with_one_update_no_later_log_probability_is_kept() -> None:
    assert all(stats.update_logprobs is None for stats in update_on(toy_policy(), loss_config()).tokens)


def test_with_several_updates_those_of_the_last_one_are_kept_of_each_completion_that_it_used() -> None:
    before_last, policy = toy_policy(), toy_policy()
    update_on(before_last, loss_config(num_iterations=2))
    result = update_on(policy, loss_config(num_iterations=3))
    assert [i for i, stats in enumerate(result.tokens) if stats.update_logprobs is not None] == LIVE_ROWS
    (batch,) = micro_batches([ROWS[2]], 10_000, 0, torch.device("cpu"))
    expected = Forward(before_last, 1.0, [2, 3])(before_last.model, batch).logprobs.detach()
    assert_close(result.tokens[2].update_logprobs, expected, rtol=0.0, atol=1e-5)  # sums in another order
    assert float((expected - result.tokens[2].logprobs).abs().max()) > 1e-3  # it has moved since it sampled


def test_an_update_that_was_left_out_used_nothing() -> None:
    advantages = torch.where(ADVANTAGES == 1.0, torch.tensor(float("nan")), ADVANTAGES)
    result = update_on(toy_policy(), loss_config(num_iterations=2), advantages)
    assert result.skipped
    assert all(stats.update_logprobs is None for stats in result.tokens)
