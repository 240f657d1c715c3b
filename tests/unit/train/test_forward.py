"""Micro-batches hold every row once within their budget, and give the log-probabilities of the plain model."""

import torch
from torch.testing import assert_close

from engine.train.forward import Forward, Row, micro_batches
from tests.toy import PAD, toy_policy

CPU = torch.device("cpu")
ROWS = [Row(0, [5, 6, 7], [3, 4]), Row(1, [8], [9, 10, 11, 1]), Row(2, [2, 3, 4, 5, 6], [7])]


def test_batches_hold_each_row_once_and_stay_within_the_token_budget() -> None:
    rows = [Row(i, [2] * (1 + i % 5), [3] * (1 + i % 3)) for i in range(20)]
    batches = list(micro_batches(rows, 24, PAD, CPU))
    assert sorted(index for batch in batches for index in batch.indices) == list(range(20))
    assert len(batches) > 1 and all(batch.input_ids.numel() <= 24 for batch in batches)


def test_a_row_longer_than_the_budget_gets_a_batch_of_its_own() -> None:
    batches = list(micro_batches(ROWS, 1, PAD, CPU))
    assert [batch.indices for batch in batches] == [[0], [1], [2]]


def test_log_probabilities_are_those_of_each_row_alone_without_padding() -> None:
    policy = toy_policy()
    (batch,) = micro_batches(ROWS, 1000, PAD, CPU)
    found, _ = Forward(policy, 0.7, [2, 3])(policy.model, batch)
    expected = []
    for row in batch.rows:
        logits = policy.model(input_ids=torch.tensor([[*row.prompt, *row.completion]])).logits[0]
        scores = torch.log_softmax(logits[len(row.prompt) - 1 : -1] / 0.7, dim=-1)
        expected += [scores[i, token] for i, token in enumerate(row.completion)]
    assert_close(found, torch.stack(expected), rtol=0.0, atol=1e-5)  # float32, other order of sums


def test_a_model_that_caps_its_logits_takes_the_slow_way_and_gives_what_the_whole_model_gives() -> None:
    policy = toy_policy()
    head = policy.model.get_output_embeddings()
    policy.model.register_forward_hook(lambda *_: setattr(_[2], "logits", 0.5 * _[2].logits.tanh()))
    forward = Forward(policy, 1.0, [2, 3])
    assert "differ" in forward.slow_reason
    (batch,) = micro_batches(ROWS, 1000, PAD, CPU)
    found, _ = forward(policy.model, batch)
    hidden = policy.model.model(input_ids=batch.input_ids).last_hidden_state[batch.row_of, batch.column_of]
    expected = torch.log_softmax(0.5 * head(hidden).tanh(), dim=-1).gather(-1, batch.ids[:, None])[:, 0]
    assert_close(found, expected, rtol=0.0, atol=1e-5)


def test_the_fast_way_is_taken_by_a_plain_model() -> None:
    assert Forward(toy_policy(), 1.0, [2, 3]).slow_reason == ""


def test_padding_puts_each_value_at_its_completion_and_zero_elsewhere() -> None:
    (batch,) = micro_batches(ROWS, 1000, PAD, CPU)
    assert [row.index for row in batch.rows] == [0, 1, 2]
    padded = batch.padded(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]))
    assert padded.tolist() == [[1, 2, 0, 0], [3, 4, 5, 6], [7, 0, 0, 0]]
