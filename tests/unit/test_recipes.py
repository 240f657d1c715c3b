"""Recipes: what papers publish, in our settings, beside configurations that parse."""

import pytest

from engine.config_io import dump_config, flatten, parse_config, pass_reward, spelled_out
from engine.presets import PRESETS
from engine.recipe import Published, compared
from engine.recipes import RECIPES, recipe
from tests.toy import toy_config


@pytest.mark.parametrize("found", RECIPES, ids=lambda found: found.key)
def test_every_recipe_is_a_valid_configuration_that_judges_right_and_wrong(found):
    assert parse_config(dump_config(found.config)) == spelled_out(found.config)
    assert pass_reward(found.config) is not None


def test_keys_and_names_are_unique_among_recipes_and_presets():
    starts = [*RECIPES, *PRESETS]
    assert len({found.key for found in starts}) == len({found.config.name for found in starts}) == len(starts)


@pytest.mark.parametrize("found", RECIPES, ids=lambda found: found.key)
def test_every_published_setting_exists(found):
    assert set(found.published) <= set(flatten(found.config))


@pytest.mark.parametrize("found", RECIPES, ids=lambda found: found.key)
def test_a_recipe_departs_from_its_paper_in_sizes_alone(found):
    sizes = {
        "rollout.num_generations", "rollout.prompts_per_step", "rollout.max_completion_length", "loss.num_minibatches",
        "loss.ref_model_sync_steps", "optim.learning_rate", "optim.warmup_steps", "rewards[1].params.max_length",
        "rewards[1].params.cache",
    }  # fmt: skip
    assert {row.field for row in found.differences} <= sizes
    assert all(row.reason.startswith("scaled") for row in found.differences)


def published(key: str, *fields: str) -> list[object]:
    return [recipe(key).published[field].value for field in fields]


def test_what_the_papers_state():
    rollout = ("rollout.num_generations", "rollout.prompts_per_step", "rollout.max_completion_length")
    assert published("deepseekmath", *rollout, "loss.beta", "optim.learning_rate") == [64, 16, 1024, 0.04, 1e-6]
    assert published("deepseek-r1", *rollout, "loss.beta", "loss.epsilon") == [16, 512, 32_768, 0.001, 10]
    assert published("dr-grpo", *rollout, "loss.scale_rewards", "loss.beta") == [8, 128, 3000, "none", 0]
    assert published("dapo", *rollout, "loss.epsilon", "loss.epsilon_high") == [16, 512, 20_480, 0.2, 0.28]
    assert published("gspo", "loss.epsilon", "loss.epsilon_high", "loss.num_minibatches") == [3e-4, 4e-4, 4]
    assert published("cispo", "loss.epsilon_high", "optim.adam_beta2", "loss.num_minibatches") == [5, 0.95, 16]


def test_outputs_of_a_rollout_and_of_an_update_are_those_of_the_papers():
    def outputs(key: str) -> tuple[float, float]:
        prompts, group, parts = published(
            key, "rollout.prompts_per_step", "rollout.num_generations", "loss.num_minibatches"
        )
        return prompts * group, prompts * group / parts

    assert outputs("deepseekmath") == (1024, 1024)
    assert outputs("deepseek-r1") == (8192, 512)
    assert outputs("dr-grpo") == (1024, 128)
    assert outputs("dapo") == (8192, 512)


def test_a_value_that_is_not_the_papers_says_where_it_comes_from():
    assert "not in the paper" in recipe("cispo").published["loss.epsilon_high"].origin
    assert "not in the paper" in recipe("gspo").published["loss.beta"].origin
    assert "authors' code" in recipe("dr-grpo").published["rollout.num_generations"].origin


def test_a_difference_says_what_was_done_to_the_number():
    rows = {row.field: (row.published, row.here, row.reason) for row in recipe("deepseekmath").differences}
    assert rows == {
        "rollout.num_generations": (64, 8, "scaled down"),
        "rollout.max_completion_length": (1024, 6, "scaled down"),
        "optim.learning_rate": (
            1e-6, 1e-4, "scaled up: a small model moves too little in a short run at the published rate",
        ),
    }  # fmt: skip


def test_an_edited_method_is_told_apart_from_a_size():
    rows = compared({"loss.loss_type": Published("grpo"), "loss.beta": Published(0.04)}, toy_config(loss={"beta": 0.5}))
    assert [(row.here, row.reason) for row in rows] == [
        ("dapo", "another method than the paper's"),
        (0.5, "scaled up"),
    ]


def test_a_published_setting_that_was_removed_counts_as_different():
    (row,) = compared({"rewards[5].weight": Published(1.0)}, toy_config())
    assert row.here is None and row.reason


def test_an_unknown_recipe_is_refused():
    with pytest.raises(KeyError):
        recipe("ppo")
