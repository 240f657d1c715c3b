"""What stored steps are worth under other settings, with numbers that a person can check."""

import itertools
import math
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
import torch

from engine.analysis.groups import NO_ADVANTAGE
from engine.analysis.what_if import (
    Judged,
    Settings,
    StoredStep,
    flat_share,
    judge,
    ratio_weight,
    stored_steps,
    token_weights,
)
from engine.config_loss import LossConfig, LossType
from engine.config_rewards import Ramp
from engine.errors import StoreError
from engine.grpo import advantages
from engine.grpo.aggregate import LossScale
from engine.grpo.loss import policy_loss

NAN = math.nan


def settings(*weights: float, group_size: int = 4, **loss: Any) -> Settings:
    names = ("exact", "digits", "steps")[: len(weights)]
    return Settings(tuple(zip(names, weights, strict=True)), LossConfig(**{"loss_type": "grpo"} | loss), group_size, 10)


def stored(*rows: tuple[float, ...], size: int = 4, discarded: int = 0, **changes: Any) -> StoredStep:
    """A step of groups of `size`, the last `discarded` of them not trained on; every completion has 2 tokens."""
    groups = len(rows) // size
    plain: dict[str, Any] = {
        "step": 1, "group_size": size, "rewards": np.array(rows, dtype=np.float64), "steps": ({},) * len(rows),
        "lengths": np.full(len(rows), 2), "cut": np.zeros(len(rows), dtype=np.bool_),
        "trained": np.arange(groups) < groups - discarded,
    }  # fmt: skip
    return StoredStep(**plain | changes)


def rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]


MIXED = ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (0.0, 0.0))  # right; wrong but all digits; and two without either


def test_without_a_change_a_step_has_the_advantages_of_the_engine() -> None:
    found = judge(stored(*MIXED), settings(1.0, 0.5))
    assert rounded(found.totals) == [1.0, 0.5, 0.0, 0.0]
    assert rounded(found.advantages) == [1.3053, 0.2611, -0.7832, -0.7832]  # mean .375, std .478714
    assert found.live.tolist() == [True] and found.dead_share == 0.0


def test_a_weight_changes_who_is_best_and_whose_advantage_is_positive() -> None:
    found = judge(stored(*MIXED), settings(0.0, 1.0))
    assert rounded(found.advantages) == [-0.4999, 1.4997, -0.4999, -0.4999]


def test_a_step_is_judged_with_the_weights_that_it_has() -> None:
    """Of two rewards that disagree the first counts alone in step 1, the second in step 3, in step 2 both alike."""
    ramps = (("exact", Ramp(1.0, 0.0, 1, 3)), ("digits", Ramp(0.0, 1.0, 1, 3)))
    changing = replace(settings(1.0, 0.0), ramps=ramps)
    rows = ((1.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.0, 1.0))
    signs = [np.sign(judge(stored(*rows, step=step), changing).advantages).tolist() for step in (1, 2, 3)]
    assert signs == [[1, 1, -1, -1], [0, 0, 0, 0], [-1, -1, 1, 1]]


def test_a_monitor_that_gets_a_weight_brings_a_dead_group_to_life() -> None:
    flat = ((1.0, 1.0), (1.0, 0.0), (1.0, 0.0), (1.0, 1.0))
    assert judge(stored(*flat), settings(1.0, 0.0)).live.tolist() == [False]
    assert judge(stored(*flat), settings(1.0, 0.1)).live.tolist() == [True]
    assert judge(stored(*flat, *MIXED), settings(1.0, 0.0)).dead_share == 0.5


def test_discarded_groups_change_no_advantage_of_the_others_but_count_among_those_without_signal() -> None:
    wild = ((50.0, 0.0), (-50.0, 0.0), (9.0, 0.0), (0.0, 0.0))
    alone = judge(stored(*MIXED), settings(1.0, 0.5, scale_rewards="batch"))
    found = judge(stored(*MIXED, *wild, discarded=1), settings(1.0, 0.5, scale_rewards="batch"))
    assert rounded(found.advantages[:4]) == rounded(alone.advantages)
    assert np.isnan(found.advantages[4:]).all() and np.isnan(found.push[4:]).all()
    assert found.live.tolist() == [True, True]
    assert not np.isnan(found.totals).any()


def test_a_discarded_group_can_be_judged_as_if_it_had_been_trained_on() -> None:
    step = stored(*MIXED, *MIXED, discarded=1).with_trained(1)
    found = judge(step, settings(1.0, 0.5))
    assert rounded(found.advantages[:4]) == rounded(found.advantages[4:]) == [1.3053, 0.2611, -0.7832, -0.7832]


def test_frames_of_the_store_become_steps() -> None:
    frame = pd.DataFrame(
        {
            "step": [3, 3, 3, 3, 7, 7], "group_index": [0, 0, 1, 1, 0, 0], "length": [4, 5, 6, 7, 8, 9],
            "finish_reason": ["eos", "length", "eos", "eos", "eos", "length"],
            "discarded": [None, None, "yes", "yes", None, None], "steps": [{}] * 5 + [{"b": [(0, 1.0)]}],
            "rewards/a": [1.0, 2.0, 3.0, 4.0, 5.0, NAN],
        }
    )  # fmt: skip
    first, second = stored_steps(frame, ["b", "a"])
    assert (first.step, second.step, first.group_size) == (3, 7, 2)
    assert first.rewards[:, 1].tolist() == [1, 2, 3, 4] and np.isnan(first.rewards[:, 0]).all()
    assert first.lengths.tolist() == [4, 5, 6, 7] and second.cut.tolist() == [False, True]
    assert first.trained.tolist() == [True, False] and second.trained.tolist() == [True]
    assert second.steps == ({}, {"b": [(0, 1.0)]})
    with pytest.raises(StoreError, match=r"step 3: groups of \[1, 2\] completions are stored"):
        list(stored_steps(frame[1:], ["a"]))


def test_a_smaller_group_is_its_first_completions() -> None:
    found = judge(stored(*MIXED), settings(1.0, 0.5, group_size=2))
    assert rounded(found.advantages[:2]) == [0.7069, -0.7069]  # 1 and .5: mean .75, std .353553
    assert np.isnan(found.advantages[2:]).all() and np.isnan(found.totals[2:]).all()
    assert found.dead_share == pytest.approx(1 / 6)  # of the 6 pairs one is flat: both zeros


@pytest.mark.parametrize(
    ("totals", "size", "expected"),
    [
        ([1, 1, 0, 0], 2, 2 / 6),  # {1,1} and {0,0}
        ([1, 1, 1, 0], 3, 1 / 4),
        ([1, 2, 3, 4], 2, 0.0),
        ([1, 1, 1, 1], 2, 1.0),
        ([1, 0, NAN, NAN], 2, 5 / 6),  # only {1, 0} has signal: a missing one goes with anything
        ([NAN, NAN, NAN], 2, 1.0),
        ([1.0, 1.0 + 1e-12, 0.0], 2, 1 / 3),  # equal, but for rounding
        ([1e6, 1e6 + 1e-3, 0.0], 2, 1 / 3),  # relative to their size
        ([1e-6, 2e-6, 3e-6], 2, 0.0),  # small, but not equal
    ],
)
def test_the_share_of_smaller_groups_without_signal_is_counted(totals: list[float], size: int, expected: float) -> None:
    assert flat_share(np.array(totals, dtype=np.float64), size) == pytest.approx(expected, abs=1e-12)


def test_counting_agrees_with_trying_every_subset() -> None:
    rng = np.random.default_rng(2)
    for _ in range(40):
        totals = rng.choice([0.0, 0.5, 1.0, NAN], 7)
        size = int(rng.integers(2, 7))
        subsets = [totals[list(places)] for places in itertools.combinations(range(7), size)]
        flat = [len({value for value in subset if not np.isnan(value)}) < 2 for subset in subsets]
        assert flat_share(totals, size) == pytest.approx(np.mean(flat))


def test_where_rewards_are_compared_by_themselves_subsets_are_drawn_always_the_same() -> None:
    gdpo = settings(1.0, 0.5, group_size=2, multi_objective_aggregation="normalize_then_sum")
    step = stored(*MIXED * 50)
    found = judge(step, gdpo).dead_share
    assert found == judge(step, gdpo).dead_share
    assert found == pytest.approx(1 / 6, abs=0.04)  # 800 draws of a share of 1/6: 3 standard errors are 0.04
    assert judge(stored(*[(1.0, 1.0)] * 4), gdpo).dead_share == 1.0
    apart = [(1.0, 0.0), (0.0, 1.0)]  # equal totals: only who compares each reward sees a difference, which cancels out
    assert judge(stored(*apart * 2), settings(1.0, 1.0, group_size=2)).dead_share == 1.0
    unlike = settings(1.0, 0.5, group_size=2, multi_objective_aggregation="normalize_then_sum")
    halves = judge(
        stored(*[(1.0, 0.0), (0.0, 2.0)] * 100), unlike
    ).dead_share  # totals are all 1: 2 of 6 pairs are equal
    assert halves == pytest.approx(1 / 3, abs=0.05)
    mixed = judge(stored(*[(1.0, 1.0)] * 4, *MIXED), settings(1.0, 0.5, group_size=4)).dead_share
    assert mixed == 0.5


def test_subsets_are_drawn_from_each_group_by_itself() -> None:
    gdpo = settings(1.0, 0.5, group_size=2, multi_objective_aggregation="normalize_then_sum")
    apart = ((1.0, 4.0), (2.0, 7.0), (3.0, 9.0), (4.0, 10.0))  # both rewards agree, so that no pair cancels out
    assert judge(stored(*[(1.0, 1.0)] * 4, *apart), gdpo).dead_share == 0.5


def test_one_completion_at_the_mean_does_not_make_a_group_dead() -> None:
    found = judge(stored((1.0,), (0.5,), (0.0,), size=3), settings(1.0, group_size=3))
    assert found.advantages[1] == 0.0 and found.live.tolist() == [True]


def test_tokens_can_have_signal_where_their_mean_has_none() -> None:
    # Scores 1, 0 | 0, 1 are z, −z | −z, z, and each token sums those from it on: 0, −z | 0, z.
    within = ({"exact": [(0, 1.0), (1, 0.0)]}, {"exact": [(0, 0.0), (1, 1.0)]})
    found = judge(
        stored((0.5,), (0.5,), size=2, steps=within, lengths=np.array([2, 2])), settings(1.0, group_size=2)
    )  # fmt: skip
    assert found.live.tolist() == [True] and found.advantages[0] < 0 < found.advantages[1]
    cancelling = ({"exact": [(0, 1.0), (2, 0.5)]}, {"exact": [(0, 0.0), (2, 0.5)]})  # only the first token differs
    step = stored((0.75,), (0.25,), size=2, steps=cancelling, lengths=np.array([3, 3]))
    assert judge(step, settings(1.0, group_size=2)).live.tolist() == [True]


def test_a_completion_that_the_loss_leaves_out_keeps_its_advantage_and_has_no_push() -> None:
    cut = np.array([True, False, False, False])
    assert (judge(stored(*MIXED, cut=cut), settings(1.0, 0.5)).push != 0).all()
    found = judge(stored(*MIXED, cut=cut), settings(1.0, 0.5, mask_truncated_completions=True))
    assert found.advantages[0] > 0 and found.push[0] == 0.0 and found.push[1] > 0


@pytest.mark.parametrize(
    ("loss_type", "expected"),
    [
        ("grpo", [1 / 4, 1 / 12]),  # 2 completions × their 2 and 6 tokens
        ("sapo", [1 / 4, 1 / 12]),
        ("luspo", [1 / 2, 1 / 2]),
        ("dapo", [1 / 8, 1 / 8]),  # 8 tokens in all
        ("bnpo", [1 / 8, 1 / 8]),
        ("vespo", [1 / 8, 1 / 8]),
        ("cispo", [0.2 / 8, 0.2 / 8]),  # capped at ε_high, which is ε where it is empty
        ("dr_grpo", [1 / 20, 1 / 20]),  # 2 completions × 10 tokens at most
    ],
)
def test_what_a_token_s_advantage_is_multiplied_by(loss_type: LossType, expected: list[float]) -> None:
    found = token_weights(np.array([2, 6]), np.array([True, True]), settings(1.0, loss_type=loss_type), 1)
    assert found.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("loss_type", get_args(LossType))
@pytest.mark.parametrize("level", ["token", "sequence"])
def test_the_push_is_the_gradient_of_the_loss_s_first_update(loss_type: LossType, level: str) -> None:
    step = stored(*MIXED, *MIXED[::-1], lengths=np.array([1, 2, 3, 4, 5, 6, 7, 8]), cut=np.arange(8) == 7)
    tried = settings(
        1.0, 0.5, loss_type=loss_type, beta=0.0, importance_sampling_level=level, mask_truncated_completions=True,
        epsilon_high=None if loss_type == "cispo" else 0.3,
    )  # fmt: skip
    found = judge(step, tried)
    mask = (torch.arange(8) < torch.tensor(step.lengths)[:, None]).double()
    mask[7] = 0.0
    logprobs = torch.full((8, 8), -0.5, dtype=torch.float64, requires_grad=True)
    tokens = float(mask.sum())
    loss, _ = policy_loss(
        logprobs, logprobs.detach(), torch.tensor(found.advantages), mask, config=tried.loss,
        scale=LossScale(8, tokens, tried.max_completion_length, tokens, tokens),
    )  # fmt: skip
    (gradient,) = torch.autograd.grad(loss, logprobs)
    expected = found.push[:, None] * mask.numpy()
    np.testing.assert_allclose(-gradient.numpy(), expected, rtol=1e-9, atol=1e-15)


def test_with_mini_batches_a_token_counts_in_a_smaller_update() -> None:
    lengths, counted = np.full(8, 2), np.ones(8, dtype=np.bool_)
    for loss_type in ("grpo", "dapo", "dr_grpo", "luspo", "bnpo"):
        whole = token_weights(lengths, counted, settings(1.0, loss_type=loss_type), 2)
        halves = token_weights(lengths, counted, settings(1.0, loss_type=loss_type, num_minibatches=2), 2)
        assert halves.tolist() == (2 * whole).tolist()


def test_the_weight_of_a_ratio_of_1_is_1_but_for_a_low_cap_of_cispo() -> None:
    for loss_type in get_args(LossType):
        assert ratio_weight(LossConfig(loss_type=loss_type, epsilon_high=5.0)) == 1.0
    assert ratio_weight(LossConfig(loss_type="cispo", epsilon=0.2)) == 0.2


def test_step_scores_bring_a_group_to_life() -> None:
    scored = tuple({"steps": [(0, 1.0), (1, float(i != 0))]} for i in range(4))
    step = stored(*[(1.0, 1.0, 0.5)] * 4, steps=scored)
    found = judge(step, settings(1.0, 0.0, 0.5))
    assert found.live.tolist() == [True] and found.advantages[0] < 0 < found.advantages[1]
    assert judge(step, settings(1.0, 0.0, 0.0)).live.tolist() == [False]
    pairs = judge(stored(*[(1.0, 1.0, 0.5)] * 40, steps=scored * 10), settings(1.0, 0.0, 0.5, group_size=2))
    assert pairs.dead_share == pytest.approx(0.5, abs=0.12)  # those without the first; 160 draws, 3 standard errors


def test_what_is_no_advantage_is_the_same_here_and_in_the_update() -> None:
    assert NO_ADVANTAGE == advantages.NO_ADVANTAGE
    assert isinstance(judge(stored(*MIXED), settings(1.0, 0.5)), Judged)
