"""Advice: each combination that is hardly meant is told once, at the setting to change, and nothing else is."""

from typing import Any

import pytest

from engine.config import RunConfig
from engine.config_advice import Advice, advice
from engine.config_io import parse_config
from engine.config_loss import LossConfig
from engine.config_scope import SCOPES
from engine.data.tasks.registry import TASKS
from engine.presets import PRESETS
from engine.rewards.registry import REWARDS

TASK = {"name": "exact_match"}
DIGITS = {"name": "digits_only"}
MONITOR = {"name": "digits_only", "weight": 0.0}


def config(**sections: Any) -> RunConfig:
    small = {"model": {"source": "embedded"}, "data": {"source": "arithmetic"}, "rewards": [TASK]}
    return parse_config({**small, **sections})


def told(**sections: Any) -> list[Advice]:
    return advice(config(**sections))


def fields(**sections: Any) -> list[str]:
    return [one.field for one in told(**sections)]


SEVERAL = {"num_iterations": 2}  # updates per batch, so that ratios leave 1


def test_the_defaults_and_every_preset_need_no_advice() -> None:
    assert told() == []
    assert {preset.key: advice(preset.config) for preset in PRESETS if advice(preset.config)} == {}


@pytest.mark.parametrize(
    ("sections", "field", "words"),
    [
        ({"loss": {"epsilon": 1.0}}, "loss.epsilon", "lower limit of the ratio at 0"),
        ({"loss": {**SEVERAL, "delta": 1.2}}, "loss.delta", "rewarded tokens stop being pushed at 1.2"),
        ({"loss": {**SEVERAL, "delta": 1.28, "epsilon_high": 0.28}}, "loss.delta", "which ends at 1.28"),
        ({"loss": {"loss_type": "cispo"}}, "loss.epsilon_high", "is empty, so epsilon stands for it: 0.2."),
        ({"loss": {"loss_type": "cispo", "epsilon_high": 0.28}}, "loss.epsilon_high", "no token weighs more than 0.28"),
        ({"loss": {"loss_type": "luspo"}}, "loss.importance_sampling_level", "Set it to sequence."),
        (
            {"loss": {"loss_type": "vespo", "importance_sampling_level": "sequence"}},
            "loss.importance_sampling_level",
            "weights whole completions anyway",
        ),
        ({"loss": {"importance_sampling_level": "sequence"}}, "loss.importance_sampling_level", "long completions"),
        ({"loss": {"epsilon_high": 0.28}}, "loss.epsilon_high", "every ratio is exactly 1"),
        ({"loss": {"delta": 4.0}}, "loss.delta", "every ratio is exactly 1"),
        ({"loss": {"off_policy_mask_threshold": 0.5}}, "loss.off_policy_mask_threshold", "every ratio is exactly 1"),
        (
            {"loss": {"multi_objective_aggregation": "normalize_then_sum"}, "rewards": [TASK, MONITOR]},
            "loss.multi_objective_aggregation",
            "only exact_match is trained on",
        ),
        (
            {
                "loss": {"multi_objective_aggregation": "normalize_then_sum", "scale_rewards": "batch"},
                "rewards": [TASK, DIGITS],
            },
            "loss.scale_rewards",
            "batch has no effect without multi_objective_aggregation sum_then_normalize.",
        ),
        ({"loss": {"kl_estimator": "k1", "use_bias_correction_kl": False}}, "loss.kl_estimator", "0 on average"),
        ({"loss": {"kl_estimator": "k2"}}, "loss.use_bias_correction_kl", "Turn it off with k2."),
        ({"loss": {"sync_ref_model": True, "ref_model_mixup_alpha": 1.0}}, "loss.ref_model_sync_steps", "512 is more"),
        ({"loss": {"entropy_coef": 0.1}}, "loss.entropy_coef", "0.001 to 0.01 is usual"),
        ({"rollout": {"dynamic_sampling": True, "max_sampling_rounds": 1}}, "rollout.max_sampling_rounds", "Raise it"),
        (
            {"loss": {"baseline": "leave_one_out"}, "rewards": [{"name": "digit_steps"}]},
            "loss.baseline",
            "a step is always compared with the mean of all steps of its group",
        ),
        ({"loss": {"skip_dead_groups": True, "beta": 0.0}}, "loss.skip_dead_groups", "no gradient to leave out"),
        (
            {"loss": {"mask_truncated_completions": True}, "rewards": [TASK, {"name": "length_target"}]},
            "loss.mask_truncated_completions",
            "so length_target can never teach them",
        ),
        ({"rollout": {"top_p": 0.9}}, "rollout.top_p", "the importance ratio is not exact. Turn it off"),
        ({"rollout": {"top_k": 50, "temperature": 1.5}}, "rollout.top_k", "At temperature 1.5 it cuts away more."),
        ({"rollout": {"min_p": 0.1}}, "rollout.min_p", "the importance ratio is not exact"),
        (
            {"evaluation": {"early_stopping_patience": 4, "every": 25}, "optim": {"max_steps": 100}},
            "evaluation.early_stopping_patience",
            "evaluates 3 times before its end",
        ),
        # settings that nothing looks at
        ({"loss": {"loss_type": "sapo", "delta": 4.0}}, "loss.delta", "no effect without a loss type that clips"),
        ({"loss": {"loss_type": "cispo", "epsilon_high": 5.0, "delta": 4.0}}, "loss.delta", "no effect without"),
        ({"loss": {"loss_type": "vespo", "epsilon_high": 0.3}}, "loss.epsilon_high", "no effect without"),
        (
            {"loss": {"sapo_temperature_neg": 2.0}},
            "loss.sapo_temperature_neg",
            "2 has no effect without loss_type sapo.",
        ),
        ({"loss": {"vespo_k_neg": 2.0}}, "loss.vespo_k_neg", "without loss_type vespo."),
        ({"loss": {"entropy_target": 1.0}}, "loss.entropy_target", "without use_adaptive_entropy."),
        (
            {"loss": {"beta": 0.0, "kl_estimator": "k1"}},
            "loss.kl_estimator",
            "k1 has no effect without a beta above 0.",
        ),
        ({"loss": {"beta": 0.0, "use_bias_correction_kl": False}}, "loss.use_bias_correction_kl", "off has no effect"),
        ({"loss": {"ref_model_sync_steps": 9}}, "loss.ref_model_sync_steps", "without sync_ref_model."),
        ({"rollout": {"max_sampling_rounds": 2}}, "rollout.max_sampling_rounds", "without dynamic_sampling."),
        ({"evaluation": {"early_stopping_threshold": 0.1}}, "evaluation.early_stopping_threshold", "patience."),
    ],
)
def test_what_is_hardly_meant_is_told_once_at_its_setting(sections: dict[str, Any], field: str, words: str) -> None:
    (one,) = told(**sections)
    assert one.field == field and words in one.text
    assert one.text.endswith(".")


@pytest.mark.parametrize(
    "loss",
    [
        {"epsilon": 0.99},
        {**SEVERAL, "delta": 4.0, "epsilon_high": 0.28, "off_policy_mask_threshold": 0.5},
        {"num_minibatches": 2, "epsilon_high": 0.28},
        {"loss_type": "cispo", "epsilon_high": 5.0},
        {"loss_type": "luspo", "importance_sampling_level": "sequence"},
        {"loss_type": "grpo", "importance_sampling_level": "sequence"},
        {"loss_type": "sapo", "sapo_temperature_neg": 2.0},
        {"kl_estimator": "k1"},
        {"kl_estimator": "k2", "use_bias_correction_kl": False},
        {"entropy_coef": 0.01, "use_adaptive_entropy": True, "entropy_target": 1.0},
        {"sync_ref_model": True, "ref_model_mixup_alpha": 1.0, "ref_model_sync_steps": 50},
        {"skip_dead_groups": True},
        {"skip_dead_groups": True, "beta": 0.0, "entropy_coef": 0.01},
        {"mask_truncated_completions": True},
    ],
)
def test_settings_that_suit_each_other_need_no_advice(loss: dict[str, Any]) -> None:
    assert told(loss=loss) == []


def test_a_monitor_of_the_length_may_watch_masked_completions() -> None:
    monitor = {"name": "length_target", "weight": 0.0}
    assert told(loss={"mask_truncated_completions": True}, rewards=[TASK, monitor]) == []


def test_patience_that_can_run_out_needs_no_advice() -> None:
    assert told(evaluation={"early_stopping_patience": 3, "every": 25}, optim={"max_steps": 100}) == []


def test_advice_comes_in_the_order_of_the_sections() -> None:
    assert fields(loss={"epsilon_high": 0.3, "entropy_coef": 1.0}, rollout={"top_p": 0.5}) == [
        "rollout.top_p", "loss.epsilon_high", "loss.entropy_coef",
    ]  # fmt: skip


def test_every_scope_names_settings_that_exist_and_holds_or_not_under_the_defaults() -> None:
    flat = {f"loss.{name}" for name in LossConfig.model_fields}
    named = [field for scope in SCOPES for field in scope.fields]
    assert len(named) == len(set(named))
    assert {field for field in named if field.startswith("loss.")} <= flat


def test_a_task_with_many_right_answers_needs_a_reward_that_judges_them() -> None:
    countdown = {"data": {"source": "countdown", "prompt_template": "{prompt}"}}
    (found,) = told(**countdown)
    assert found.field == "rewards" and "Add expression_target, or a function of your own" in found.text
    judged = {"name": "expression_target", "params": {"numbers_column": "numbers"}}
    assert told(**countdown, rewards=[TASK, judged]) == []
    assert told(**countdown, rewards=[{"name": "mine", "function": "python_file", "params": {"path": "a.py"}}]) == []
    assert told(data={"source": "sorting", "prompt_template": "{prompt}"}) == []


def test_every_task_names_a_reward_that_exists() -> None:
    assert {task.reward for task in TASKS.values() if task.reward} <= set(REWARDS)
