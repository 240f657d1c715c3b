"""Form sections: every field stands in exactly one, and each sums itself up in a line."""

import pytest

from dashboard.views.form_sections import (
    ALL_CONTROLS,
    CONTROL,
    HEADINGS,
    SECTIONS,
    is_shown,
    shown_value,
    source_name,
    under_headings,
)
from engine.config import RunConfig

DRAFT = RunConfig.model_validate(
    {
        "model": {"source": "embedded", "adapter": "full"},
        "data": {"source": "arithmetic"},
        "rewards": [{"name": "exact_match"}, {"name": "digits_only", "weight": 0.2}, {"name": "length", "weight": 0}],
    }
).model_dump(mode="json")


def summaries(draft):
    return {section.key: section.summary(draft) for section in SECTIONS}


def test_every_field_stands_in_one_section_except_the_name():
    homes = {control.path: sum(section.holds(control.path) for section in SECTIONS) for control in ALL_CONTROLS}
    assert homes.pop("name") == 0
    assert set(homes.values()) == {1}
    assert [control.path for section in SECTIONS for control in section.controls] == [
        path for section in SECTIONS for path in homes if section.holds(path)
    ]
    assert {control.path.partition(".")[0] for control in SECTIONS[3].controls} == {"rollout", "loss"}


def test_summaries_name_what_matters():
    assert summaries(DRAFT) == {
        "model": "embedded · all weights",
        "data": "arithmetic, 2 digits · 64 held out",
        "rewards": "exact_match × 1 · digits_only × 0.2 · length as monitor",
        "grpo": "8 prompts × 8 completions × 64 tokens · dapo · β 0.04 · ε 0.2",
        "budget": "100 steps · learning rate 1e-5 · evaluated every 25 · seed 0",
    }


def test_summaries_survive_a_draft_of_nonsense():
    wrong = {"model": 3, "data": None, "rewards": ["x", {}], "rollout": [], "optim": {"max_steps": "many"}}
    assert summaries(wrong)["budget"].startswith("many steps")
    assert summaries({"rewards": []})["rewards"] == "none chosen"


def test_a_field_is_shown_only_where_it_means_something():
    lora = {**DRAFT, "model": {"source": "x", "adapter": "lora"}, "data": {"source": "/data/a.csv"}}
    assert not is_shown(CONTROL["model.lora_rank"], DRAFT) and is_shown(CONTROL["model.lora_rank"], lora)
    assert is_shown(CONTROL["data.drop_leaks"], lora) and not is_shown(CONTROL["data.drop_leaks"], DRAFT)
    assert not is_shown(CONTROL["data.answer_column"], DRAFT) and is_shown(CONTROL["data.answer_column"], lora)


@pytest.mark.parametrize(
    ("fields", "without", "with_it"),
    [
        (["sapo_temperature_pos", "sapo_temperature_neg"], {"loss_type": "dapo"}, {"loss_type": "sapo"}),
        (["vespo_k_pos", "vespo_lambda_neg"], {"loss_type": "sapo"}, {"loss_type": "vespo"}),
        (["delta"], {"loss_type": "cispo"}, {"loss_type": "luspo"}),
        (["epsilon", "epsilon_high"], {"loss_type": "vespo"}, {"loss_type": "cispo"}),
        (["kl_estimator", "use_bias_correction_kl", "sync_ref_model"], {"beta": 0.0}, {"beta": 0.01}),
        (["ref_model_sync_steps", "ref_model_mixup_alpha"], {"sync_ref_model": False}, {"sync_ref_model": True}),
        (["entropy_target", "entropy_coef_max"], {"entropy_coef": 0.1}, {"use_adaptive_entropy": True}),
        (["scale_rewards"], {"multi_objective_aggregation": "normalize_then_sum"}, {}),
    ],
)
def test_a_loss_setting_shows_with_what_it_belongs_to(fields, without, with_it):
    for field in fields:
        control = CONTROL[f"loss.{field}"]
        assert not is_shown(control, {**DRAFT, "loss": {**DRAFT["loss"], **without}})
        assert is_shown(control, {**DRAFT, "loss": {**DRAFT["loss"], **with_it}})


def test_sampling_rounds_and_the_least_gain_show_with_what_they_belong_to():
    rounds, gain = CONTROL["rollout.max_sampling_rounds"], CONTROL["evaluation.early_stopping_threshold"]
    assert not is_shown(rounds, DRAFT) and not is_shown(gain, DRAFT)
    assert is_shown(rounds, {"rollout": {"dynamic_sampling": True}})
    assert is_shown(gain, {"evaluation": {"early_stopping_patience": 3}})


def test_a_refresh_that_is_on_stays_in_sight_without_a_penalty_so_that_it_can_be_turned_off():
    assert is_shown(CONTROL["loss.sync_ref_model"], {"loss": {"beta": 0.0, "sync_ref_model": True}})


def test_fields_do_not_vanish_while_a_number_is_being_corrected():
    assert is_shown(CONTROL["loss.kl_estimator"], {"loss": {"beta": "0,1"}})


def test_the_settings_of_grpo_stand_under_headings_and_those_of_other_sections_do_not():
    homes = {section.key: under_headings(section.controls) for section in SECTIONS}
    assert [heading for heading, _ in homes["grpo"]] == list(HEADINGS)
    assert {heading for key, found in homes.items() if key != "grpo" for heading, _ in found} == {""}
    names = {heading: [control.path for control in found] for heading, found in homes["grpo"]}
    assert "loss.entropy_coef" in names["Entropy"] and "loss.top_entropy_quantile" in names["Loss"]
    assert names["Updates"] == ["loss.num_iterations", "loss.num_minibatches"]


def test_a_summary_names_the_clip_range_only_where_there_is_one():
    assert "ε" not in summaries({**DRAFT, "loss": {**DRAFT["loss"], "loss_type": "sapo"}})["grpo"]


def test_a_path_is_shortened_to_its_last_name_and_a_hub_id_is_not():
    assert source_name("/home/me/gsm8k/train.jsonl") == "train.jsonl"
    assert source_name("models/smol.gguf") == "smol.gguf"
    assert source_name("org/model-135M") == "org/model-135M"


def test_values_are_shown_as_a_person_writes_them():
    assert [shown_value(v) for v in (None, True, False, 1e-5, "", "dapo")] == [
        "automatic", "on", "off", "1e-5", "(empty)", "dapo",
    ]  # fmt: skip
