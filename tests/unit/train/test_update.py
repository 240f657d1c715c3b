"""The optimizer step: independent of how it is cut up, and never a step into NaN."""

import math
from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from engine.config import RunConfig
from engine.config_loss import LossType
from engine.grpo.entropy_control import EntropyControl
from engine.train.forward import Forward, MicroBatch, Row, micro_batches
from engine.train.update import Lesson, UpdateResult, learning_rate_at, update_policy
from tests.toy import toy_config, toy_policy

ROWS = [Row(i, i // 4, [5, 6, 7][: 2 + i // 4], [3, 4, 8, 1][: 1 + i % 4]) for i in range(8)]
ADVANTAGES = torch.tensor([1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 0.0, 0.0])


def update(config: RunConfig, advantages: torch.Tensor = ADVANTAGES, check=lambda *_: None):  # type: ignore[no-untyped-def]
    policy = toy_policy()
    optimizer = torch.optim.SGD([parameter for _, parameter in policy.trainable()], lr=0.1)
    return policy, update_policy(
        Forward(policy, 1.0, [2, 3]), optimizer, Lesson(ROWS, advantages, [True] * len(ROWS)), config,
        seed=0, control=EntropyControl(config.loss.entropy_coef), check=check,
    )  # fmt: skip


def weights(policy) -> torch.Tensor:  # type: ignore[no-untyped-def]
    return torch.cat([parameter.detach().flatten() for _, parameter in policy.trainable()])


def gradient(monkeypatch: pytest.MonkeyPatch, parts: int, loss: dict[str, object]) -> torch.Tensor:
    """The gradient of the last update, when every update is cut into so many micro-batches."""

    def cut(rows: Sequence[Row], _budget: int, pad_id: int, device: torch.device) -> Iterator[MicroBatch]:
        for places in np.array_split(np.arange(len(rows)), min(parts, len(rows))) if rows else ():
            yield from micro_batches([rows[place] for place in places], 10_000, pad_id, device)

    monkeypatch.setattr("engine.train.update.micro_batches", cut)
    policy, _ = update(toy_config(loss=loss))
    return torch.cat([p.grad.flatten() for _, p in policy.trainable() if p.grad is not None])


VARIANTS: list[dict[str, object]] = [
    *({"loss_type": loss_type} for loss_type in get_args(LossType)),
    {"loss_type": "grpo", "importance_sampling_level": "sequence", "num_iterations": 2},
    {"loss_type": "bnpo", "entropy_coef": 0.1},
    {"loss_type": "dapo", "top_entropy_quantile": 0.5, "num_iterations": 2},
    {"loss_type": "dapo", "num_minibatches": 2, "off_policy_mask_threshold": 0.01},
]


@pytest.mark.parametrize("loss", VARIANTS, ids=str)
def test_cutting_an_update_into_micro_batches_does_not_change_it(
    loss: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gradient(monkeypatch, 1, loss)
    assert float(whole.norm()) > 1e-3
    updates = int(loss.get("num_iterations", 1)) * int(loss.get("num_minibatches", 1))  # type: ignore[call-overload]
    for parts in (2, 4, 8):
        found = gradient(monkeypatch, parts, loss)
        # float32 sums in another order: about 1e-7; a second update starts from weights that carry the first one's
        assert float((found - whole).norm() / whole.norm()) < 1e-6 * updates


def test_on_policy_nothing_is_clipped_and_the_loss_is_the_mean_advantage_per_token() -> None:
    _, result = update(toy_config(loss={"beta": 0.0, "loss_type": "dapo"}))
    lengths = torch.tensor([len(row.completion) for row in ROWS])
    assert result.loss == pytest.approx(float(-(ADVANTAGES * lengths).sum() / lengths.sum()), abs=1e-6)
    assert (result.metrics.clip_low, result.metrics.clip_high, result.metrics.ratio) == (0.0, 0.0, 1.0)


def test_a_second_iteration_moves_on_from_the_first_against_the_same_old_log_probabilities() -> None:
    (once, first), (twice, second) = (update(toy_config(loss={"num_iterations": n})) for n in (1, 2))
    assert not torch.equal(weights(once), weights(twice))
    for left, right in zip(first.tokens, second.tokens, strict=True):
        assert torch.equal(left.logprobs, right.logprobs)


def test_before_any_update_policy_and_reference_agree() -> None:
    _, result = update(toy_config())
    for stats in result.tokens:
        assert stats.ref_logprobs is not None
        assert_close(stats.logprobs, stats.ref_logprobs, rtol=0.0, atol=1e-6)


def test_token_statistics_come_back_in_the_order_and_length_of_the_completions() -> None:
    _, result = update(toy_config(optim={"micro_batch_tokens": 16}))
    assert [len(stats.logprobs) for stats in result.tokens] == [len(row.completion) for row in ROWS]


def test_an_update_that_is_not_finite_is_skipped_and_leaves_the_weights_alone() -> None:
    poisoned = ADVANTAGES.clone()
    poisoned[3] = math.nan
    policy, result = update(toy_config(), advantages=poisoned)
    assert result.skipped and math.isnan(result.loss)
    assert torch.equal(weights(policy), weights(toy_policy()))


def test_a_stop_between_micro_batches_leaves_the_weights_alone() -> None:
    calls: list[str] = []
    policy = toy_policy()
    optimizer = torch.optim.SGD([parameter for _, parameter in policy.trainable()], lr=0.1)
    lesson = Lesson(ROWS, ADVANTAGES, [True] * len(ROWS))

    def stop_at_the_second_batch(detail: str, may_stop: bool) -> None:
        assert may_stop
        calls.append(detail)
        if detail.startswith("update 2/"):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        update_policy(
            Forward(policy, 1.0, [2, 3]), optimizer, lesson, toy_config(optim={"micro_batch_tokens": 16}),
            seed=0, control=EntropyControl(0.0), check=stop_at_the_second_batch,
        )  # fmt: skip
    assert any(call.startswith("update 1/") for call in calls)
    assert torch.equal(weights(policy), weights(toy_policy()))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25]),
        ("cosine", [0.25, 0.5, 0.75, 1.0, 1.0, 0.853553, 0.5, 0.146447]),
    ],
)
def test_the_learning_rate_warms_up_over_four_steps_and_then_follows_its_schedule(
    schedule: str, expected: list[float]
) -> None:
    config = toy_config(optim={"learning_rate": 1.0, "warmup_steps": 4, "max_steps": 8, "lr_scheduler_type": schedule})
    assert [learning_rate_at(step, config) for step in range(1, 9)] == pytest.approx(expected, abs=1e-6)


def test_update_result_is_what_the_page_shows() -> None:
    _, result = update(toy_config())
    assert isinstance(result, UpdateResult)
    assert result.grad_norm > 0 and not result.skipped
