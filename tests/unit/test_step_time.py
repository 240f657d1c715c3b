"""The time of a step from sizes and speeds: each part in arithmetic, and what makes it longer."""

from typing import Any

import pytest

from engine.machine_speed import MachineSpeed
from engine.models.folder import ModelFacts
from engine.models.shape import ModelShape
from engine.step_time import MARGIN, ROLLOUT_FACTOR, UPDATE_FACTOR, StepTime, layer_weights, step_time, time_range
from tests.toy import toy_config

SHAPE = ModelShape(layers=2, hidden=10, heads=2, kv_heads=1, head_dim=5, intermediate=20, vocabulary=100)
FACTS = ModelFacts(parameters=3800, shape=SHAPE)
# Queries and output 10 × 10 each, keys and values 10 × 5 each, three of 10 × 20; two layers.
LAYERS, HEAD = 2 * (200 + 100 + 600), 1000
FREE = 1e30  # a speed at which something takes no time


def speed(flops: float = FREE, weight_bytes: float = FREE, operation_s: float = 0.0) -> MachineSpeed:
    return MachineSpeed("cpu", 1, flops, weight_bytes, operation_s)


def seconds(at: MachineSpeed, tokens: float = 4, **sections: Any) -> StepTime:
    found = step_time(toy_config(**sections), FACTS, 5, tokens, at)  # 2 prompts × 4 completions
    assert found is not None
    return found


def test_the_layers_have_the_weights_of_their_linear_parts() -> None:
    assert layer_weights(SHAPE) == LAYERS


def test_products_are_two_operations_for_each_weight_and_token() -> None:
    found = seconds(speed(flops=1.0))
    read, completed = 2 * 5 + 8 * 4, 8 * 4
    assert found.reference_s == pytest.approx(UPDATE_FACTOR * (2 * LAYERS * read + 2 * HEAD * completed))
    assert found.update_s == pytest.approx(3 * found.reference_s)  # forward, and backward twice as much
    assert found.rollout_s == pytest.approx(ROLLOUT_FACTOR * (2 * LAYERS * 2 * 5 + 4 * 2 * (LAYERS + HEAD) * 8))


def test_sampling_reads_every_weight_for_every_token() -> None:
    found = seconds(speed(weight_bytes=4.0))
    assert found.rollout_s == pytest.approx(ROLLOUT_FACTOR * 4 * (LAYERS + HEAD))
    assert found.reference_s == pytest.approx(
        UPDATE_FACTOR * 2 * LAYERS
    )  # once with the prompts, once with the completions


def test_a_step_of_a_tiny_model_takes_as_long_as_its_operations() -> None:
    short, long = seconds(speed(operation_s=1e-6)), seconds(speed(operation_s=1e-6), tokens=8)
    assert long.rollout_s == pytest.approx(2 * short.rollout_s)  # one pass for each token
    assert long.update_s == short.update_s  # as many passes as before


def test_an_adapter_has_cheaper_updates_and_dearer_passes() -> None:
    lora = {"adapter": "lora", "lora_rank": 1}
    assert seconds(speed(flops=1.0), model=lora).update_s < seconds(speed(flops=1.0)).update_s
    assert seconds(speed(operation_s=1.0), model=lora).rollout_s > seconds(speed(operation_s=1.0)).rollout_s


def test_a_batch_that_is_used_twice_takes_two_updates() -> None:
    at = speed(flops=1.0)
    assert seconds(at, loss={"num_iterations": 2}).update_s == pytest.approx(2 * seconds(at).update_s)


def test_the_range_reaches_from_short_completions_to_whole_ones_with_a_margin() -> None:
    config, at = toy_config(rollout={"max_completion_length": 40}), speed(flops=1.0)
    found = time_range(config, FACTS, 5, at)
    assert found is not None
    assert found.low_s == pytest.approx(seconds(at, 10).total_s / MARGIN)
    assert found.high_s == pytest.approx(seconds(at, 40).total_s * MARGIN)
    assert found.whole.completion_tokens == 40


def test_a_model_of_unknown_sizes_has_no_estimate() -> None:
    assert time_range(toy_config(), ModelFacts(parameters=5), 5, speed()) is None
