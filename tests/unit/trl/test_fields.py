"""The tables: they know every field that TRL 1.16 writes, with the default that it has there."""

import json
from pathlib import Path

import pytest

from engine.trl.fields import DEFAULTS, NOT_HERE, SAME, SPECIAL, is_default
from engine.trl.translation import typed

# GRPOConfig(...).to_json_string() of TRL 1.16.0, made with the changes that CHANGED names.
WRITTEN = json.loads((Path(__file__).parent / "grpo_config.json").read_text())
CHANGED = {
    "output_dir", "run_name", "use_cpu", "per_device_train_batch_size", "gradient_accumulation_steps",
    "steps_per_generation", "generation_batch_size", "num_iterations", "max_steps", "learning_rate", "beta",
    "epsilon_high", "loss_type", "max_completion_length", "temperature", "lr_scheduler_type", "warmup_steps",
    "eval_strategy", "eval_steps", "do_eval", "per_device_eval_batch_size", "save_steps", "save_total_limit",
    "load_best_model_at_end", "metric_for_best_model", "greater_is_better", "num_generations_eval", "scale_rewards",
    "seed", "reward_weights", "bf16", "dataloader_pin_memory",
}  # fmt: skip


def test_every_field_that_trl_writes_is_known():
    assert set(WRITTEN) - set(DEFAULTS) == set()


def test_what_was_not_changed_is_at_the_default_of_the_table():
    assert {name for name, value in WRITTEN.items() if not is_default(name, value)} == CHANGED


def test_each_field_stands_in_one_table():
    names = [*SAME, *SPECIAL, *(name for group in NOT_HERE for name in group.defaults)]
    assert len(names) == len(set(names))


def test_every_counterpart_is_a_setting_of_ours():
    for name, (path, _) in SAME.items():
        assert typed(path, None) is None, name  # raises KeyError for a setting that is not there


@pytest.mark.parametrize(
    ("name", "value"),
    [("hub_token", "<HUB_TOKEN>"), ("report_to", "none"), ("learning_rate", "1e-6"), ("datasets", []), ("fp16", False)],
)
def test_what_says_no_more_than_its_absence_is_a_default(name, value):
    assert is_default(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("hub_token", "secret"), ("top_k", False), ("push_to_hub", True), ("seed", "many")],
)
def test_anything_else_is_not(name, value):
    assert not is_default(name, value)
