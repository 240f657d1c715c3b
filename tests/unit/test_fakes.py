"""Fake runs are true in what pages recompute: their advantages follow from their rewards in every setting."""

from pathlib import Path
from typing import Any

import pytest

from tests.fakes import fake_config, write_fake_run
from tests.recompute import recompute


@pytest.mark.parametrize(
    "loss",
    [
        {"scale_rewards": "batch"},
        {"scale_rewards": "none", "baseline": "leave_one_out"},
        {"multi_objective_aggregation": "normalize_then_sum"},
    ],
)
@pytest.mark.parametrize("dynamic", [False, True])
def test_a_fake_run_has_the_advantages_of_its_settings(tmp_path: Path, loss: dict[str, Any], dynamic: bool) -> None:
    config = fake_config(name="fake", steps=6, dynamic_sampling=dynamic)
    config = config.model_copy(update={"loss": config.loss.model_copy(update=loss)})
    assert recompute(write_fake_run(tmp_path, "fake", steps=6, config=config)) == (6 * 6 * 8, [])
