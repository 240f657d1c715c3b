"""Small lessons for the toy model, and one update on them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from engine.config import RunConfig
from engine.grpo.entropy_control import EntropyControl
from engine.models.policy import Policy
from engine.train.forward import Forward, Row
from engine.train.update import Lesson, UpdateResult, update_policy
from tests.toy import toy_config, toy_policy

# Four groups of three completions, of 1 to 4 tokens.
ROWS = [Row(i, i // 3, [5, 6, 7, 9][: 2 + i // 4], [3, 4, 8, 1][: 1 + i % 4]) for i in range(12)]
# Groups 1 and 3 are dead; in group 2 one completion is exactly at the mean.
ADVANTAGES = torch.tensor([1.0, -0.4, -0.6, 0, 0, 0, 1.0, 0.0, -1.0, 0, 0, 0])
LIVE_ROWS = [0, 1, 2, 6, 8]
LIVE_GROUP_ROWS = [0, 1, 2, 6, 7, 8]


def loss_config(micro_batch_tokens: int = 10_000, **loss: Any) -> RunConfig:
    """β 0 unless given, and no clipping of the gradient, so that updates add up."""
    optim = {"micro_batch_tokens": micro_batch_tokens, "max_grad_norm": 1000.0}
    return toy_config(loss={"beta": 0.0, **loss}, optim=optim, rollout={"prompts_per_step": 16})


def moved_policy() -> Policy:
    """A policy that has left its reference, so that its KL penalty has a gradient."""
    policy = toy_policy()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for _, value in policy.trainable():
            value += 0.05 * torch.randn(value.shape, generator=generator)
    return policy


def sgd(policy: Policy, rate: float = 0.1) -> torch.optim.Optimizer:
    return torch.optim.SGD([parameter for _, parameter in policy.trainable()], lr=rate)


def update_on(
    policy: Policy,
    config: RunConfig,
    advantages: Tensor = ADVANTAGES,
    counted: Sequence[bool] = (True,) * len(ROWS),
    *,
    optimizer: torch.optim.Optimizer | None = None,
    control: EntropyControl | None = None,
    seed: int = 0,
) -> UpdateResult:
    return update_policy(
        Forward(policy, 1.0, [2, 3]), optimizer or sgd(policy), Lesson(ROWS, advantages, counted), config,
        seed=seed, control=control or EntropyControl(config.loss.entropy_coef), check=lambda *_: None,
    )  # fmt: skip


def weights(policy: Policy) -> Tensor:
    """All trainable values in one row, copied."""
    return torch.cat([parameter.detach().flatten() for _, parameter in policy.trainable()])


def change(config: RunConfig, advantages: Tensor = ADVANTAGES, counted: Sequence[bool] = (True,) * len(ROWS)) -> Tensor:
    """What one update changes in the weights of the moved policy."""
    policy = moved_policy()
    before = weights(policy)
    update_on(policy, config, advantages, counted)
    return weights(policy) - before
