"""Runs of the engine, computed again from what they stored: in each setting of the advantages, and it can fail."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import RunConfig
from engine.runs.paths import RunPaths
from engine.runs.reader import RunReader
from engine.runs.schema import ARRAY_DTYPES
from engine.train.loop import run_engine
from tests.recompute import recompute, runs_below
from tests.toy import toy_config
from tests.unit.train.conftest import make_run

STEPWISE = ({"name": "digit_steps", "weight": 0.7}, {"name": "digit_match", "weight": -0.5})


def trained(root: Path, *rewards: dict[str, Any], **loss: Any) -> RunPaths:
    sections: dict[str, Any] = {"rollout": {"prompts_per_step": 3}, "evaluation": {"every": 9}, "loss": loss}
    raw = toy_config(optim={"max_steps": 2}, **sections).model_dump(mode="json")
    config = RunConfig.model_validate(raw | ({"rewards": rewards} if rewards else {}))
    paths = make_run(root, config)
    assert run_engine(paths) == "finished"
    return paths


@pytest.mark.parametrize(
    "loss",
    [
        {},
        {"scale_rewards": "batch", "num_minibatches": 2},
        {"scale_rewards": "none", "baseline": "leave_one_out"},
        {"multi_objective_aggregation": "normalize_then_sum", "baseline": "leave_one_out"},
    ],
)
def test_a_run_s_own_settings_give_its_advantages(tmp_path: Path, loss: dict[str, Any]) -> None:
    paths = trained(tmp_path / "run", **loss)
    assert runs_below(tmp_path) == [paths]
    assert recompute(paths) == (2 * 3 * 4, [])


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_so_do_those_of_a_run_with_process_supervision(tmp_path: Path, scale: str) -> None:
    assert recompute(trained(tmp_path / "run", *STEPWISE, scale_rewards=scale)) == (2 * 3 * 4, [])


def test_an_advantage_that_is_off_by_more_than_a_millionth_is_found(tmp_path: Path) -> None:
    paths = trained(tmp_path / "run")
    change = (
        "UPDATE completions SET advantage = advantage {} WHERE step = 2 AND group_index = 1 AND completion_index = 3"
    )
    edit(paths, change.format("+ 0.9e-6"))
    assert recompute(paths)[1] == []
    edit(paths, change.format("+ 1e-6"))
    (line,) = recompute(paths)[1]
    assert line.startswith("run, step 2, completion 7: stored ")
    edit(paths, change.format("- 1.9e-6"))


def test_a_token_s_advantage_that_is_off_is_found(tmp_path: Path) -> None:
    paths = trained(tmp_path / "run", *STEPWISE)
    where = "FROM tokens WHERE step = 1 AND group_index = 2 AND completion_index = 0"
    with closing(sqlite3.connect(paths.db)) as db:
        (blob,) = db.execute(f"SELECT token_advantages {where}").fetchone()
    values = np.frombuffer(blob, dtype=ARRAY_DTYPES["token_advantages"]).copy()
    values[-1] += 0.1
    edit(paths, f"UPDATE tokens SET token_advantages = ? {where.removeprefix('FROM tokens ')}", values.tobytes())
    assert recompute(paths)[1] == ["run, step 1: tokens of completion 8"]
    edit(paths, f"UPDATE tokens SET token_advantages = ? {where.removeprefix('FROM tokens ')}", blob)


def edit(paths: RunPaths, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(paths.db)) as db, db:
        db.execute(sql, values)


def test_weights_that_change_gates_and_limits_count_as_they_did_in_each_step(tmp_path: Path) -> None:
    """digit_match alone decides in step 1, and nothing of it in step 2; what its gate or limit took away is stored."""
    paths = trained(
        tmp_path / "run",
        {"name": "exact_match", "weight": 0.0, "final_weight": 1.0},
        {"name": "digit_match", "weight": 1.0, "final_weight": 0.0, "clip_high": 0.4},
        {"name": "closeness", "function": "digit_match", "weight": 0.0, "gate": "exact_match"},
    )
    compared, wrong = recompute(paths)
    assert (compared, wrong) == (24, [])
    reader = RunReader(paths.db)
    for row in [*reader.completions(1).itertuples(), *reader.completions(2).itertuples()]:
        assert row.total == row.rewards["digit_match" if row.step == 1 else "exact_match"]
        given = row.raw.get("digit_match", row.rewards["digit_match"])
        assert row.rewards["digit_match"] == min(given, 0.4)
        assert row.rewards["closeness"] == (given if row.rewards["exact_match"] == 1 else 0.0)
        assert ("closeness" in row.raw) == (given > 0 and row.rewards["exact_match"] < 1)
