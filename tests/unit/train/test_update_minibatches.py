"""Several updates in a step: how groups are dealt, what stays fixed, and what follows the entropy of the one before."""

import pytest
import torch
from torch.testing import assert_close

from engine.config import RunConfig
from engine.grpo.entropy_control import EntropyControl
from engine.train import update as update_module
from engine.train.forward import Forward, micro_batches
from tests.toy import toy_policy
from tests.unit.train.lessons import ROWS, loss_config, moved_policy, sgd, update_on, weights

GROUPS = {0, 1, 2, 3}


def dealt(monkeypatch: pytest.MonkeyPatch, config: RunConfig, seed: int = 0) -> list[list[int]]:
    """The groups of each update in turn."""
    hands: list[list[int]] = []
    original = update_module._Work.accumulate_gradients

    def spy(work, rows):  # type: ignore[no-untyped-def]
        hands.append(sorted({row.group for row in rows}))
        assert len(rows) == 3 * len(hands[-1])  # groups stay whole
        return original(work, rows)

    monkeypatch.setattr(update_module._Work, "accumulate_gradients", spy)
    update_on(toy_policy(), config, seed=seed)
    monkeypatch.undo()
    return hands


def test_each_group_is_in_exactly_one_mini_batch_of_each_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    hands = dealt(monkeypatch, loss_config(num_iterations=4, num_minibatches=2))
    assert len(hands) == 8
    for first, second in zip(hands[::2], hands[1::2], strict=True):
        assert sorted(first + second) == [0, 1, 2, 3]
        assert len(first) == len(second) == 2
    assert len({tuple(hand) for hand in hands[::2]}) > 1  # each pass deals anew


def test_the_seed_alone_decides_who_is_dealt_where(monkeypatch: pytest.MonkeyPatch) -> None:
    config = loss_config(num_iterations=4, num_minibatches=2)
    assert dealt(monkeypatch, config) == dealt(monkeypatch, config)
    assert dealt(monkeypatch, config) != dealt(monkeypatch, config, seed=1)


def test_there_are_never_more_mini_batches_than_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    hands = dealt(monkeypatch, loss_config(num_minibatches=9))
    assert sorted(hands) == [[0], [1], [2], [3]]


def test_one_mini_batch_is_the_whole_step(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dealt(monkeypatch, loss_config(num_iterations=2)) == [[0, 1, 2, 3]] * 2


@pytest.mark.parametrize(
    "options", [{"num_minibatches": 2}, {"num_iterations": 3}, {"num_minibatches": 4, "beta": 0.1}]
)
def test_old_log_probabilities_are_those_before_the_first_update(options: dict[str, float]) -> None:
    policy = moved_policy()
    with torch.no_grad():
        (batch,) = micro_batches(ROWS, 10_000, policy.pad_id, torch.device("cpu"))
        expected = Forward(policy, 1.0, [2, 3])(policy.model, batch)[0]
    order = batch.indices
    result = update_on(policy, loss_config(**options))
    found = torch.cat([result.tokens[index].logprobs for index in order])
    assert_close(found, expected, rtol=0.0, atol=1e-6)  # float32, in other batches
    assert result.metrics.ratio_max > 1.01  # later updates do see a policy that has moved


def test_mini_batches_of_one_update_each_move_the_policy_from_where_the_one_before_left_it() -> None:
    together, apart = moved_policy(), moved_policy()
    update_on(together, loss_config())
    update_on(apart, loss_config(num_minibatches=4))
    assert not torch.allclose(weights(together), weights(apart), atol=1e-4)


def test_a_tiny_step_over_mini_batches_is_as_far_as_one_over_the_whole_times_their_number() -> None:
    # dapo divides by the tokens of the step over the number of mini-batches, as TRL does over its slices
    moves = []
    for parts in (1, 4):
        policy = moved_policy()
        before = weights(policy)
        update_on(policy, loss_config(num_minibatches=parts), optimizer=sgd(policy, 1e-4))
        moves.append(weights(policy) - before)
    # so small a step that the policy is nearly the same in between; measured: 0.016, and 0.75 without that division
    assert float((4 * moves[0] - moves[1]).norm() / moves[1].norm()) < 0.03


@pytest.mark.parametrize("options", [{}, {"num_minibatches": 2}, {"num_iterations": 2}])
def test_micro_batches_do_not_change_which_tokens_are_the_most_uncertain(options: dict[str, int]) -> None:
    found, kept = [], []
    for size in (10_000, 16):
        policy = moved_policy()
        result = update_on(policy, loss_config(size, top_entropy_quantile=0.3, beta=0.04, **options))
        gradients = [parameter.grad for _, parameter in policy.trainable()]
        found.append(torch.cat([gradient.flatten() for gradient in gradients if gradient is not None]))
        kept.append(result.metrics.bonus_tokens)
    assert kept[0] == kept[1]
    assert 0 < kept[0] < options.get("num_iterations", 1) * sum(len(row.completion) for row in ROWS)
    assert float((found[0] - found[1]).norm() / found[0].norm()) < 1e-6  # measured: up to 5e-7, float32


def test_each_update_asks_anew_where_the_policy_is_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    original = update_module.entropy_threshold

    def spy(entropies: torch.Tensor, share: float) -> float:
        seen.append(entropies)
        return original(entropies, share)

    monkeypatch.setattr(update_module, "entropy_threshold", spy)
    policy = moved_policy()
    result = update_on(policy, loss_config(top_entropy_quantile=0.5, num_iterations=2))
    before = torch.cat([stats.entropies for stats in result.tokens])
    assert_close(seen[0], before, rtol=0.0, atol=1e-6)
    assert float((seen[1] - before).abs().max()) > 1e-3


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_rounding_does_not_divide_tokens_of_the_same_entropy(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Forward.__call__

    def all_alike(self, module, batch, **options):  # type: ignore[no-untyped-def]
        found = original(self, module, batch, **options)
        alike = torch.ones_like(found.entropies) + 1e-6 * torch.arange(len(found.entropies)).remainder(3)
        return found._replace(entropies=alike)

    monkeypatch.setattr(Forward, "__call__", all_alike)
    result = update_on(moved_policy(), loss_config(16, top_entropy_quantile=share, beta=0.04))
    assert result.metrics.bonus_tokens == sum(len(row.completion) for row in ROWS)


def sharp_policy():  # type: ignore[no-untyped-def]
    """A policy that is sure of itself: an untrained one is as uncertain as can be."""
    policy = toy_policy()
    with torch.no_grad():
        policy.model.lm_head.weight *= 30
    return policy


def mean_entropy(policy) -> float:  # type: ignore[no-untyped-def]
    with torch.no_grad():
        (batch,) = micro_batches(ROWS, 10_000, policy.pad_id, torch.device("cpu"))
        return float(Forward(policy, 1.0, [2, 3])(policy.model, batch)[1].mean())


@pytest.mark.parametrize("size", [10_000, 16])
def test_an_entropy_bonus_alone_makes_the_policy_less_sure(size: int) -> None:
    policy = sharp_policy()
    before = mean_entropy(policy)
    config = loss_config(size, entropy_coef=1.0)
    result = update_on(policy, config, torch.zeros(len(ROWS)), optimizer=sgd(policy, 1e-3))
    assert result.loss == pytest.approx(-before, abs=1e-5)  # loss = 0 − 1 · mean H
    assert mean_entropy(policy) > before + 0.1


def test_the_adaptive_bonus_rises_by_its_change_after_each_update_at_or_below_the_target_up_to_its_bound() -> None:
    config = loss_config(
        use_adaptive_entropy=True, entropy_coef=0.01, entropy_target=5.0, entropy_coef_delta=0.02,
        entropy_coef_max=0.04, num_minibatches=3,
    )  # fmt: skip
    policy = sharp_policy()
    result = update_on(policy, config)
    assert result.control.coef == pytest.approx(0.04)  # 0.01, 0.03, then 0.05 is cut
    assert 0 < result.control.last_entropy < 5


def test_the_adaptive_bonus_falls_while_the_entropy_is_above_its_target_and_does_not_act() -> None:
    adaptive = {"use_adaptive_entropy": True, "entropy_coef": 0.03, "entropy_target": 1e-6, "entropy_coef_delta": 0.02}
    policy, plain = moved_policy(), moved_policy()
    result = update_on(policy, loss_config(**adaptive, num_iterations=2))
    update_on(plain, loss_config(num_iterations=2))
    assert result.control.coef == pytest.approx(0.0)  # 0.03, 0.01, then not below 0
    assert_close(weights(policy), weights(plain), rtol=0.0, atol=1e-7)  # all rows are passed, in another batch


def test_the_adaptive_bonus_acts_from_the_update_after_the_first_low_entropy() -> None:
    config = loss_config(use_adaptive_entropy=True, entropy_coef=0.5, entropy_target=5.0)
    first = update_on(sharp_policy(), config, torch.zeros(len(ROWS)))
    assert first.loss == 0.0  # no update came before, so nothing is known to be low
    after = update_on(sharp_policy(), config, torch.zeros(len(ROWS)), control=first.control)
    assert after.loss == pytest.approx(-0.505 * first.control.last_entropy, abs=1e-5)


def test_the_bonus_after_an_update_that_was_left_out_is_what_the_updates_before_it_made_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = loss_config(use_adaptive_entropy=True, entropy_coef=0.01, entropy_target=5.0, num_iterations=3)
    original, calls = update_module.policy_loss, []

    def poisoned_in_the_third(*args, **kwargs):  # type: ignore[no-untyped-def]
        loss, metrics = original(*args, **kwargs)
        calls.append(1)
        return loss * (float("nan") if len(calls) == 3 else 1.0), metrics

    monkeypatch.setattr(update_module, "policy_loss", poisoned_in_the_third)
    result = update_on(moved_policy(), config)
    assert result.skipped
    assert result.control.coef == pytest.approx(0.01 + 2 * 0.005)
    assert isinstance(result.control, EntropyControl)
