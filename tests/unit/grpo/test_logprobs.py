"""Log-probabilities and entropies from hidden states, in one piece and in chunks."""

import math

import pytest
import torch
from torch.testing import assert_close

from engine.grpo.logprobs import MAX_LOGITS, selected_logprobs


def test_log_probabilities_and_entropy_match_a_distribution_worked_out_by_hand() -> None:
    probabilities = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64)
    logprobs, entropy = selected_logprobs(
        probabilities.log(), lambda states: states, torch.tensor([1]), 1.0, vocabulary=3
    )
    assert float(logprobs) == pytest.approx(math.log(0.25), rel=1e-6)
    assert float(entropy) == pytest.approx(1.5 * math.log(2), rel=1e-6)  # 1.5 bits


def test_temperature_divides_the_logits() -> None:
    logits = torch.tensor([[0.0, 2.0 * math.log(3.0)]])
    logprobs, _ = selected_logprobs(logits, lambda states: states, torch.tensor([1]), 2.0, vocabulary=2)
    assert float(logprobs) == pytest.approx(math.log(0.75), rel=1e-6)


def test_chunks_give_the_same_numbers_and_gradients_as_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    head = torch.nn.Linear(4, 7, bias=False).double()
    ids = torch.tensor([0, 6, 3, 2, 5])
    hidden = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)

    def run() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        logprobs, entropy = selected_logprobs(hidden, head, ids, 0.7, vocabulary=7)
        return logprobs, entropy, torch.autograd.grad(logprobs.sum(), hidden)[0]

    whole = run()
    monkeypatch.setattr("engine.grpo.logprobs.MAX_LOGITS", 14)  # two positions at a time
    for expected, found in zip(whole, run(), strict=True):
        assert_close(found, expected, rtol=1e-6, atol=1e-7)  # float32 inside


def test_logits_that_fit_exactly_are_computed_once_and_larger_ones_again_for_the_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def head(states: torch.Tensor) -> torch.Tensor:
        calls.append(len(states))
        return states * 2

    for limit, expected in ((12, [4]), (8, [2, 2, 2, 2]), (1, [1] * 8)):
        monkeypatch.setattr("engine.grpo.logprobs.MAX_LOGITS", limit)
        hidden = torch.randn(4, 3, requires_grad=True)
        selected_logprobs(hidden, head, torch.tensor([0, 1, 2, 0]), 1.0, vocabulary=3)[0].sum().backward()  # type: ignore[no-untyped-call]
        assert calls == expected
        calls.clear()


def test_a_chunk_of_logits_takes_256_mib() -> None:
    assert MAX_LOGITS * torch.zeros(1).element_size() == 256 * 1024**2


def test_states_without_a_token_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.grpo.logprobs.MAX_LOGITS", 6)
    with pytest.raises(ValueError, match="zip"):
        selected_logprobs(torch.zeros(6, 3), lambda states: states, torch.tensor([0, 1, 2]), 1.0, vocabulary=3)


def test_the_entropy_has_a_gradient_when_it_is_asked_for_and_gradients_are_on() -> None:
    hidden = torch.randn(2, 3, requires_grad=True)

    def entropy(asked: bool) -> torch.Tensor:
        ids = torch.tensor([0, 1])
        return selected_logprobs(hidden, lambda states: states, ids, 1.0, vocabulary=3, entropy_gradient=asked)[1]

    assert entropy(True).requires_grad and not entropy(False).requires_grad
    with torch.no_grad():
        assert not entropy(True).requires_grad
    by_default = selected_logprobs(hidden, lambda states: states, torch.tensor([0, 1]), 1.0, vocabulary=3)[1]
    assert not by_default.requires_grad


def test_a_token_that_cannot_be_sampled_adds_nothing_to_the_entropy() -> None:
    hidden = torch.tensor([[0.0, 0.0, -math.inf]], requires_grad=True)
    _, entropy = selected_logprobs(
        hidden, lambda states: states, torch.tensor([0]), 1.0, vocabulary=3, entropy_gradient=True
    )
    entropy.sum().backward()  # type: ignore[no-untyped-call]
    assert entropy.item() == pytest.approx(math.log(2), rel=1e-6)
    assert hidden.grad is not None and hidden.grad.tolist() == [[0.0, 0.0, 0.0]]
