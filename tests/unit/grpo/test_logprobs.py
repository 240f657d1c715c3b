"""Log-probabilities and entropies from hidden states, in one piece and in chunks."""

import math

import pytest
import torch
from torch.testing import assert_close

from engine.grpo.logprobs import MAX_LOGITS, selected_logprobs


def test_log_probabilities_and_entropy_match_a_distribution_worked_out_by_hand() -> None:
    probabilities = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64)
    logprobs, entropy, *_ = selected_logprobs(
        probabilities.log(), lambda states: states, torch.tensor([1]), 1.0, vocabulary=3
    )
    assert float(logprobs) == pytest.approx(math.log(0.25), rel=1e-6)
    assert float(entropy) == pytest.approx(1.5 * math.log(2), rel=1e-6)  # 1.5 bits


def test_temperature_divides_the_logits() -> None:
    logits = torch.tensor([[0.0, 2.0 * math.log(3.0)]])
    logprobs, *_ = selected_logprobs(logits, lambda states: states, torch.tensor([1]), 2.0, vocabulary=2)
    assert float(logprobs) == pytest.approx(math.log(0.75), rel=1e-6)


def test_chunks_give_the_same_numbers_and_gradients_as_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    head = torch.nn.Linear(4, 7, bias=False).double()
    ids = torch.tensor([0, 6, 3, 2, 5])
    hidden = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)

    def run() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        logprobs, entropy, *_ = selected_logprobs(hidden, head, ids, 0.7, vocabulary=7)
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
    _, entropy, *_ = selected_logprobs(
        hidden, lambda states: states, torch.tensor([0]), 1.0, vocabulary=3, entropy_gradient=True
    )
    entropy.sum().backward()  # type: ignore[no-untyped-call]
    assert entropy.item() == pytest.approx(math.log(2), rel=1e-6)
    assert hidden.grad is not None and hidden.grad.tolist() == [[0.0, 0.0, 0.0]]


def test_the_likeliest_tokens_come_best_first_with_their_log_probabilities_at_the_temperature() -> None:
    probabilities = torch.tensor([[0.125, 0.5, 0.25, 0.125], [0.75, 0.05, 0.15, 0.05]], dtype=torch.float64)
    logits = 2 * probabilities.log() + 3  # temperature 2 takes the 2 away, and the softmax the 3
    found = selected_logprobs(
        logits, lambda states: states, torch.tensor([0, 0]), 2.0, vocabulary=4, num_alternatives=2
    )
    assert found.alternative_ids.tolist() == [[1, 2], [0, 2]]
    assert_close(found.alternative_logprobs.exp(), torch.tensor([[0.5, 0.25], [0.75, 0.15]]), rtol=1e-6, atol=0.0)


def test_more_alternatives_than_tokens_are_all_tokens_and_none_are_none() -> None:
    for asked, expected in ((9, 3), (0, 0)):
        found = selected_logprobs(
            torch.zeros(2, 3), lambda states: states, torch.tensor([0, 1]), 1.0, vocabulary=3, num_alternatives=asked
        )
        assert found.alternative_ids.shape == found.alternative_logprobs.shape == (2, expected)


@pytest.mark.parametrize("limit", [2**26, 12])  # in one piece, and two positions at a time
def test_alternatives_change_no_number_and_no_gradient_by_a_bit(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.grpo.logprobs.MAX_LOGITS", limit)
    torch.manual_seed(0)
    head = torch.nn.Linear(4, 6, bias=False)
    hidden, ids = torch.randn(5, 4, requires_grad=True), torch.tensor([0, 5, 3, 2, 1])

    def run(asked: int) -> list[torch.Tensor]:
        found = selected_logprobs(hidden, head, ids, 0.7, vocabulary=6, num_alternatives=asked, entropy_gradient=True)
        assert not found.alternative_logprobs.requires_grad
        loss = found.logprobs.sum() - found.entropies.sum()
        return [found.logprobs, found.entropies, *torch.autograd.grad(loss, [hidden, head.weight])]

    for without, with_them in zip(run(0), run(3), strict=True):
        assert torch.equal(without, with_them)


def test_alternatives_in_chunks_are_those_in_one_piece_and_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searches = []
    original = torch.Tensor.topk

    def topk(values: torch.Tensor, *arguments: object, **options: object) -> object:
        searches.append(len(values))
        return original(values, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(torch.Tensor, "topk", topk)
    hidden = torch.randn(4, 6, requires_grad=True)

    def run() -> tuple[torch.Tensor, torch.Tensor]:
        ids = torch.tensor([0, 1, 2, 3])
        found = selected_logprobs(hidden, lambda s: s * 2, ids, 1.0, vocabulary=6, num_alternatives=3)
        found.logprobs.sum().backward()  # type: ignore[no-untyped-call]
        return found.alternative_ids, found.alternative_logprobs

    whole = run()
    monkeypatch.setattr("engine.grpo.logprobs.MAX_LOGITS", 12)
    for expected, found in zip(whole, run(), strict=True):
        assert torch.equal(expected, found)
    assert searches == [4, 2, 2]  # not again where the logits are computed again for the gradient
