"""Where we differ from TRL 1.16.0 on purpose: each difference with both numbers. docs/algorithm.md lists them."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.config_loss import LossConfig
from engine.grpo import policy_loss
from engine.grpo.advantages import dead_groups, distance_to_baseline, total_rewards
from engine.grpo.entropy_control import EntropyControl
from engine.grpo.kl import kl_estimate
from engine.grpo.process import process_advantages
from engine.train.forward import Row
from engine.train.update import _deal
from tests.reference.stored import assert_same, loss_config, loss_inputs, read, tensor
from tests.reference.test_advantages import CASES, our_advantages, weights_of
from tests.reference.test_loss import LOSS_CASES, UPDATE, update_window
from tests.toy import toy_config


def windows_of(**settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The stored update case with exactly these settings besides beta; and its first window, of two micro-batches."""
    settings = {"beta": 0.05} | settings
    (pair,) = [p for p in UPDATE["cases"] if p["case"] == {"config": settings, "window": 2}]
    return pair, pair["result"]["windows"][0]


def advantage_case(name: str, scaling: str | None) -> dict[str, Any]:
    """scaling None: GDPO."""
    found = [pair for pair in CASES if pair["case"]["name"] == name]
    return next(pair for pair in found if pair["case"]["config"].get("scale_rewards") == scaling)


def control_case(masks: str, settings: set[str]) -> dict[str, Any]:
    """The case of entropy_control.json with these masks that sets these of the two settings."""
    found = [pair for pair in read("entropy_control")["cases"] if pair["case"]["masks"] == masks]
    both = {"entropy_coef", "use_adaptive_entropy"}
    return next(pair for pair in found if both & set(pair["case"]["config"]) == settings)


def mean_over_micro_batches(pair: dict[str, Any], window: dict[str, Any]) -> tuple[float, Tensor]:
    """What our code gives when each micro-batch is an update of its own, averaged: TRL's arithmetic."""
    parts = [update_window(pair, {"rows": [rows]}) for rows in window["rows"]]
    losses, gradients = [loss for loss, _, _ in parts], [gradient for _, gradient, _ in parts]
    return sum(losses) / len(losses), sum(gradients) / len(gradients)  # type: ignore[return-value]


@pytest.mark.parametrize(
    "settings",
    [
        {"loss_type": "bnpo", "mask_truncated_completions": False},
        {"loss_type": "bnpo", "mask_truncated_completions": True},
        {"loss_type": "grpo", "entropy_coef": 0.4},
        {"loss_type": "grpo", "top_entropy_quantile": 0.5},
    ],
    ids=["bnpo", "bnpo with a masked row", "entropy bonus", "top entropy quantile"],
)
def test_these_are_taken_over_the_update_where_trl_takes_each_micro_batch_alone(settings: dict[str, Any]) -> None:
    """So the result does not depend on how an update is cut into micro-batches."""
    pair, window = windows_of(**settings)
    trl = tensor(window["gradient"])
    loss, gradient = mean_over_micro_batches(pair, window)
    assert_same(torch.tensor(loss), torch.tensor(window["loss"]), "TRL's arithmetic", size=1.0)
    assert_same(gradient, trl, "TRL's arithmetic")
    ours = update_window(pair, window)
    whole = update_window(pair, {"rows": [window["rows"][0] + window["rows"][1]]})
    assert ours[0] == pytest.approx(whole[0], rel=1e-6)
    assert abs(ours[0] - window["loss"]) > 1e-3


def test_the_entropy_bonus_is_the_mean_over_the_updates_tokens_where_trl_averages_micro_batch_means() -> None:
    """Three tokens in one micro-batch and one in the other: TRL gives that one the weight of three."""
    content = read("entropy_control")
    pair = control_case("unequal", {"entropy_coef"})
    entropies, mask = tensor(content["inputs"]["entropies"][0]), tensor(content["inputs"]["masks"]["unequal"])
    counted = entropies[mask.bool()]
    assert counted.tolist() == pytest.approx([0.5, 0.4, 0.6, 0.3])
    loss, _ = policy_loss(
        torch.zeros(4, 2), torch.zeros(4, 2), torch.zeros(4), mask.view(4, 2),
        config=loss_config(pair["case"]["config"]), entropies=entropies.view(4, 2),
    )  # fmt: skip
    assert float(loss) == pytest.approx(-0.1 * (0.5 + 0.4 + 0.6 + 0.3) / 4)
    assert pair["result"]["updates"][0]["loss"] == pytest.approx(-0.1 * ((0.5 + 0.4 + 0.6) / 3 + 0.3) / 2)


def test_the_adaptive_coefficient_stays_when_no_token_was_counted_where_trl_takes_an_entropy_of_0() -> None:
    pair = control_case("empty", {"entropy_coef", "use_adaptive_entropy"})
    config = loss_config(pair["case"]["config"])
    control = EntropyControl(config.entropy_coef)
    _, metrics = policy_loss(
        torch.zeros(2, 2),
        torch.zeros(2, 2),
        torch.zeros(2),
        torch.zeros(2, 2),
        config=config,
        entropies=torch.ones(2, 2),
    )
    assert control.after(metrics.bonus_entropy, config) == control
    assert pair["result"]["updates"][0]["coef"] == pytest.approx(0.1 + 0.05)


@pytest.mark.parametrize("scaling", ["group", "batch", "none", None])
def test_a_group_without_spread_has_advantage_0_where_trl_divides_its_rounding_error(scaling: str | None) -> None:
    """Seven times 0.99: the float32 mean is off by one unit, and 1.2e-7 / 1e-4 is not 0."""
    pair = advantage_case("an equal group whose mean rounds", scaling)
    ours, trl = our_advantages(pair["case"]), tensor(pair["result"]["advantages"])
    assert ours[:7].tolist() == [0.0] * 7
    assert bool((trl[:7] != 0).all())
    if scaling:
        assert_same(ours[7:], trl[7:], "the other group")


@pytest.mark.parametrize(
    ("scaling", "ours", "trl"),
    [("none", [0.5, 0.0, -0.5, 0.0], [0.625, -0.375, -0.375, 0.125]), (None, [1, 0, -1, 0], [1.2247, 0, -1.2247, 0])],
)
def test_a_completion_whose_trained_rewards_are_missing_gets_no_advantage_where_trl_scores_it_0(
    scaling: str | None, ours: list[float], trl: list[float]
) -> None:
    """Its monitor, of weight 0, has a value. Trained rewards 1, missing, 0, 0.5: the mean of three is 0.5."""
    pair = advantage_case("only the monitor has a value", scaling)
    assert our_advantages(pair["case"]).tolist() == pytest.approx(ours, abs=2e-4)  # the guard of 1e-4
    assert pair["result"]["advantages"] == pytest.approx(trl, abs=2e-4)


@pytest.mark.parametrize("scaling", ["batch", None])
def test_dead_groups_are_counted_from_raw_group_totals_where_trl_looks_at_the_batch_std(scaling: str | None) -> None:
    """Of two groups one has equal totals: we say a half in every mode; TRL says 0 with "batch" and with GDPO."""
    pair = advantage_case("equal groups", scaling)
    totals = total_rewards(tensor(pair["case"]["rewards"]), weights_of(pair["case"]))
    assert dead_groups(totals, 4).tolist() == [True, False]
    assert pair["result"]["metrics"]["frac_reward_zero_std"] == 0


@pytest.mark.parametrize("name", ["one scored in its group", "rows and a group without any value"])
def test_a_group_with_fewer_than_two_scored_completions_is_dead_where_trl_does_not_count_it(name: str) -> None:
    pair = advantage_case(name, "group")
    totals = total_rewards(tensor(pair["case"]["rewards"]), weights_of(pair["case"]))
    assert dead_groups(totals, 4).sum() == 1
    assert pair["result"]["metrics"]["frac_reward_zero_std"] == 0


def test_leave_one_out_which_trl_lacks_is_its_advantage_times_n_over_n_minus_1() -> None:
    totals = torch.tensor([1.0, 0.0, 0.0, math.nan])  # 1 − mean(0, 0); 0 − mean(1, 0)
    assert distance_to_baseline(totals, 4, "leave_one_out").tolist() == pytest.approx(
        [1, -0.5, -0.5, math.nan], nan_ok=True
    )
    pair = advantage_case("one function", "none")
    ours = our_advantages(pair["case"], baseline="leave_one_out")
    assert_same(ours * 3 / 4, tensor(pair["result"]["advantages"]), "n / (n − 1) with n = 4")


def test_k1_and_k2_which_trl_lacks_agree_with_its_k3_to_second_order() -> None:
    """k3 = d² / 2 + d³ / 6 + …, with d = q − p; k1 = −d is its first-order partner of mean 0 beside it."""
    policy, reference = torch.zeros(1, dtype=torch.float64), torch.full((1,), 1e-3, dtype=torch.float64)
    found = {name: float(kl_estimate(policy, reference, name)) for name in ("k1", "k2", "k3")}  # type: ignore[arg-type]
    assert found["k1"] == -1e-3
    assert found["k2"] == pytest.approx(5e-7, rel=1e-12)
    assert found["k3"] == pytest.approx(5e-7 + 1e-9 / 6, rel=1e-6)  # the next term is 1e-12 / 24


def test_process_supervision_which_trl_lacks_is_its_outcome_advantage_with_one_step_at_the_end() -> None:
    pair = advantage_case("one function", "group")
    scores = torch.full((8, 3), math.nan)
    scores[:, 2] = tensor(pair["case"]["rewards"])[:, 0]
    expected = tensor(pair["result"]["advantages"])[:, None].expand(8, 3)
    assert_same(process_advantages(scores, 4), expected, "each token")


def test_mini_batches_keep_groups_whole_where_trl_shuffles_completions() -> None:
    """TRL cuts its generation batch of 4 groups of 2 after a shuffle: its update has parts of groups."""
    _, window = windows_of(loss_type="grpo", mask_truncated_completions=False)
    groups_of_trl = [row // 2 for part in window["rows"] for row in part]
    assert any(groups_of_trl.count(group) == 1 for group in groups_of_trl)
    rows = [Row(index, index // 2, [7], [1, 2]) for index in range(8)]
    for part in _deal(rows, toy_config(loss={"num_minibatches": 2}), seed=0):
        assert [row.index // 2 for row in part[::2]] == [row.index // 2 for row in part[1::2]]


def test_the_clip_share_counts_the_ratio_itself_where_trl_counts_it_after_delta() -> None:
    """With delta 1.2 below 1 + ε_high = 1.5, TRL finds none above the clip; the plain inputs have some with A > 0."""
    pair, config, inputs = exception("plain")
    _, metrics = policy_loss(
        inputs["logprobs"], inputs["old_logprobs"], inputs["advantages"], inputs["mask"], config=config
    )
    above = ((inputs["logprobs"] - inputs["old_logprobs"]).exp() > 1.5) & (inputs["advantages"][:, None] > 0)
    assert metrics.clipped_high == float((above & inputs["mask"].bool()).sum()) > 0
    assert pair["result"]["metrics"]["clip_ratio/high_mean"] == 0


def test_a_masked_completion_in_a_batch_of_single_tokens_is_not_counted_where_trl_takes_it_for_a_sequence() -> None:
    """Three completions of one token, of which the third is masked, and the first clipped: 1 of 2, and 1 of 3."""
    pair, config, inputs = exception("single")
    _, metrics = policy_loss(
        inputs["logprobs"], inputs["old_logprobs"], inputs["advantages"], inputs["mask"], config=config
    )
    assert metrics.clip_low == pytest.approx(1 / 2)
    assert pair["result"]["metrics"]["clip_ratio/low_mean"] == pytest.approx(1 / 3)


def exception(inputs: str) -> tuple[dict[str, Any], LossConfig, dict[str, Tensor]]:
    """The dapo case among those at the end of loss.json."""
    (pair,) = [
        p for p in LOSS_CASES[-9:] if p["case"]["inputs"] == inputs and p["case"]["config"]["loss_type"] == "dapo"
    ]  # fmt: skip
    return pair, loss_config(pair["case"]["config"]), loss_inputs()[inputs]


def test_our_defaults_are_trls_except_for_beta() -> None:
    defaults = read("defaults")["cases"][0]["result"]
    ours = LossConfig().model_dump()
    same_name = ours.keys() & defaults.keys()
    assert len(same_name) > 25
    assert {name: (ours[name], defaults[name]) for name in same_name if ours[name] != defaults[name]} == {
        "beta": (0.04, 0.0)
    }
