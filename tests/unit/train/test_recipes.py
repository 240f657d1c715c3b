"""Every recipe of the embedded model trains: two steps through the engine, with the toy model in its place."""

from pathlib import Path

import pytest

from engine.recipe import Recipe
from engine.recipes import RECIPES
from engine.runs.reader import RunReader
from engine.train.loop import run_engine
from tests.unit.train.conftest import make_run

EMBEDDED = [found for found in RECIPES if found.config.model.source == "embedded"]


@pytest.mark.slow
@pytest.mark.parametrize("found", EMBEDDED, ids=lambda found: found.key)
def test_a_recipe_trains(found: Recipe, tmp_path: Path) -> None:
    config = found.config
    two_steps = config.model_copy(
        update={
            "optim": config.optim.model_copy(update={"max_steps": 2, "warmup_steps": 1}),
            "evaluation": config.evaluation.model_copy(update={"num_prompts": 8}),
        }
    )
    paths = make_run(tmp_path / "run", two_steps)
    assert run_engine(paths) == "finished"
    reader = RunReader(paths.db)
    assert list(reader.steps()["step"]) == [1, 2]
    assert set(reader.events()["level"]) == {"info"}
