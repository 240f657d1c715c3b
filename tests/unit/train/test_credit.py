"""Who gets which advantage: whole completions, and tokens under process supervision."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from engine.config import RunConfig
from engine.rewards.score import Scores
from engine.runs.reader import RunReader
from engine.train.credit import credit
from engine.train.loop import run_engine
from tests.toy import toy_config
from tests.unit.train.conftest import make_run

NAN = math.nan
ROUNDING = {"rtol": 0.0, "atol": 1e-5}


def config(*rewards: tuple[str, float]) -> RunConfig:
    specs = [{"name": name, "weight": weight} for name, weight in rewards]
    return RunConfig.model_validate({**toy_config().model_dump(mode="json"), "rewards": specs})


def scores(
    names: tuple[str, ...], values: list[list[float]], steps: list[dict[str, list[tuple[int, float]]]]
) -> Scores:
    return Scores(names, np.array(values), [{} for _ in values], [None] * len(values), 0.0, {}, steps)


def test_without_step_scores_each_completion_has_one_advantage() -> None:
    found = credit(scores(("exact_match",), [[1.0], [0], [0], [0]], [{}] * 4), [2] * 4, 4, config(("exact_match", 1.0)))
    assert found.tokens is None and found.of_lesson is found.advantages
    assert_close(found.advantages, torch.tensor([1.4997, -0.4999, -0.4999, -0.4999]), **ROUNDING)


def test_a_token_is_credited_with_the_steps_that_end_at_or_after_it() -> None:
    # Steps 1, 0 | 1, 1 (by hand): mean .75, n-1 std .5, so z = .25 / .5001 and -.75 / .5001.
    steps = [{"digit_steps": [(0, 1.0), (1, 0.0)]}, {"digit_steps": [(0, 1.0), (1, 1.0)]}]
    found = credit(scores(("digit_steps",), [[0.5], [1.0]], steps), [3, 2], 2, config(("digit_steps", 1.0)))
    up, down = 0.25 / 0.5001, -0.75 / 0.5001
    assert found.tokens is not None
    assert_close(found.tokens, torch.tensor([[up + down, down, 0.0], [2 * up, up, 0.0]]), **ROUNDING)
    assert_close(found.advantages, torch.tensor([(up + 2 * down) / 3, 3 * up / 2]), **ROUNDING)
    assert found.totals.tolist() == [0.5, 1.0]


def test_outcome_and_process_rewards_add_up_with_their_weights() -> None:
    steps = [{"digit_steps": [(0, 1.0)]}, {"digit_steps": [(0, 0.0)]}]
    values = [[1.0, 1.0], [0.0, 0.0]]
    found = credit(
        scores(("exact_match", "digit_steps"), values, steps), [1, 1], 2,
        config(("exact_match", 1.0), ("digit_steps", 0.5)),
    )  # fmt: skip
    z = 0.5 / (0.5**0.5 + 1e-4)  # two scores, 1 and 0: mean .5, std sqrt(.5)
    assert found.tokens is not None
    assert_close(found.tokens, torch.tensor([[1.5 * z], [-1.5 * z]]), **ROUNDING)
    assert found.totals.tolist() == [1.5, 0.0] and found.mean.tolist() == [0.75]


def test_a_step_reward_that_is_only_a_monitor_moves_nothing() -> None:
    steps = [{"digit_steps": [(0, 1.0)]}, {"digit_steps": [(0, 0.0)]}]
    found = credit(
        scores(("exact_match", "digit_steps"), [[1.0, 1.0], [1.0, 0.0]], steps), [1, 1], 2,
        config(("exact_match", 1.0), ("digit_steps", 0.0)),
    )  # fmt: skip
    assert found.tokens is None and found.advantages.tolist() == [0.0, 0.0]


def test_a_missing_step_score_leaves_that_completion_without_evidence() -> None:
    steps: list[dict[str, list[tuple[int, float]]]] = [
        {"digit_steps": [(0, 1.0)]}, {"digit_steps": [(0, 0.0)]}, {}, {"digit_steps": [(0, 0.0)]},
    ]  # fmt: skip
    found = credit(scores(("digit_steps",), [[1.0], [0], [NAN], [0]], steps), [1] * 4, 4, config(("digit_steps", 1.0)))
    assert found.advantages[2] == 0.0 and found.advantages[0] > 0 > found.advantages[1]


def test_a_run_keeps_step_scores_and_the_advantage_of_every_token(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rewards = [{"name": "digit_steps", "weight": 1.0}]
    paths = make_run(
        tmp_path / "run",
        RunConfig.model_validate({**toy_config(optim={"max_steps": 2}).model_dump(mode="json"), "rewards": rewards}),
    )
    assert run_engine(paths) == "finished"
    reader = RunReader(paths.db)
    rows = reader.completions(2)
    for row in rows.to_dict(orient="records"):
        tokens = reader.tokens(2, row["group_index"], row["completion_index"])
        assert tokens is not None and tokens.advantages is not None
        assert len(tokens.advantages) == row["length"]
        assert float(tokens.advantages.mean()) == pytest.approx(row["advantage"], abs=1e-6)
        assert row["rewards"]["digit_steps"] == pytest.approx(np.mean([s for _, s in row["steps"]["digit_steps"]]))
