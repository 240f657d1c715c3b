"""Micro-batches hold every row once within their budget, and give the log-probabilities of the plain model."""

import torch
from torch.testing import assert_close

from engine.train.forward import Forward, MicroBatch, Row, micro_batches
from engine.train.session import _check_sampling
from tests.toy import PAD, toy_policy

CPU = torch.device("cpu")
ROWS = [
    Row(0, 0, [5, 6, 7], [3, 4]),
    Row(1, 0, [5, 6, 7], [9, 10, 11, 1]),
    Row(2, 1, [2, 3, 4, 5, 6], [7]),
    Row(3, 1, [2, 3, 4, 5, 6], [8, 1]),
]


def one_batch(rows: list[Row] = ROWS) -> MicroBatch:
    (batch,) = micro_batches(rows, 1000, PAD, CPU)
    return batch


def row_by_row(policy, batch: MicroBatch, temperature: float) -> torch.Tensor:  # type: ignore[no-untyped-def]
    """Each row alone through the whole model: no padding, no sharing, no cache."""
    found = []
    for row in batch.rows:
        logits = policy.model(input_ids=torch.tensor([[*row.prompt, *row.completion]])).logits[0]
        scores = torch.log_softmax(logits[len(row.prompt) - 1 : -1] / temperature, dim=-1)
        found += [scores[i, token] for i, token in enumerate(row.completion)]
    return torch.stack(found)


def test_batches_hold_each_row_once_and_stay_within_the_token_budget() -> None:
    rows = [Row(i, i // 4, [2] * (1 + i // 4), [3] * (1 + i % 3)) for i in range(20)]
    batches = list(micro_batches(rows, 24, PAD, CPU))
    assert sorted(index for batch in batches for index in batch.indices) == list(range(20))
    assert len(batches) > 1
    assert all(batch.prompt_ids.numel() + batch.completion_ids.numel() <= 24 for batch in batches)


def test_a_prompt_is_run_once_for_all_completions_of_its_group() -> None:
    batch = one_batch()
    assert batch.prompt_ids.shape == (2, 5)
    for place, row in zip(batch.owner.tolist(), batch.rows, strict=True):
        assert batch.prompt_ids[place, : len(row.prompt)].tolist() == list(row.prompt)


def test_a_row_longer_than_the_budget_gets_a_batch_of_its_own() -> None:
    assert [len(batch.rows) for batch in micro_batches(ROWS, 1, PAD, CPU)] == [1, 1, 1, 1]


def test_log_probabilities_are_those_of_each_row_alone() -> None:
    policy, batch = toy_policy(), one_batch()
    found = Forward(policy, 0.7, [2, 3])(policy.model, batch).logprobs
    assert_close(found, row_by_row(policy, batch, 0.7), rtol=0.0, atol=1e-5)  # float32, other order of sums


def test_the_gradient_through_a_shared_prompt_is_that_of_the_rows_alone() -> None:
    policy, batch = toy_policy(), one_batch()
    parameters = [parameter for _, parameter in policy.trainable()]
    weights = torch.arange(1.0, 10.0)  # so that no two tokens count alike
    shared = torch.autograd.grad((Forward(policy, 1.0, [2, 3])(policy.model, batch)[0] * weights).sum(), parameters)
    alone = torch.autograd.grad((row_by_row(policy, batch, 1.0) * weights).sum(), parameters)
    for left, right in zip(shared, alone, strict=True):
        assert_close(left, right, rtol=1e-4, atol=1e-5)  # float32, other order of sums


def test_completions_of_one_token_need_only_the_prompt() -> None:
    policy, batch = toy_policy(), one_batch([Row(0, 0, [5, 6], [3]), Row(1, 0, [5, 6], [4])])
    found = Forward(policy, 1.0, [2, 3])(policy.model, batch).logprobs
    assert_close(found, row_by_row(policy, batch, 1.0), rtol=0.0, atol=1e-5)


def test_a_model_that_caps_its_logits_takes_the_slow_way_and_gives_what_the_whole_model_gives() -> None:
    policy = toy_policy()
    policy.model.register_forward_hook(lambda *_: setattr(_[2], "logits", 0.5 * _[2].logits.tanh()))
    forward = Forward(policy, 1.0, [2, 3])
    assert "differ" in forward.slow_reason
    batch = one_batch()
    found = forward(policy.model, batch).logprobs
    assert_close(found, row_by_row(policy, batch, 1.0), rtol=0.0, atol=1e-5)


def test_the_fast_way_is_taken_by_a_plain_model() -> None:
    assert Forward(toy_policy(), 1.0, [2, 3]).slow_reason == ""


def test_a_bfloat16_model_is_not_refused_for_its_rounding() -> None:
    policy = toy_policy()
    policy.model.to(torch.bfloat16)
    assert Forward(policy, 1.0, [2, 3, 4, 5, 6, 7]).slow_reason == ""
    _check_sampling(policy, [2, 3, 4, 5, 6, 7])


def test_padding_puts_each_value_at_its_completion_and_zero_elsewhere() -> None:
    batch = one_batch(ROWS[:2])
    assert batch.indices == [0, 1]
    assert batch.padded(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).tolist() == [[1, 2, 0, 0], [3, 4, 5, 6]]
