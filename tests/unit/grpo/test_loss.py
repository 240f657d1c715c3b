"""Golden numbers of the clipped loss, the KL estimate and the averaging rules."""

import math
from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch.testing import assert_close

from engine.config_loss import LossConfig, LossType
from engine.grpo import policy_loss
from engine.grpo.aggregate import LossScale, aggregate
from engine.grpo.kl import k3
from engine.grpo.logprobs import MAX_LOGITS, selected_logprobs


def single_token_loss(ratio: float, advantage: float) -> float:
    logprobs = torch.tensor([[math.log(ratio)]], dtype=torch.float64)
    loss, _ = policy_loss(
        logprobs, torch.zeros_like(logprobs), torch.tensor([advantage], dtype=torch.float64), torch.ones(1, 1),
        config=LossConfig(beta=0.0, epsilon=0.2),
    )  # fmt: skip
    return float(loss)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss"),
    [(0.5, 1, -0.5), (0.5, -1, 0.8), (1.5, 1, -1.2), (1.5, -1, 1.5), (5, -1, 5), (1, 1, -1)],
)
def test_the_clip_takes_the_worse_of_the_clipped_and_the_plain_ratio(
    ratio: float, advantage: float, loss: float
) -> None:
    assert single_token_loss(ratio, advantage) == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize(
    ("delta", "value"), [(0.1, 0.005170918), (-0.1, 0.004837418), (1.0, 0.718281828), (-1.0, 0.367879441)]
)
def test_k3_gives_the_golden_numbers(delta: float, value: float) -> None:
    found = k3(torch.zeros(1, dtype=torch.float64), torch.tensor([delta], dtype=torch.float64))
    assert float(found) == pytest.approx(value, abs=1e-9)


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


@pytest.mark.parametrize("loss_type", get_args(LossType))
def test_splitting_a_step_into_micro_batches_adds_up_to_the_same_loss_and_gradient(loss_type: str) -> None:
    torch.manual_seed(0)
    logprobs = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    old, ref = torch.randn(6, 5, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64)
    advantages = torch.randn(6, dtype=torch.float64)
    mask = (torch.arange(5) < torch.tensor([1, 2, 3, 4, 5, 5])[:, None]).double()
    scale = replace(LossScale.of(mask), max_completion_length=7)
    config = LossConfig(loss_type=loss_type, beta=0.1)  # type: ignore[arg-type]

    def loss(rows: slice) -> torch.Tensor:
        parts = (logprobs[rows], old[rows], advantages[rows], mask[rows])
        return policy_loss(*parts, config=config, scale=scale, ref_logprobs=ref[rows])[0]

    whole, parts = loss(slice(0, 6)), loss(slice(0, 2)) + loss(slice(2, 6))
    assert_close(whole, parts, rtol=1e-12, atol=0.0)
    gradients = [torch.autograd.grad(value, logprobs, retain_graph=True)[0] for value in (whole, parts)]
    assert_close(gradients[0], gradients[1], rtol=1e-12, atol=1e-15)


def test_on_policy_the_loss_is_near_zero_and_the_gradient_is_not() -> None:
    logprobs = torch.full((4, 1), -1.0, dtype=torch.float64, requires_grad=True)
    advantages = torch.tensor([1.5, -0.5, -0.5, -0.5], dtype=torch.float64)
    loss, metrics = policy_loss(logprobs, logprobs.detach(), advantages, torch.ones(4, 1), config=LossConfig(beta=0.0))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(0.0, abs=1e-12)
    assert logprobs.grad is not None
    assert logprobs.grad[:, 0].tolist() == [-0.375, 0.125, 0.125, 0.125]  # -A / 4
    assert (metrics.clipped_low, metrics.clipped_high) == (0, 0)


def test_the_clip_counts_only_tokens_whose_gradient_it_removed() -> None:
    ratio = torch.tensor([[0.5, 1.5, 1.0], [0.5, 1.5, 1.0]], dtype=torch.float64)
    _, metrics = policy_loss(
        ratio.log(), torch.zeros_like(ratio), torch.tensor([1.0, -1.0], dtype=torch.float64), torch.ones(2, 3),
        config=LossConfig(beta=0.0),
    )  # fmt: skip
    assert (metrics.clipped_low, metrics.clipped_high, metrics.tokens) == (1, 1, 6)
    assert metrics.clip_region == pytest.approx(2 / 6, rel=1e-12)


def test_kl_without_reference_log_probabilities_is_refused() -> None:
    with pytest.raises(ValueError, match="ref_logprobs"):
        policy_loss(
            torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1), torch.ones(1, 1),
            config=LossConfig(beta=0.1),
        )  # fmt: skip


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


def test_a_token_that_cannot_be_sampled_adds_nothing_to_the_entropy() -> None:
    hidden = torch.tensor([[0.0, 0.0, -math.inf]], requires_grad=True)
    _, entropy = selected_logprobs(
        hidden, lambda states: states, torch.tensor([0]), 1.0, vocabulary=3, entropy_gradient=True
    )
    entropy.sum().backward()  # type: ignore[no-untyped-call]
    assert entropy.item() == pytest.approx(math.log(2), rel=1e-6)
    assert hidden.grad is not None and hidden.grad.tolist() == [[0.0, 0.0, 0.0]]


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


ONE = {"logprobs": torch.zeros(1, 2), "old_logprobs": torch.zeros(1, 2), "advantages": torch.zeros(1)}


def test_with_beta_0_a_reference_is_measured_and_does_not_touch_the_loss() -> None:
    reference = torch.tensor([[-math.inf, -1.0]])  # rules the first token out: a KL of infinity
    loss, metrics = policy_loss(**ONE, mask=torch.ones(1, 2), config=LossConfig(beta=0.0), ref_logprobs=reference)
    assert (loss.item(), metrics.kl) == (0.0, math.inf)


@pytest.mark.parametrize(
    ("settings", "message"), [({"top_entropy_quantile": 0.5}, "top_entropy_quantile"), ({"entropy_coef": 0.1}, "bonus")]
)
def test_settings_that_need_entropies_are_refused_without(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=f"{message}.* needs entropies"):
        policy_loss(**ONE, mask=torch.ones(1, 2), config=LossConfig(beta=0.0, **settings))


def test_what_the_whole_update_knows_is_used_in_place_of_this_batch() -> None:
    """keep, the bonus tokens and the coefficient are given: −0.5 · (entropies of kept tokens: 3) / 4."""
    entropies = torch.tensor([[1.0, 3.0]])
    scale = LossScale(num_completions=1, num_tokens=2, max_completion_length=2, update_tokens=2, bonus_tokens=4)
    loss, metrics = policy_loss(
        **ONE, mask=torch.ones(1, 2), config=LossConfig(beta=0.0, top_entropy_quantile=1.0, entropy_coef=0.1),
        entropies=entropies, scale=scale, keep=torch.tensor([[0.0, 1.0]]), entropy_coef=0.5,
    )  # fmt: skip
    assert loss.item() == -0.5 * 3 / 4
    assert (metrics.bonus_tokens, metrics.bonus_entropy) == (1, 3)


def test_a_bonus_over_no_token_is_0_and_over_a_fraction_counts_as_one() -> None:
    config, entropies = LossConfig(beta=0.0, entropy_coef=0.5), torch.ones(1, 2)
    nothing, _ = policy_loss(**ONE, mask=torch.zeros(1, 2), config=config, entropies=entropies)
    scale = LossScale(num_completions=1, num_tokens=2, max_completion_length=2, update_tokens=2, bonus_tokens=0.5)
    half, _ = policy_loss(**ONE, mask=torch.ones(1, 2), config=config, entropies=entropies, scale=scale)
    assert (nothing.item(), half.item()) == (0.0, -1.0)
