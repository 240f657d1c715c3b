"""The advantages that pages recompute are those of the engine, in every setting, with whatever is missing."""

import itertools
import math
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.analysis import advantages as pure
from engine.config import RunConfig
from engine.config_loss import Aggregation, Baseline, LossConfig, ScaleRewards
from engine.grpo.advantages import _FLAT, STD_GUARD, dead_groups, group_advantages, group_statistics, total_rewards
from engine.grpo.process import at_positions, process_advantages
from engine.rewards.score import Scores
from engine.train.credit import credit
from tests.toy import toy_config

NAN = math.nan
# float64 sums in another order may round to the other of two neighbouring float32 numbers: 1.2e-7 relative.
ONE_FLOAT32 = {"rtol": 1.3e-7, "atol": 1e-12}
SETTINGS = list(itertools.product(get_args(ScaleRewards), get_args(Aggregation), get_args(Baseline)))


def drawn(rng: np.random.Generator, groups: int, size: int, functions: int) -> NDArray[np.float64]:
    """Rewards of every kind: binary, real, large, flat groups, missing values, groups with one or no scored one."""
    rewards = rng.normal(0, rng.choice([0.01, 1.0, 1000.0]), (groups * size, functions))
    binary = rng.random(functions) < 0.5
    rewards[:, binary] = rewards[:, binary] > 0
    rewards[rng.random(rewards.shape) < rng.choice([0.0, 0.1, 0.7])] = NAN
    grouped = rewards.reshape(groups, size, functions)
    for group in grouped:
        match rng.integers(5):
            case 0:
                group[:] = rng.choice([0.0, 1.0, 1e6])
            case 1:
                group[1:] = NAN
            case 2:
                group[:] = NAN
    return rewards


@pytest.mark.parametrize(("scale", "aggregation", "baseline"), SETTINGS)
def test_advantages_are_those_of_the_engine(scale: ScaleRewards, aggregation: Aggregation, baseline: Baseline) -> None:
    rng = np.random.default_rng([SETTINGS.index((scale, aggregation, baseline)), 7])
    settings: Any = {"scale_rewards": scale, "aggregation": aggregation, "baseline": baseline}
    not_zero = 0
    for _ in range(120):
        size, functions = int(rng.integers(2, 9)), int(rng.integers(1, 4))
        rewards = drawn(rng, int(rng.integers(1, 7)), size, functions)
        weights = rng.choice([0.0, 0.3, 1.0, -2.0], functions)
        found = pure.group_advantages(rewards, weights, size, **settings)
        wanted = group_advantages(torch.tensor(rewards), torch.tensor(weights), size, **settings).numpy()
        assert found.dtype == wanted.dtype == np.float32
        np.testing.assert_allclose(found, wanted, **ONE_FLOAT32)
        not_zero += int((wanted != 0).sum())
    assert not_zero > 300  # the grid is not all "no evidence"


def test_totals_statistics_and_dead_groups_are_those_of_the_engine() -> None:
    rng = np.random.default_rng(3)
    for _ in range(120):
        size = int(rng.integers(2, 9))
        rewards, weights = drawn(rng, 4, size, 3), rng.choice([0.0, 1.0, 0.3], 3)
        totals = pure.total_rewards(rewards, weights)
        wanted = total_rewards(torch.tensor(rewards), torch.tensor(weights))
        np.testing.assert_allclose(totals, wanted.numpy(), rtol=1e-12, atol=1e-12)
        mean, std = group_statistics(wanted, size)
        found = pure.group_statistics(totals, size)
        np.testing.assert_allclose(found.mean, mean.numpy(), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found.std, std.numpy(), rtol=1e-12, atol=1e-9)
        assert pure.dead_groups(totals, size).tolist() == dead_groups(wanted, size).tolist()


@pytest.mark.parametrize("scale", get_args(ScaleRewards))
def test_process_advantages_are_those_of_the_engine(scale: ScaleRewards) -> None:
    rng = np.random.default_rng(5)
    for _ in range(100):
        size, length = int(rng.integers(2, 6)), int(rng.integers(1, 12))
        pairs = [
            [(int(rng.integers(length)), float(rng.choice([0.0, 0.5, 1.0]))) for _ in range(rng.integers(0, 5))]
            for _ in range(3 * size)
        ]
        scores = pure.at_positions(pairs, length)
        np.testing.assert_array_equal(scores, at_positions(pairs, length).numpy())
        found = pure.process_advantages(scores, size, scale_rewards=scale)
        wanted = process_advantages(torch.tensor(scores), size, scale_rewards=scale).numpy()
        np.testing.assert_allclose(found, wanted, rtol=1.3e-7, atol=1e-9)


@pytest.mark.parametrize("weights", [(1.0, 0.3, 0.5), (0.0, 0.0, 2.0), (1.0, 0.3, 0.0), (0.0, 1.0, -1.0)])
def test_the_credit_of_a_step_is_that_of_the_engine(weights: tuple[float, ...]) -> None:
    rng = np.random.default_rng(11)
    names = ("exact_match", "digit_match", "digit_steps")
    for scale, baseline in itertools.product(get_args(ScaleRewards), get_args(Baseline)):
        rewards = drawn(rng, 3, 4, 3)
        lengths = rng.integers(1, 9, 12)
        steps = [
            {} if np.isnan(value) else {"digit_steps": [(int(rng.integers(length)), float(rng.integers(2)))]}
            for value, length in zip(rewards[:, 2], lengths, strict=True)
        ]
        changed = {"loss": LossConfig(scale_rewards=scale, baseline=baseline).model_dump()}
        specs = [{"name": name, "weight": weight} for name, weight in zip(names, weights, strict=True)]
        config = RunConfig.model_validate({**toy_config().model_dump(mode="json"), **changed, "rewards": specs})
        wanted = credit(
            Scores(names, rewards, [{}] * 12, [None] * 12, 0.0, {}, steps), lengths.tolist(), 4, config
        )  # fmt: skip
        found = pure.credit(
            rewards, names, steps, lengths, 4, dict(zip(names, weights, strict=True)), config.loss
        )  # fmt: skip
        np.testing.assert_allclose(found.advantages, wanted.advantages.numpy(), rtol=1e-6, atol=1e-7)
        assert (found.tokens is None) == (wanted.tokens is None)
        if found.tokens is not None and wanted.tokens is not None:
            np.testing.assert_allclose(found.tokens, wanted.tokens.numpy(), rtol=1e-6, atol=1e-7)


def test_a_step_outside_its_completion_and_a_group_that_is_not_whole_are_refused() -> None:
    with pytest.raises(ValueError, match="completion 0: step score at token 2, but it has 2 tokens"):
        pure.at_positions([[(2, 1.0)]], 2)
    with pytest.raises(ValueError, match="completion 0: step score at token -1"):
        pure.at_positions([[(-1, 1.0)]], 2)
    with pytest.raises(ValueError, match="3 completions are not whole groups of 2"):
        pure.group_advantages(np.zeros((3, 1)), np.ones(1), 2)


@pytest.mark.parametrize(
    ("totals", "dead"), [([1e6, 1e6 + 1e-3], True), ([1e6, 1e6 + 0.1], False), ([1e-6, 2e-6], False), ([0, 1e-9], True)]
)
def test_equal_is_meant_relative_to_the_size_of_totals_beyond_1(totals: list[float], dead: bool) -> None:
    assert (
        pure.dead_groups(np.array(totals), 2).tolist()
        == dead_groups(torch.tensor(totals, dtype=torch.float64), 2).tolist()
        == [dead]
    )


def test_the_guard_and_what_counts_as_flat_are_the_engine_s() -> None:
    assert pure.STD_GUARD == STD_GUARD and pure.FLAT == _FLAT
