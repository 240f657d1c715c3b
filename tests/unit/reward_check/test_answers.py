"""How a run asks for answers, read off its prompts and rewards."""

import pytest

from engine.config import RewardSpec, RunConfig
from engine.presets import LEARN_TO_ADD
from engine.reward_check.answers import asked_form, form_in, shell, written


def config(*rewards: RewardSpec, system: str = "", template: str = "{prompt}") -> RunConfig:
    base = LEARN_TO_ADD
    return base.model_copy(
        update={
            "rewards": rewards,
            "model": base.model.model_copy(update={"system_prompt": system}),
            "data": base.data.model_copy(update={"prompt_template": template}),
        }
    )


EXACT, TAGGED = RewardSpec(name="exact_match"), RewardSpec(name="exact_match", params={"extract": "tag"})


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Put the answer in <answer></answer>.", "tag"),
        ("First <think>…</think>, then <answer>…</answer>.", "think"),
        (r"Give the result as \boxed{}.", "boxed"),
        ("End with #### and the number.", "hashes"),
        ("Say what 2+2 is.", None),
    ],
)
def test_a_prompt_asks_for_a_form_by_showing_it(text: str, form: str | None) -> None:
    assert form_in(text) == form


def test_what_the_prompt_asks_for_comes_before_where_the_reward_looks() -> None:
    asked = asked_form(config(TAGGED, system=r"Answer in \boxed{}."), TAGGED, ["1+1="])
    assert (asked.form, asked.why) == ("boxed", "as the prompt asks")


def test_the_prompts_of_the_data_count_only_when_all_of_them_ask_alike() -> None:
    assert asked_form(config(EXACT), EXACT, ["1 ####", "2 ####"]).form == "hashes"
    assert asked_form(config(EXACT), EXACT, ["1 ####", "2"]).form == "bare"


def test_without_words_in_the_prompt_the_reward_says_where_it_looks_and_then_the_others_do() -> None:
    tags = RewardSpec(name="think_answer_format")
    assert asked_form(config(TAGGED, tags), TAGGED, ["1+1="]).form == "tag"
    asked = asked_form(config(RewardSpec(name="digits_only"), tags), RewardSpec(name="digits_only"), ["1+1="])
    assert (asked.form, asked.why) == ("think", "as think_answer_format wants it")


def test_an_answer_stands_in_its_form_and_a_shell_is_the_form_without_it() -> None:
    assert written("42", "boxed") == r"\boxed{42}" and shell("boxed") == r"\boxed{}"
    assert written("42", "hashes") == "#### 42" and shell("hashes") == "####"
    assert written("42", "bare") == "42" and shell("bare") == "<think></think><answer></answer>"
