"""Our loss, its gradients and its metrics are TRL's, on the same inputs."""

from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from engine.config_loss import LossConfig, LossType, has_entropy_bonus
from engine.grpo import LossMetrics, LossScale, group_advantages, policy_loss
from engine.grpo.entropy_control import EntropyControl
from engine.grpo.masks import entropy_mask, entropy_threshold
from tests.reference.stored import assert_same, loss_config, loss_inputs, read, tensor

LIMIT = 9  # max_completion_length of make_fixtures.py
NAMES = {
    "kl": "kl",
    "entropy": "entropy",
    "clip_ratio/low_mean": "clip_low",
    "clip_ratio/high_mean": "clip_high",
    "clip_ratio/region_mean": "clip_region",
    "cispo_clip_ratio": "clip_high",
    "vespo/phi_seq_mean": "weight",
}
LOSS_CASES = read("loss")["cases"]
EXCEPTIONS = 9  # at the end: cases for test_differences.py
UPDATE = read("update")


def kept(entropies: Tensor, mask: Tensor, config: LossConfig) -> Tensor:
    """The tokens that the policy term and the entropy bonus act on."""
    if config.top_entropy_quantile == 1:
        return mask
    return entropy_mask(entropies, mask, entropy_threshold(entropies[mask.bool()], config.top_entropy_quantile))


def our_loss(inputs: dict[str, Tensor], config: LossConfig, **settings: Any) -> tuple[Tensor, LossMetrics]:
    return policy_loss(
        inputs["logprobs"], inputs["old_logprobs"], inputs["advantages"], inputs["mask"], config=config,
        ref_logprobs=inputs["ref_logprobs"] if config.beta else None, entropies=inputs["entropies"], **settings,
    )  # fmt: skip


@pytest.mark.parametrize("loss_type", get_args(LossType))
def test_loss_gradients_and_metrics_equal_trl_with_every_combination_of_settings(loss_type: str) -> None:
    inputs = loss_inputs()
    cases = [pair for pair in LOSS_CASES[:-EXCEPTIONS] if pair["case"]["config"]["loss_type"] == loss_type]
    assert len(cases) >= 60
    for pair in cases:
        config, given = loss_config(pair["case"]["config"]), inputs[pair["case"]["inputs"]]
        logprobs, entropies = (given[name].clone().requires_grad_() for name in ("logprobs", "entropies"))
        leaves = given | {"logprobs": logprobs, "entropies": entropies}
        keep = kept(entropies, given["mask"], config)
        scale = replace(LossScale.of(given["mask"], keep), max_completion_length=LIMIT)
        loss, metrics = our_loss(leaves, config, scale=scale)
        loss.backward()  # type: ignore[no-untyped-call]
        name, result = str(pair["case"]), pair["result"]
        assert_same(loss, torch.tensor(result["loss"]), name, size=1.0)
        assert logprobs.grad is not None
        assert_same(logprobs.grad, tensor(result["gradient"]), name)
        assert (entropies.grad is not None) == ("entropy_gradient" in result)
        if entropies.grad is not None:
            assert_same(entropies.grad, tensor(result["entropy_gradient"]), name)
        check_metrics(metrics, given, config, scale, result["metrics"], name)


def check_metrics(
    metrics: LossMetrics,
    inputs: dict[str, Tensor],
    config: LossConfig,
    scale: LossScale,
    stored: dict[str, float],
    name: str,
) -> None:
    found = {key: getattr(metrics, NAMES[key]) for key in stored if key in NAMES}
    if has_entropy_bonus(config):
        found["policy_loss"] = float(our_loss(inputs, config, scale=scale, entropy_coef=0.0)[0])
        found["entropy_coef"] = EntropyControl(config.entropy_coef).applied(config)
    assert found.keys() == stored.keys()
    for key, value in found.items():
        assert_same(torch.tensor(value), torch.tensor(stored[key]), f"{key} of {name}", size=1.0)


@pytest.mark.parametrize("loss_type", get_args(LossType))
def test_an_option_of_another_loss_type_changes_nothing(loss_type: str) -> None:
    """delta belongs to the clipped loss types: TRL's numbers of the others are the same with and without."""
    results: dict[str, list[Any]] = {}
    for pair in LOSS_CASES[:384]:
        settings = dict(pair["case"]["config"])
        if settings["loss_type"] == loss_type:
            delta = settings.pop("delta", None)
            results.setdefault(str([settings, pair["case"]["inputs"]]), []).append((delta, pair["result"]["loss"]))
    different = [pair for pair in results.values() if pair[0][1] != pair[1][1]]
    assert bool(different) == (loss_type in ("grpo", "bnpo", "dr_grpo", "dapo", "luspo"))


def update_window(pair: dict[str, Any], window: dict[str, Any]) -> tuple[float, Tensor, list[LossMetrics]]:
    """Our loss of an accumulation window from its micro-batches: the sum, its gradient, and the metrics of each part.

    What only the whole update knows is computed as engine/train/update.py does.
    """
    config, masks_cut = loss_config(pair["case"]["config"]), pair["case"]["config"].get("mask_truncated_completions")
    inputs = {name: tensor(values) for name, values in UPDATE["inputs"].items() if name not in ("truncated", "lengths")}
    mask, rows = inputs["mask"], torch.tensor(window["rows"]).flatten()
    if masks_cut:
        mask[torch.tensor(UPDATE["inputs"]["truncated"])] = 0
    advantages = group_advantages(inputs["rewards"], torch.ones(1), 2)
    leaf = inputs["logprobs"].clone().requires_grad_()
    old = inputs["logprobs"] if pair["result"]["on_policy"] else inputs["old_logprobs"]
    keep = torch.zeros_like(mask)
    keep[rows] = kept(inputs["entropies"][rows], mask[rows], config)
    updates = len(pair["result"]["windows"]) // pair["case"]["config"].get("num_iterations", 1)
    tokens = float(mask[rows].sum())
    scale = LossScale(len(rows), float(mask.sum()) / updates, LIMIT, tokens, float(keep.sum()))
    loss, metrics = 0.0, []
    for part in window["rows"]:
        value, found = policy_loss(
            leaf[part], old[part], advantages[part], mask[part], config=config,
            ref_logprobs=inputs["ref_logprobs"][part], entropies=inputs["entropies"][part],
            scale=scale, keep=keep[part],
        )  # fmt: skip
        value.backward()  # type: ignore[no-untyped-call]
        loss += value.item()
        metrics.append(found)
    assert leaf.grad is not None
    return loss, leaf.grad, metrics


def is_same_over_micro_batches(config: dict[str, Any]) -> bool:
    """Not where TRL normalises over the micro-batch on purpose: see test_differences.py."""
    return config["loss_type"] != "bnpo" and not {"top_entropy_quantile", "entropy_coef"} & set(config)


@pytest.mark.parametrize(
    "pair",
    [pair for pair in UPDATE["cases"] if is_same_over_micro_batches(pair["case"]["config"])],
    ids=lambda pair: "-".join(str(value) for value in [*pair["case"]["config"].values(), pair["case"]["window"]]),
)
def test_an_update_of_several_micro_batches_has_the_loss_and_gradient_of_trls_window(pair: dict[str, Any]) -> None:
    for window in pair["result"]["windows"]:
        loss, gradient, _ = update_window(pair, window)
        assert_same(torch.tensor(loss), torch.tensor(window["loss"]), str(pair["case"]), size=1.0)
        assert_same(gradient, tensor(window["gradient"]), str(pair["case"]))


@pytest.mark.parametrize(
    "pair",
    [pair for pair in read("entropy_control")["cases"] if pair["case"]["masks"] == "equal"],
    ids=["fixed", "adaptive from 0.1", "adaptive from 0"],
)
def test_the_entropy_bonus_follows_trls_coefficient_update_for_update(pair: dict[str, Any]) -> None:
    config, inputs = loss_config(pair["case"]["config"]), read("entropy_control")["inputs"]
    control = EntropyControl(config.entropy_coef)
    zeros, coefficients = torch.zeros(4, 2), []
    for entropies, update in zip(inputs["entropies"], pair["result"]["updates"], strict=True):
        loss, metrics = policy_loss(
            zeros, zeros, torch.zeros(4), torch.ones(4, 2), config=config,
            entropies=tensor(entropies[0] + entropies[1]), entropy_coef=control.applied(config),
        )  # fmt: skip
        control = control.after(metrics.bonus_entropy, config)
        coefficients.append(control.coef)
        assert_same(loss, torch.tensor(update["loss"]), str(pair["case"]), size=0.1)
        assert control.coef == update["coef"]  # the same float64 additions
    if config.use_adaptive_entropy:
        assert {min(coefficients), max(coefficients)} == {config.entropy_coef_min, config.entropy_coef_max}
