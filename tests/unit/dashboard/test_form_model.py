"""The form model: every field of RunConfig becomes one control, and values survive the way to a widget and back."""

from typing import Literal

import pytest
from pydantic import BaseModel, Field

from dashboard.views.form_model import (
    Control,
    controls,
    from_widget,
    get_value,
    place_problems,
    sentence,
    set_value,
    short_number,
    to_widget,
)
from engine.config import RewardSpec, RunConfig
from engine.config_section import Section
from engine.errors import Problem
from engine.rewards.registry import REWARDS

CONTROLS = {control.path: control for control in controls(RunConfig)}


def leaf_paths(model: type[Section], prefix: str = "") -> set[str]:
    paths: set[str] = set()
    for name, info in model.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            paths |= leaf_paths(inner, f"{prefix}{name}.")
        else:
            paths.add(prefix + name)
    return paths


def test_every_field_but_lists_and_free_settings_has_a_control():
    assert set(CONTROLS) == leaf_paths(RunConfig) - {"rewards", "data.params", "data.mixture"}


def test_every_control_has_a_help_sentence_and_a_label_of_its_own():
    assert all(control.help.endswith(".") for control in CONTROLS.values())
    assert len({control.label for control in CONTROLS.values()}) == len(CONTROLS)


def test_bounds_are_told_in_words():
    assert CONTROLS["rollout.num_generations"].help.endswith("From 2 to 256.")
    assert CONTROLS["rollout.temperature"].help.endswith("More than 0, at most 5.")


def test_literals_are_choices_and_optional_bools_have_three_positions():
    assert CONTROLS["loss.scale_rewards"].choices == ("group", "batch", "none")
    assert CONTROLS["model.chat_template"].kind == "tristate"


def test_every_setting_that_may_be_empty_says_what_that_means():
    params = [controls(info.params) for info in REWARDS.values()]
    optional = {
        control.path: control.empty for found in (CONTROLS.values(), *params) for control in found if control.optional
    }
    assert {path for path, word in optional.items() if word == "automatic"} == {"model.chat_template"}
    assert (optional["loss.delta"], optional["loss.epsilon_high"]) == ("no limit", "the same as ε")
    assert optional["evaluation.early_stopping_patience"] == optional["loss.off_policy_mask_threshold"] == "off"
    assert not any(control.empty for control in CONTROLS.values() if not control.optional and control.kind != "lines")


def test_a_unit_stands_in_the_label():
    assert CONTROLS["rollout.max_completion_length"].label == "Completion limit (tokens)"


def test_fields_without_label_are_named_after_themselves():
    class Params(BaseModel):
        target_length: int = Field(10, ge=1)
        mode: Literal["a", "b"] = "a"
        strict: bool = False
        tag: str | None = None

    made = {control.path: control for control in controls(Params, "rewards[0].params")}
    assert made["rewards[0].params.target_length"].label == "Target length"
    assert made["rewards[0].params.target_length"].help == "At least 1."
    assert made["rewards[0].params.strict"].kind == "switch"
    assert made["rewards[0].params.tag"].optional


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("optim.learning_rate", 1e-5),
        ("loss.beta", 0.04),
        ("loss.epsilon_high", None),
        ("threads", None),
        ("threads", 4),
        ("model.chat_template", None),
        ("model.chat_template", False),
        ("data.prompt_column", None),
        ("data.prompt_column", "question"),
        ("loss.loss_type", "dr_grpo"),
        ("model.system_prompt", ""),
    ],
)
def test_a_value_survives_the_way_to_a_widget_and_back(path, value):
    control = CONTROLS[path]
    assert from_widget(control, to_widget(control, value)) == value


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        ([], ""),
        (["\nQ:", "</answer> "], "\\nQ:\n</answer> "),
        (["\t\r", "\\n", "\\"], "\\t\\r\n\\\\n\n\\\\"),
    ],
)
def test_texts_stand_one_a_line_with_their_own_line_breaks_written_out(texts: list[str], shown: str):
    control = CONTROLS["rollout.stop_strings"]
    assert to_widget(control, texts) == shown
    assert from_widget(control, shown) == texts


def test_lines_without_text_are_none_and_other_backslashes_stay():
    assert from_widget(CONTROLS["rollout.stop_strings"], "\n\\boxed\n\n") == ["\\boxed"]


def test_numbers_are_shown_as_a_person_writes_them():
    numbers = (1e-5, 1e-4, 0.04, 1.0, 20_000, -2.5e-7, 1e20, 0)
    assert [short_number(x) for x in numbers] == ["1e-5", "1e-4", "0.04", "1", "20,000", "-2.5e-7", "1e20", "0"]


def test_a_large_float_in_a_field_has_no_thousands_separator():
    assert to_widget(CONTROLS["optim.max_grad_norm"], 1000.0) == "1000"


def test_a_text_that_is_no_number_stays_for_the_parser_to_refuse():
    assert from_widget(CONTROLS["loss.beta"], "abc") == "abc"
    assert from_widget(CONTROLS["loss.beta"], " 1e-2 ") == 0.01


def test_an_empty_number_is_missing_where_optional_and_wrong_elsewhere():
    assert from_widget(CONTROLS["loss.epsilon_high"], "") is None
    assert from_widget(CONTROLS["loss.beta"], "") == ""


def test_paths_lead_into_sections_and_lists():
    draft = {"rewards": [{"name": "exact_match"}]}
    set_value(draft, "rewards[0].params.tag", "b")
    set_value(draft, "optim.max_steps", 5)
    assert draft == {"rewards": [{"name": "exact_match", "params": {"tag": "b"}}], "optim": {"max_steps": 5}}
    assert get_value(draft, "rewards[0].params.tag") == "b"
    assert get_value(draft, "rewards[3].weight", "none") == "none"


def test_a_problem_lands_at_the_nearest_anchor():
    problems = [Problem("rewards[1].params.tag", "x"), Problem("rewards", "y"), Problem("optim.max_steps", "z")]
    placed, elsewhere = place_problems(problems, ["rewards[1]", "rewards", "optim.max_steps"])
    assert {anchor: [p.message for p in found] for anchor, found in placed.items()} == {
        "rewards[1]": ["x"], "rewards": ["y"], "optim.max_steps": ["z"],
    }  # fmt: skip
    assert elsewhere == []


def test_a_problem_beside_its_field_is_a_sentence_and_repeats_no_help():
    problem = Problem("name", "is empty.", "Give it one.")
    assert sentence(problem) == "Is empty. Give it one."
    assert sentence(problem, "What it is called. Give it one.") == "Is empty."


def test_a_problem_without_anchor_is_kept():
    placed, elsewhere = place_problems([Problem("seeds", "is not a setting.")], ["seed"])
    assert placed == {} and [p.field for p in elsewhere] == ["seeds"]


def test_reward_specs_offer_name_function_and_weight():
    paths = [control.path for control in controls(RewardSpec, "rewards[0]") if not control.advanced]
    assert paths == ["rewards[0].name", "rewards[0].function", "rewards[0].weight"]


def test_every_setting_of_every_reward_has_a_control():
    for info in REWARDS.values():
        drawn = {control.path for control in controls(info.params, "p")}
        assert drawn == {f"p.{name}" for name in info.params.model_fields}


def test_a_union_of_literals_is_one_list_of_choices():
    extract = next(c for c in controls(REWARDS["numeric_match"].params) if c.path == "extract")
    assert extract.choices == (
        "auto", "tag", "boxed", "hashes", "answer", "regex", "last_line", "last_number", "whole",
    )  # fmt: skip


def test_choices_have_words():
    control = Control("a", "choice", "A", "", choices=("full",), words={"full": "all weights"})
    assert control.word("full") == "all weights" and control.word("other") == "other"


def test_a_problem_begins_like_a_sentence_unless_a_name_or_a_value_comes_first():
    assert sentence(Problem("x", "is empty.")) == "Is empty."
    assert sentence(Problem("x", "aab-sums.csv has 108 rows.")) == "aab-sums.csv has 108 rows."
