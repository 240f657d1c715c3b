"""Which completions an update passes forward and backward, and that leaving out the others changes nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import pytest
import torch
from torch.testing import assert_close

from engine.config_loss import LossType
from engine.train import update as update_module
from engine.train.forward import Forward
from tests.toy import toy_policy
from tests.unit.train.lessons import (
    ADVANTAGES,
    LIVE_GROUP_ROWS,
    LIVE_ROWS,
    ROWS,
    change,
    loss_config,
    moved_policy,
    update_on,
    weights,
)

ALL = list(range(len(ROWS)))
# Weights are up to 1, so each float32 weight is rounded by 6e-8, and sums come in another order.
SAME = {"rtol": 0.0, "atol": 5e-7}


@contextmanager
def every_row_passed() -> Iterator[None]:
    """Rows without gradient are passed forward and backward like the others, as if nobody knew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update_module._Work, "_has_gradient", lambda work, row: work.lesson.counted[row.index])
        yield


def passed_backward(monkeypatch: pytest.MonkeyPatch, **loss: Any) -> list[int]:
    """The rows that go through the model with a gradient in one update."""
    seen: list[int] = []
    original = Forward.__call__

    def spy(self, module, batch, **options):  # type: ignore[no-untyped-def]
        if torch.is_grad_enabled():
            seen.extend(batch.indices)
        return original(self, module, batch, **options)

    monkeypatch.setattr(Forward, "__call__", spy)
    update_on(toy_policy(), loss_config(16, **loss))
    return sorted(seen)


@pytest.mark.parametrize(
    ("loss", "rows"),
    [
        ({"beta": 0.0}, LIVE_ROWS),
        ({"beta": 0.04}, ALL),
        ({"beta": 0.04, "skip_dead_groups": True}, LIVE_GROUP_ROWS),  # the one at the mean keeps its KL penalty
        ({"beta": 0.0, "skip_dead_groups": True}, LIVE_ROWS),
        ({"beta": 0.0, "entropy_coef": 0.1}, ALL),
        ({"beta": 0.0, "use_adaptive_entropy": True}, ALL),
        ({"beta": 0.0, "entropy_coef": 0.1, "skip_dead_groups": True}, LIVE_GROUP_ROWS),
    ],
)
def test_only_rows_that_can_move_the_weights_are_passed_backward(
    loss: dict[str, Any], rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert passed_backward(monkeypatch, **loss) == rows


@pytest.mark.parametrize("extra", [{}, {"top_entropy_quantile": 0.5}, {"importance_sampling_level": "sequence"}])
@pytest.mark.parametrize("loss_type", get_args(LossType))
def test_without_a_penalty_leaving_out_rows_without_advantage_gives_the_same_update(
    loss_type: str, extra: dict[str, Any]
) -> None:
    config = loss_config(loss_type=loss_type, **extra)
    found = change(config)
    with every_row_passed():
        expected = change(config)
    assert float(expected.abs().max()) > 1e-4
    assert_close(found, expected, **SAME)


def test_the_clip_shares_count_the_tokens_of_rows_that_were_left_out() -> None:
    config = loss_config(num_iterations=3, epsilon=0.001)
    found = update_on(moved_policy(), config).metrics
    with every_row_passed():
        expected = update_on(moved_policy(), config).metrics
    assert expected.clip_region > 0.05
    assert (found.clip_low, found.clip_high) == (expected.clip_low, expected.clip_high)
    assert found.ratios == expected.ratios == 3 * sum(len(row.completion) for row in ROWS)


def test_under_process_supervision_the_clip_shares_count_them_too_with_one_ratio_a_completion() -> None:
    config = loss_config(num_iterations=2, epsilon=0.001, importance_sampling_level="sequence")
    of_tokens = ADVANTAGES[:, None].repeat(1, 4)
    found = update_on(moved_policy(), config, of_tokens).metrics
    with every_row_passed():
        expected = update_on(moved_policy(), config, of_tokens).metrics
    assert expected.clip_region > 0.05
    assert (found.ratios, found.clip_region) == (expected.ratios, expected.clip_region)


def test_the_share_that_the_off_policy_mask_left_out_is_one_of_all_completions() -> None:
    config = loss_config(num_iterations=3, off_policy_mask_threshold=1e-4)
    found = update_on(moved_policy(), config).metrics
    assert found.dropped > 0
    assert found.completions == 3 * len(ROWS)


@pytest.mark.parametrize("extra", [{}, {"top_entropy_quantile": 0.5}, {"skip_dead_groups": True}])
def test_with_the_bonus_put_back_the_loss_is_the_one_without_a_bonus(extra: dict[str, Any]) -> None:
    plain = update_on(moved_policy(), loss_config(**extra)).loss
    found = update_on(moved_policy(), loss_config(entropy_coef=0.1, **extra))
    assert found.bonus > 0.05
    assert found.loss + found.bonus == pytest.approx(plain, abs=1e-6)  # float32 sums


def test_skipped_groups_get_no_entropy_bonus_either() -> None:
    in_live_group = [row.index in LIVE_GROUP_ROWS for row in ROWS]
    share = sum(len(ROWS[i].completion) for i in LIVE_GROUP_ROWS) / sum(len(row.completion) for row in ROWS)
    without = torch.zeros(len(ROWS))
    of_live = change(loss_config(entropy_coef=0.1), without, in_live_group)
    policy_part = change(loss_config())
    skipped = change(loss_config(entropy_coef=0.1, skip_dead_groups=True))
    assert_close(skipped, policy_part + share * of_live, **SAME)  # a mean over all tokens, of which these are a share


def test_skipping_dead_groups_takes_away_their_kl_penalty_and_nothing_else() -> None:
    # dr_grpo divides by a constant, so that the parts of its gradient can be had one by one and added up
    options = {"loss_type": "dr_grpo"}
    policy_part = change(loss_config(**options))
    in_live_group = [row.index in LIVE_GROUP_ROWS for row in ROWS]
    penalty_of_live = change(loss_config(beta=0.5, **options), torch.zeros(len(ROWS)), in_live_group)
    penalty_of_all = change(loss_config(beta=0.5, **options), torch.zeros(len(ROWS)))
    skipped = change(loss_config(beta=0.5, skip_dead_groups=True, **options))
    whole = change(loss_config(beta=0.5, **options))
    assert_close(skipped, policy_part + penalty_of_live, **SAME)
    assert_close(whole, policy_part + penalty_of_all, **SAME)
    assert float((penalty_of_all - penalty_of_live).abs().max()) > 1e-3


def test_dead_groups_still_count_among_the_tokens_that_dapo_divides_by() -> None:
    result = update_on(toy_policy(), loss_config(loss_type="dapo"))
    lengths = torch.tensor([len(row.completion) for row in ROWS])
    assert result.loss == pytest.approx(float(-(ADVANTAGES * lengths).sum() / lengths.sum()), abs=1e-6)


def test_rows_that_are_left_out_are_measured_all_the_same() -> None:
    policy = moved_policy()
    found = update_on(policy, loss_config()).tokens
    with every_row_passed():
        expected = update_on(moved_policy(), loss_config()).tokens
    for left, right in zip(found, expected, strict=True):
        # another micro-batch is another order of float32 sums
        assert_close(left.logprobs, right.logprobs, rtol=0.0, atol=1e-6)
        assert_close(left.entropies, right.entropies, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_a_completion_that_does_not_count_moves_no_weight_whatever_its_advantage(beta: float) -> None:
    counted = [index != 1 for index in ALL]
    other = ADVANTAGES.clone()
    other[1] = 7.0
    config = loss_config(beta=beta)
    assert torch.equal(change(config, ADVANTAGES, counted), change(config, other, counted))
    assert not torch.allclose(change(config, ADVANTAGES, counted), change(config), atol=1e-4)


def test_tokens_that_do_not_count_are_not_among_those_that_dapo_divides_by() -> None:
    counted = [index != 1 for index in ALL]
    result = update_on(toy_policy(), loss_config(loss_type="dapo"), counted=counted)
    lengths = torch.tensor([len(row.completion) * count for row, count in zip(ROWS, counted, strict=True)])
    assert result.loss == pytest.approx(float(-(ADVANTAGES * lengths).sum() / lengths.sum()), abs=1e-6)


def test_a_step_without_any_signal_lets_the_moments_of_adam_decay_and_act_as_a_gradient_of_zero_does() -> None:
    policy = toy_policy()
    optimizer = torch.optim.AdamW([parameter for _, parameter in policy.trainable()], lr=1e-2, weight_decay=0.1)
    update_on(policy, loss_config(), optimizer=optimizer)
    name, parameter = policy.trainable()[0]
    before, moment = parameter.detach().clone(), optimizer.state[parameter]["exp_avg"].clone()
    second = optimizer.state[parameter]["exp_avg_sq"].clone()
    result = update_on(policy, loss_config(), torch.zeros(len(ROWS)), optimizer=optimizer)
    assert (result.loss, result.grad_norm, result.skipped) == (0.0, 0.0, False)
    assert_close(optimizer.state[parameter]["exp_avg"], 0.9 * moment, rtol=1e-6, atol=0.0)
    # AdamW with gradient 0 at its second step: decay, then the corrected moments
    m, v = 0.9 * moment / (1 - 0.9**2), 0.999 * second / (1 - 0.999**2)
    assert_close(parameter.detach(), before * (1 - 1e-2 * 0.1) - 1e-2 * m / (v.sqrt() + 1e-8), rtol=0.0, atol=1e-6)
    assert not torch.equal(parameter, before), name


def test_a_step_without_any_signal_moves_nothing_when_there_are_no_moments() -> None:
    policy = toy_policy()
    before = weights(policy)
    update_on(policy, loss_config(), torch.zeros(len(ROWS)))
    assert torch.equal(weights(policy), before)
