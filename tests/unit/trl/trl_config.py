"""A TRL config turned into ours, over settings that every test of engine/trl knows."""

from typing import Any

import pytest

from engine.config import RunConfig
from engine.config_io import parse_config
from engine.errors import ConfigError, Problem
from engine.trl.config import TrlImport, import_trl
from engine.trl.translation import Row

BEFORE: dict[str, Any] = RunConfig.model_validate(
    {
        "name": "before",
        "model": {"source": "embedded", "adapter": "full"},
        "data": {"source": "arithmetic"},
        "rewards": [{"name": "exact_match"}, {"name": "digits_only", "weight": 0.2}],
        "rollout": {"max_batch_tokens": 1000, "dynamic_sampling": True},
        "loss": {"baseline": "leave_one_out", "epsilon": 0.3},
        "optim": {"max_steps": 40, "micro_batch_tokens": 99},
        "evaluation": {"every": 7, "num_prompts": 9},
        "checkpoint": {"every": 8},
    }
).model_dump(mode="json")


def translated(**theirs: Any) -> TrlImport:
    return import_trl(theirs, BEFORE)


def config(**theirs: Any) -> RunConfig:
    """Our configuration, which has to be one that can run."""
    return parse_config(translated(**theirs).settings)


def problems(**theirs: Any) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        translated(**theirs)
    return caught.value.problems


def row(rows: tuple[Row, ...], ours: str) -> Row:
    """The one row about a setting of ours."""
    (found,) = (row for row in rows if row.ours.startswith(f"{ours}:"))
    return found


def not_here(result: TrlImport) -> dict[str, str]:
    return {row.theirs: row.note for row in result.not_here}
