"""The library and what is said about wrong names and settings."""

import pytest

from engine.config import RewardSpec
from engine.rewards.registry import REWARDS, deciding_reward, kind_of, needs_answer, reward_problems


@pytest.mark.parametrize("name", REWARDS)
def test_every_reward_and_setting_says_what_it_is(name: str) -> None:
    info = REWARDS[name]
    assert info.name == name and info.label and info.help.endswith(".")
    for field in info.params.model_fields.values():
        assert field.description and isinstance(field.json_schema_extra, dict) and field.json_schema_extra["label"]


@pytest.mark.parametrize("name", [name for name, info in REWARDS.items() if info.where == "engine"])
def test_every_reward_takes_trls_call_and_stays_in_its_range(name: str) -> None:
    info = REWARDS[name]
    params = info.params(**({"pattern": "8"} if name == "regex_match" else {}))
    completions = ["85", "", "<think>80 + 5 = 85</think><answer>85</answer>", "\0"]
    offsets = {"completion_offsets": [range(1, 100)] * 4} if info.steps else {}
    values = info.make(params)(
        **offsets, prompts=["p"] * 4, completions=completions, completion_ids=[[1], [], [1] * 9, [1] * 999],
        answer=["85"] * 4, difficulty=["easy"] * 4, trainer_state=None,
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
