"""The library and what is said about wrong names and settings."""

import subprocess
import sys

import pytest

from engine.config import RewardSpec
from engine.errors import ConfigError
from engine.rewards import extras
from engine.rewards.registry import (
    REWARDS,
    absence_problems,
    columns_of,
    deciding_reward,
    kind_of,
    needs_answer,
    reward_problems,
)
from engine.rewards.score import bind_rewards
from tests.unit.rewards.settings import HERE, made


@pytest.mark.parametrize("name", REWARDS)
def test_every_reward_and_setting_says_what_it_is(name: str) -> None:
    info = REWARDS[name]
    assert info.name == name and info.label and info.help.endswith(".")
    for field in info.params.model_fields.values():
        assert field.description and isinstance(field.json_schema_extra, dict) and field.json_schema_extra["label"]


@pytest.mark.parametrize("name", HERE)
def test_every_reward_takes_trls_call_and_stays_in_its_range(name: str) -> None:
    info = REWARDS[name]
    answer = "B" if name == "multiple_choice" else "85"
    completions = ["85", "", "<think>80 + 5 = 85</think><answer>85</answer>", "\0"]
    offsets = {"completion_offsets": [range(1, 100)] * 4} if info.steps else {}
    values = made(name)(
        **offsets, prompts=["p"] * 4, completions=completions, completion_ids=[[1], [], [1] * 9, [1] * 999],
        answer=[answer] * 4, test=["assert f(1) == 1"] * 4, difficulty=["easy"] * 4, trainer_state=None,
        log_extra=lambda *_: None, log_metric=lambda *_: None,
    )  # fmt: skip
    low, high = info.value_range
    scores = [score for value in values for score in (dict(value or []).values() if info.steps else [value])]
    assert len(values) == 4 and scores and all(score is not None and low <= score <= high for score in scores)


def test_a_misspelt_name_brings_the_closest_one() -> None:
    assert [str(problem) for problem in reward_problems(2, RewardSpec(name="exct_match"))] == [
        "rewards[2].name: there is no reward 'exct_match'. Did you mean 'exact_match'?"
    ]


def test_a_name_like_none_brings_the_whole_library() -> None:
    (problem,) = reward_problems(0, RewardSpec(name="zzz"))
    assert all(name in problem.hint for name in REWARDS)


def test_every_wrong_setting_is_named_with_its_place() -> None:
    problems = reward_problems(0, RewardSpec(name="regex_match", params={"pattern": "(", "mod": "search"}))
    assert [problem.field for problem in problems] == ["rewards[0].params.pattern", "rewards[0].params.mod"]
    assert str(problems[0]) == ("rewards[0].params.pattern: '(' is not a regular expression (missing ) at position 1).")
    assert problems[1].hint == "Did you mean 'mode'?"


def test_a_group_that_the_pattern_lacks_is_named() -> None:
    (problem,) = reward_problems(0, RewardSpec(name="regex_match", params={"pattern": "a", "group": "n"}))
    assert str(problem) == "rewards[0].params: the pattern has no group 'n'."


def test_a_pattern_needs_answers_only_when_a_group_is_compared() -> None:
    assert not needs_answer(RewardSpec(name="regex_match", params={"pattern": "(a)"}))
    assert needs_answer(RewardSpec(name="regex_match", params={"pattern": "(a)", "group": "1"}))
    assert needs_answer(RewardSpec(name="exact_match")) and not needs_answer(RewardSpec(name="digits_only"))


def test_one_reward_can_stand_in_a_list_twice_under_two_names() -> None:
    specs = [
        RewardSpec(name="exact_match"),
        RewardSpec(name="any_case", function="exact_match", params={"ignore_case": True}),
    ]
    assert [p for index, spec in enumerate(specs) for p in reward_problems(index, spec)] == []
    assert needs_answer(specs[1]) and kind_of(specs[1]) == "task" and deciding_reward(None, specs[1:]) == "any_case"


def test_an_unknown_function_is_what_is_wrong_not_the_name() -> None:
    (problem,) = reward_problems(0, RewardSpec(name="mine", function="exct_match"))
    assert str(problem) == "rewards[0].function: there is no reward 'exct_match'. Did you mean 'exact_match'?"


def test_a_reward_whose_package_is_not_here_is_refused_with_the_install_that_brings_it(monkeypatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    spec = RewardSpec(name="mood", function="sentiment")
    assert [str(problem) for problem in absence_problems(1, spec)] == [
        "rewards[1]: mood cannot be used here. It needs the package vaderSentiment, which is not installed. Install it "
        'with: pip install --constraint constraints.txt --editable ".[rewards]"'
    ]
    assert reward_problems(1, spec) == []  # a run that used it can still be opened
    with pytest.raises(ConfigError, match="mood cannot be used here"):
        bind_rewards([spec])


def test_what_is_here_is_available() -> None:
    assert (
        absence_problems(0, RewardSpec(name="sentiment")) == absence_problems(0, RewardSpec(name="exact_match")) == []
    )


def test_the_library_loads_without_the_libraries_of_single_rewards() -> None:
    code = "import sys, engine.rewards.registry; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    others = {
        "torch",
        "rapidfuzz",
        "jsonschema",
        "math_verify",
        "sympy",
        "py3langid",
        "vaderSentiment",
        "reasoning_gym",
    }
    assert others & set(loaded) == set()


def test_settings_say_which_columns_of_the_data_a_reward_reads() -> None:
    assert columns_of(RewardSpec(name="python_tests")) == ["test"]
    assert columns_of(RewardSpec(name="constraints", params={"column": "spec"})) == ["spec"]
    assert columns_of(RewardSpec(name="constraints")) == columns_of(RewardSpec(name="no such")) == []
