"""Our advantages are TRL's, on the same rewards."""

from typing import Any

import pytest
import torch
from torch import Tensor

from engine.grpo import group_advantages
from engine.grpo.advantages import dead_groups, group_statistics, total_rewards
from tests.reference.stored import assert_same, read, tensor

CASES = read("advantages")["cases"]
# Where we differ on purpose: see test_differences.py.
DIFFERENT = ("an equal group whose mean rounds", "only the monitor has a value")


def weights_of(case: dict[str, Any]) -> Tensor:
    return torch.tensor(case["config"]["reward_weights"])


def our_advantages(case: dict[str, Any], **settings: Any) -> Tensor:
    config = case["config"]
    return group_advantages(
        tensor(case["rewards"]), weights_of(case), case["group_size"],
        scale_rewards=config.get("scale_rewards", "group"),
        aggregation=config.get("multi_objective_aggregation", "sum_then_normalize"), **settings,
    )  # fmt: skip


def name_of(pair: dict[str, Any]) -> str:
    config = pair["case"]["config"]
    return f"{pair['case']['name']} - {config.get('scale_rewards', 'gdpo')}"


@pytest.mark.parametrize("pair", [pair for pair in CASES if pair["case"]["name"] not in DIFFERENT], ids=name_of)
def test_advantages_equal_trl(pair: dict[str, Any]) -> None:
    assert_same(our_advantages(pair["case"]), tensor(pair["result"]["advantages"]), name_of(pair))


@pytest.mark.parametrize("pair", [pair for pair in CASES if pair["case"]["name"] not in DIFFERENT], ids=name_of)
def test_totals_have_the_mean_and_std_that_trl_logs(pair: dict[str, Any]) -> None:
    totals = total_rewards(tensor(pair["case"]["rewards"]), weights_of(pair["case"]))
    mean, std = group_statistics(totals, len(totals))
    assert_same(
        mean[0], torch.tensor(pair["result"]["metrics"]["reward"]), "reward", size=float(totals.nan_to_num().max())
    )
    assert_same(std[0], torch.tensor(pair["result"]["metrics"]["reward_std"]), "reward_std")


@pytest.mark.parametrize("name", ["one function", "equal groups", "all equal", "one missing in one equal group"])
def test_the_share_of_dead_groups_is_trls_frac_reward_zero_std(name: str) -> None:
    (pair,) = [p for p in CASES if p["case"]["name"] == name and p["case"]["config"].get("scale_rewards") == "group"]
    totals = total_rewards(tensor(pair["case"]["rewards"]), weights_of(pair["case"]))
    assert float(dead_groups(totals, 4).float().mean()) == pair["result"]["metrics"]["frac_reward_zero_std"]
