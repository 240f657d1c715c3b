"""Rules: settings that cannot be together are refused at the setting to change, in its own words."""

from typing import Any

import pytest

from engine.config_io import parse_config
from engine.errors import ConfigError, Problem

TASK = {"name": "exact_match"}
SMALL: dict[str, Any] = {"model": {"source": "embedded"}, "data": {"source": "arithmetic"}, "rewards": [TASK]}
SEVERAL = {"num_generations": 4}
GDPO = {"multi_objective_aggregation": "normalize_then_sum"}


def problems(**sections: Any) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        parse_config({**SMALL, **sections})
    return caught.value.problems


@pytest.mark.parametrize(
    ("sections", "field", "words"),
    [
        (
            {"loss": {"sync_ref_model": True, "ref_model_mixup_alpha": 1.0, "beta": 0.0}},
            "loss.sync_ref_model",
            "beta 0",
        ),
        ({"loss": {"sync_ref_model": True}}, "loss.ref_model_mixup_alpha", "0.6 would mix two LoRA adapters"),
        ({"loss": {"num_minibatches": 9}}, "loss.num_minibatches", "9 is more than the 8 groups of a step"),
        ({"checkpoint": {"metric_for_best_model": "pass_at_k"}}, "checkpoint.metric_for_best_model", "pass_at_k needs"),
        (
            {"checkpoint": {"metric_for_best_model": "majority_at_k"}},
            "checkpoint.metric_for_best_model",
            "evaluation.num_generations is 1",
        ),
        (
            {"checkpoint": {"metric_for_best_model": "pass_at_1"}, "rewards": [{"name": "digits_only"}]},
            "checkpoint.metric_for_best_model",
            "'pass_at_1' is not measured, because no reward decides what is right.",
        ),
        (
            {
                "checkpoint": {"metric_for_best_model": "majority_at_k"},
                "evaluation": SEVERAL,
                "rewards": [{"name": "edit_similarity"}],
            },
            "checkpoint.metric_for_best_model",
            "edit_similarity, which decides what is right, reads no answers",
        ),
        (
            {"loss": GDPO, "rewards": [TASK, {"name": "digit_steps"}]},
            "loss.multi_objective_aggregation",
            "digit_steps scores the steps",
        ),
        (
            {"loss": {"use_adaptive_entropy": True, "entropy_coef": 2.0}},
            "loss.entropy_coef",
            "between its bounds 0 and 1",
        ),
        (
            {"loss": {"use_adaptive_entropy": True, "entropy_coef_min": 0.01}},
            "loss.entropy_coef",
            "0 is where adaptive control starts",
        ),
        (
            {"loss": {"use_adaptive_entropy": True, "entropy_coef_min": 2.0}},
            "loss.entropy_coef_min",
            "2 is more than entropy_coef_max, 1",
        ),
    ],
)
def test_settings_that_exclude_each_other_are_refused_with_a_way_out(
    sections: dict[str, Any], field: str, words: str
) -> None:
    (problem,) = problems(**sections)
    assert problem.field == field and words in problem.message and problem.hint


@pytest.mark.parametrize(
    "sections",
    [
        {"loss": {"sync_ref_model": True, "ref_model_mixup_alpha": 1.0}},
        {"loss": {"sync_ref_model": True}, "model": {"source": "embedded", "adapter": "full"}},
        {"loss": {"num_minibatches": 8}},
        {"checkpoint": {"metric_for_best_model": "pass_at_k"}, "evaluation": SEVERAL},
        {"checkpoint": {"metric_for_best_model": "majority_at_k"}, "evaluation": SEVERAL},
        {"checkpoint": {"metric_for_best_model": "pass_at_1"}},
        {"checkpoint": {"metric_for_best_model": "reward"}, "rewards": [{"name": "digits_only"}]},
        {"checkpoint": {"metric_for_best_model": "pass_at_1"}, "rewards": [{"name": "edit_similarity"}]},
        {"loss": GDPO, "rewards": [TASK, {"name": "digits_only"}, {"name": "digit_steps", "weight": 0.0}]},
        {"loss": {"entropy_coef": 2.0}},
        {"loss": {"use_adaptive_entropy": True}},
        {"loss": {"use_adaptive_entropy": True, "entropy_coef": 1.0}},
        {"evaluation": {"early_stopping_patience": 2}, "rewards": [{"name": "digits_only"}]},
    ],
)
def test_settings_that_go_together_are_accepted(sections: dict[str, Any]) -> None:
    kept = parse_config({**SMALL, **sections}).model_dump(mode="json")
    for section, settings in sections.items():
        if isinstance(settings, dict):
            assert kept[section].items() >= settings.items()


def test_a_bad_value_elsewhere_hides_no_contradiction() -> None:
    found = problems(
        loss={"num_minibatches": 9}, optim={"max_steps": 0}, checkpoint={"metric_for_best_model": "pass_at_k"}
    )
    assert [problem.field for problem in found] == [
        "optim.max_steps", "loss.num_minibatches", "checkpoint.metric_for_best_model",
    ]  # fmt: skip


def test_a_section_that_cannot_be_read_is_in_no_contradiction() -> None:
    assert [problem.field for problem in problems(loss={"num_minibatches": 9, "beta": -1})] == ["loss.beta"]
