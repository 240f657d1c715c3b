"""RunConfig from JSON and back, and what is said when it is wrong: every problem together, each with field and fix."""

import json
import math
from typing import Any

import pytest
from pydantic import BaseModel

from engine.config import RunConfig
from engine.config_io import config_diff, dump_config, flatten, parse_config, pass_reward, spelled_out
from engine.errors import ConfigError, LabError, Problem


def raw(**sections: Any) -> dict[str, Any]:
    """A small valid configuration with some sections replaced."""
    small = {"model": {"source": "embedded"}, "data": {"source": "arithmetic"}, "rewards": [{"name": "exact_match"}]}
    return {**small, **sections}


def problems(config: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(config)
    return [str(problem) for problem in caught.value.problems]


def fields(config: Any) -> list[str]:
    return [problem.partition(":")[0] for problem in problems(config)]


def test_model_data_and_rewards_are_all_that_is_needed() -> None:
    config = parse_config(raw())
    assert config.rollout.num_generations == 8 and config.loss.beta == 0.04 and config.seed == 0


def test_a_written_configuration_reads_back_the_same_and_spells_out_every_field() -> None:
    config = parse_config(raw(rewards=[{"name": "regex_match", "params": {"pattern": "ä{2}"}, "weight": 0.5}], seed=7))
    text = dump_config(config)
    assert parse_config(text) == parse_config(text.encode()) == spelled_out(config)
    assert json.loads(text)["rewards"][0]["params"]["pattern"] == "ä{2}"
    assert json.loads(text)["rewards"][0]["params"]["mode"] == "search"
    assert json.loads(text)["optim"]["adam_beta2"] == 0.999


def test_a_byte_order_mark_before_the_json_is_no_problem() -> None:
    assert parse_config("\ufeff" + json.dumps(raw())) == parse_config(json.dumps(raw()).encode("utf-8-sig"))


def test_a_group_of_one_is_refused_with_the_bound() -> None:
    (problem,) = problems(raw(rollout={"num_generations": 1}))
    assert problem.startswith("rollout.num_generations: 1 is not accepted: should be at least 2 and at most 256.")


def test_a_misspelt_setting_brings_the_right_one() -> None:
    assert problems(raw(rollout={"num_generation": 4})) == [
        "rollout.num_generation: is not a setting. Did you mean 'num_generations'?"
    ]


def test_a_setting_like_none_brings_all_of_its_section() -> None:
    assert problems(raw(checkpoint={"zzz": 1})) == [
        "checkpoint.zzz: is not a setting. The settings here are every, keep, metric_for_best_model."
    ]


def test_a_wrong_choice_brings_the_right_ones() -> None:
    assert problems(raw(loss={"scale_rewards": "groop"})) == [
        "loss.scale_rewards: 'groop' is not accepted: should be 'group', 'batch' or 'none'. Did you mean 'group'?"
    ]


def test_missing_sections_say_what_they_are_for() -> None:
    assert fields({}) == ["model", "data", "rewards"]
    assert problems(raw(model={}))[0].startswith("model.source: is required. The model to train")


def test_no_rewards_at_all_is_one_problem() -> None:
    assert fields(raw(rewards=[])) == ["rewards"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    text = json.dumps(raw(loss={"beta": value}))  # Python writes NaN and Infinity
    for config in (text, raw(loss={"beta": value})):
        assert problems(config)[0].startswith(f"loss.beta: {value} is not accepted: should be a finite number.")


@pytest.mark.parametrize(
    ("section", "wanted"),
    [
        ({"rollout": {"num_generations": "8"}}, "'8' is not accepted: should be a whole number."),
        ({"rollout": {"num_generations": 8.5}}, "8.5 is not accepted: should be a whole number."),
        ({"rollout": {"num_generations": None}}, "None is not accepted: should be a whole number."),
        ({"optim": {"learning_rate": True}}, "True is not accepted: should be a number."),
        ({"threads": True}, "True is not accepted: should be a whole number."),
        ({"model": {"source": 3}}, "3 is not accepted: should be text."),
        ({"model": {"source": "embedded", "chat_template": "yes"}}, "'yes' is not accepted: should be true or false."),
        ({"loss": []}, "[] is not accepted: should be a JSON object with settings."),
        ({"rewards": {"name": "exact_match"}}, "{'name': 'exact_match'} is not accepted: should be a list."),
        ({"rewards": [{"name": "exact_match", "params": 1}]}, "1 is not accepted: should be a JSON object."),
        ({"name": ""}, "is empty."),
        ({"name": "x" * 81}, "should be at most 80 characters."),
        ({"name": "\ud800"}, r"'\ud800' is not accepted: should be text without broken characters."),
        ({"seed": 10**5000}, "this huge number is not accepted: should be at least 0 and at most 2,147,483,647."),
        ({"optim": {"learning_rate": 0}}, "0 is not accepted: should be above 0 and at most 1."),
    ],
)
def test_a_wrong_type_or_size_is_told_in_words(section: dict[str, Any], wanted: str) -> None:
    (problem,) = problems(raw(**section))
    assert wanted in problem


def test_all_problems_come_together_each_with_its_dotted_field() -> None:
    config = raw(
        rollout={"num_generations": 1, "bogus": 0},
        rewards=[{"name": "exact_match"}, {"nam": "x"}, {"name": "regex_match", "params": {"pattern": "("}}],
        optim={"warmup_steps": 200, "max_steps": 100},
        model={"source": "embedded", "system_prompt": "Be brief.", "chat_template": False},
    )
    assert fields(config) == [
        "rewards[1].name", "rewards[1].nam", "rollout.num_generations", "rollout.bogus", "rewards[2].params.pattern",
        "model.system_prompt", "optim.warmup_steps",
    ]  # fmt: skip


def test_a_reward_listed_twice_is_refused() -> None:
    assert problems(raw(rewards=[{"name": "exact_match"}] * 2)) == [
        "rewards: 'exact_match' is listed 2 times. Give each reward a name of its own."
    ]


def test_monitors_alone_train_nothing() -> None:
    assert problems(raw(rewards=[{"name": "exact_match", "weight": 0}])) == [
        "rewards: every weight is 0, so nothing is trained. Give at least one reward a weight."
    ]


def test_the_pass_reward_has_to_be_one_of_the_rewards() -> None:
    (problem,) = problems(raw(evaluation={"pass_reward": "numeric_match"}))
    assert problem.startswith("evaluation.pass_reward: 'numeric_match' is not among the rewards (exact_match).")


def test_the_pass_reward_is_the_first_task_reward_unless_named() -> None:
    rewards = [{"name": "digits_only"}, {"name": "digit_match"}, {"name": "exact_match"}]
    assert pass_reward(parse_config(raw(rewards=rewards))) == "digit_match"
    named = raw(rewards=rewards, evaluation={"pass_reward": "exact_match"})
    assert pass_reward(parse_config(named)) == "exact_match"
    assert pass_reward(parse_config(raw(rewards=rewards[:1]))) is None


@pytest.mark.parametrize(
    "text", ["", "{", "nope", b"\xff\xfe\x00", "[" * 100_000, '{"seed": ' + "1" * 5000 + "}", "[]", "3", "null"]
)
def test_what_is_no_json_object_is_one_problem_and_one_sentence(text: str | bytes) -> None:
    (problem,) = problems(text)
    assert problem.startswith("config: ") and "\n" not in problem and len(problem) < 300


def test_a_setting_that_is_there_twice_is_refused() -> None:
    twice = json.dumps(raw(optim={"max_steps": 5}))
    assert problems(twice.replace('"max_steps": 5', '"max_steps": 5, "max_steps": 900')) == [
        "max_steps: is set twice in the same section. Keep one of the two."
    ]


def test_of_thousands_of_problems_the_first_are_told_and_the_rest_counted() -> None:
    told = problems(raw(**{f"unknown_{i}": 1 for i in range(3000)}))
    assert len(told) == 51 and told[50] == "config: has 2,950 more problems. Correct these first."


def test_a_hostile_setting_name_is_shown_without_breaking_the_message() -> None:
    for config in (raw(**{"\ud800": 1}), raw(rollout={"\x1b[2J\u202e" * 99: 1}), raw(rewards=[{"name": "\x1b[2J"}])):
        (problem,) = problems(config)
        assert problem.isprintable() and len(problem) < 600
    assert str(Problem("x\x1b[2J", "is \ud800")) == r"x\x1b[2J: is \ud800"
    assert str(LabError("a\x1b[2J\nb")) == "a\\x1b[2J\nb"


def test_a_diff_names_only_what_differs() -> None:
    old = parse_config(raw())
    new = parse_config(raw(optim={"learning_rate": 1e-3}, rewards=[{"name": "exact_match"}, {"name": "digits_only"}]))
    changes = {field: (before, after) for field, before, after in config_diff(old, new)}
    assert changes["optim.learning_rate"] == (1e-5, 1e-3)
    assert changes["rewards[1].name"] == (None, "digits_only")
    assert not any(field.startswith(("loss", "rewards[0]")) for field in changes)


def test_stop_strings_come_as_a_list_are_not_empty_and_differ_as_a_whole() -> None:
    config = parse_config(raw(rollout={"stop_strings": ["\\n", "Q:"]}))
    assert config.rollout.stop_strings == ("\\n", "Q:")
    assert parse_config(dump_config(config)).rollout == config.rollout
    assert config_diff(parse_config(raw()), config) == [("rollout.stop_strings", [], ["\\n", "Q:"])]
    assert fields(raw(rollout={"stop_strings": ["a", ""]})) == ["rollout.stop_strings[1]"]
    assert "at most 16 entries" in problems(raw(rollout={"stop_strings": ["a"] * 17}))[0]
    assert "at most 100 characters" in problems(raw(rollout={"stop_strings": ["a" * 101]}))[0]


def test_flatten_gives_every_leaf_a_dotted_name() -> None:
    flat = flatten(parse_config(raw()))
    assert flat["rollout.num_generations"] == 8 and flat["rewards[0].name"] == "exact_match"
    assert not any(isinstance(value, BaseModel) for value in flat.values())


def test_every_setting_has_a_label_a_help_line_and_is_accepted_under_its_default() -> None:
    def check(model: type[BaseModel]) -> int:
        count = 0
        for name, field in model.model_fields.items():
            annotation = field.annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                count += check(annotation)
                continue
            assert field.description and field.description.endswith("."), name
            assert isinstance(field.json_schema_extra, dict) and field.json_schema_extra["label"], name
            count += 1
        return count

    assert check(RunConfig) > 35
