"""A whole TRL config: what it becomes, what is told of it, and that nothing in it is lost without a word."""

import datetime
import json
import math
from pathlib import Path

import pytest

from engine.config import LossConfig
from engine.config_io import parse_config
from engine.config_text import read_mapping
from engine.errors import ConfigError
from engine.trl.config import import_trl, looks_like_trl, report_lines
from engine.trl.fields import DEFAULTS, is_default
from tests.unit.trl.trl_config import BEFORE, config, not_here, problems, row, translated

WRITTEN = json.loads((Path(__file__).parent / "grpo_config.json").read_text())
YAML = """\
# trl grpo --config grpo.yaml
model_name_or_path: org/small-instruct
dataset_name: data/train.jsonl
reward_funcs: [accuracy_reward]
use_peft: true
learning_rate: 1e-5
num_generations: 16
gradient_accumulation_steps: 8
scale_rewards: false
max_steps: 100
use_vllm: true
vllm_gpu_memory_utilization: 0.5
report_to: wandb
logging_steps: 1
hub_token: hf_secret
push_to_hub: true
env: {WANDB_API_KEY: very-secret}
learning_rat: 3
"""


def test_a_config_that_trl_wrote_becomes_one_that_can_run():
    found = parse_config(import_trl(WRITTEN, BEFORE).settings)
    assert (found.name, found.device, found.seed) == ("qwen-math", "cpu", 7)
    assert (found.rollout.num_generations, found.rollout.prompts_per_step) == (8, 8)
    assert (found.rollout.max_completion_length, found.rollout.temperature) == (1024, 0.9)
    assert (found.loss.loss_type, found.loss.beta, found.loss.epsilon_high) == ("bnpo", 0.001, 0.28)
    assert (found.loss.scale_rewards, found.loss.num_iterations, found.loss.num_minibatches) == ("none", 2, 2)
    assert (found.optim.learning_rate, found.optim.lr_scheduler_type) == (3e-6, "cosine")
    assert (found.optim.max_steps, found.optim.warmup_steps) == (100, 10)  # 400 updates, 4 in each step; a tenth
    assert (found.evaluation.every, found.evaluation.num_generations) == (13, 4)
    assert (found.checkpoint.every, found.checkpoint.keep) == (25, 3)
    assert found.checkpoint.metric_for_best_model == "reward"


def test_a_yaml_file_becomes_one_that_can_run():
    found = parse_config(import_trl(read_mapping(YAML), BEFORE).settings)
    assert (found.model.source, found.model.adapter, found.data.source) == (
        "org/small-instruct",
        "lora",
        "data/train.jsonl",
    )
    assert (found.optim.learning_rate, found.rollout.prompts_per_step, found.optim.max_steps) == (1e-5, 4, 100)
    assert [spec.name for spec in found.rewards] == ["numeric_match"]


@pytest.mark.parametrize("theirs", [WRITTEN, read_mapping(YAML)], ids=["json", "yaml"])
def test_every_field_that_says_something_is_told(theirs):
    """Fields that only helped to work another one out stand in that one's row."""
    result = import_trl(theirs, BEFORE)
    told = " ".join(row.theirs for _, rows in result.tables() for row in rows)
    silent = {name for name, value in theirs.items() if name in DEFAULTS and not is_default(name, value)}
    helpers = {"output_dir", "greater_is_better", "reward_funcs"}
    assert {name for name in silent - helpers if name not in told} == set()


def test_what_is_absent_takes_trls_default_where_ours_differs():
    result = translated(temperature=0.7)
    found = parse_config(result.settings)
    assert (found.loss.beta, found.optim.learning_rate, found.rollout.max_completion_length) == (0.0, 1e-6, 512)
    assert (found.optim.lr_scheduler_type, found.loss.loss_type) == ("linear", "dapo")
    assert found.loss.use_bias_correction_kl is True
    assert row(result.mapped, "loss.beta").theirs == "beta: 0 (TRL's default)"


def test_settings_of_grpo_that_trl_has_not_go_back_to_what_trl_does():
    found = config(temperature=0.7)
    assert (found.loss.baseline, found.rollout.dynamic_sampling) == ("mean", False)
    assert (found.loss.epsilon, found.loss.kl_estimator) == (0.2, LossConfig().kl_estimator)


def test_what_bounds_memory_and_evaluation_stays():
    found = config(temperature=0.7)
    assert (found.rollout.max_batch_tokens, found.optim.micro_batch_tokens, found.evaluation.num_prompts) == (
        1000,
        99,
        9,
    )


def test_fields_at_their_default_that_change_nothing_are_counted_and_not_listed():
    result = translated(temperature=1.0, top_p=1.0, epsilon=0.25)
    assert result.as_before == 2
    assert "2 more fields have TRL's default," in result.rest_in_words()
    assert row(result.mapped, "loss.epsilon").ours == "loss.epsilon: 0.25"


def test_what_has_no_place_here_is_grouped_with_a_reason():
    told = not_here(import_trl(read_mapping(YAML), BEFORE))
    assert "sampled by the trained model itself" in told["use_vllm, vllm_gpu_memory_utilization"]
    assert "recorded in full" in told["logging_steps, report_to"]


def test_secrets_are_never_shown():
    lines = "\n".join(report_lines(import_trl(read_mapping(YAML), BEFORE)))
    assert "secret" not in lines and "push_to_hub, hub_token" in lines and "  env\n" in lines


def test_an_unknown_field_is_named_with_the_nearest_one():
    (unknown,) = import_trl(read_mapping(YAML), BEFORE).unknown
    assert unknown.theirs == "learning_rat" and unknown.note.endswith("Did you mean 'learning_rate'?")


@pytest.mark.parametrize(
    ("theirs", "field", "ours"),
    [
        ({"scale_rewards": True}, "scale_rewards", "group"),
        ({"min_p": None}, "min_p", 0),
        ({"beta": "1e-3"}, "beta", 0.001),
        ({"top_k": "50"}, "top_k", 50),
        ({"mask_truncated_completions": "true"}, "mask_truncated_completions", True),
        ({"delta": "null"}, "delta", None),
    ],
)
def test_values_are_read_as_trl_reads_them(theirs, field, ours):
    section = "rollout" if field in ("min_p", "top_k") else "loss"
    if field == "delta":
        assert "'null' is not accepted" in problems(**theirs)[0].message
    else:
        assert translated(**theirs).settings[section][field] == ours


def test_no_limit_on_completions_leaves_the_one_of_before():
    result = translated(max_completion_length=None)
    assert result.settings["rollout"]["max_completion_length"] == 64
    assert "sets no limit" in row(result.different, "rollout.max_completion_length").note


def test_clipping_that_is_off_is_the_largest_limit():
    assert config(max_grad_norm=0).optim.max_grad_norm == 1000


def test_an_optimizer_other_than_adamw_is_named():
    assert "optim: adafactor" in not_here(translated(optim="adafactor"))
    assert "optim: adamw_8bit" in not_here(translated(optim="adamw_8bit"))
    assert not_here(translated(optim="adamw_torch")) == {}


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        ({"learning_rate": "fast"}, "learning_rate: 'fast' is not accepted: should be a number."),
        ({"beta": -1}, "beta: -1 is not accepted: should be at least 0 and at most 10."),
        ({"loss_type": "ppo"}, "loss_type: 'ppo' is not accepted: should be 'grpo', 'bnpo'"),
        ({"epsilon": math.nan}, "epsilon: nan is not accepted: should be a finite number."),
        ({"temperature": [1]}, "temperature: [1] is not accepted: should be a number."),
        ({"seed": datetime.date(2026, 1, 1)}, "seed: datetime.date(2026, 1, 1) is not accepted"),
        ({"num_iterations": 10**5000}, "num_iterations: this huge number is not accepted"),
        ({"reward_weights": [10**5000]}, "reward_weights: this huge value is not accepted"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_under_trls_name(theirs, words):
    (problem,) = problems(**theirs)
    assert str(problem).startswith(words)


def test_all_values_that_cannot_be_used_are_told_together():
    found = problems(beta=-1, learning_rate="fast", max_steps="many", gradient_accumulation_steps=0)
    assert {problem.field for problem in found} == {"beta", "learning_rate", "max_steps", "gradient_accumulation_steps"}


def test_what_was_wrong_before_is_not_the_fault_of_the_config():
    draft = {**BEFORE, "model": {"source": ""}, "rewards": []}
    result = import_trl({"beta": 0.1}, draft)
    assert result.settings["loss"]["beta"] == 0.1
    with pytest.raises(ConfigError):
        parse_config(result.settings)


def test_the_settings_of_before_are_not_changed():
    before = json.dumps(BEFORE)
    translated(reward_weights=[3.0, 4.0], dataset_name="x.jsonl", beta=0.5)
    assert json.dumps(BEFORE) == before


@pytest.mark.parametrize(
    ("settings", "is_trl"),
    [
        (WRITTEN, True),
        ({"learning_rate": 1e-6}, True),
        ({"optim": "adamw_torch"}, True),
        ({"model_name_or_path": "x"}, True),
        (BEFORE, False),
        ({"optim": {"learning_rate": 1e-6}, "learning_rate": 3}, False),
        ({"seed": 1}, False),
        ({"rewards": [{"name": "exact_match"}]}, False),
        ({}, False),
        ({"anything": 1}, False),
    ],
)
def test_a_trl_config_is_told_from_ours(settings, is_trl):
    assert looks_like_trl(settings) is is_trl
