"""Model, data and rewards: taken over where the config names them, left alone where it does not."""

import pytest

from engine.rewards.registry import REWARDS
from tests.unit.trl.trl_config import BEFORE, config, not_here, problems, row, translated


def test_a_grpo_config_leaves_model_data_and_rewards():
    result = translated(learning_rate=1e-5)
    assert result.kept == ("model", "data", "rewards")
    assert all(result.settings[part] == BEFORE[part] for part in result.kept)
    assert "model, data and rewards: kept as before" in result.rest_in_words()


def test_a_model_without_peft_is_trained_whole_and_with_peft_by_lora():
    assert config(model_name_or_path="org/name").model.adapter == "full"
    found = config(model_name_or_path="org/name", use_peft=True, lora_r=8, lora_alpha=32)
    assert (found.model.source, found.model.adapter, found.model.lora_rank) == ("org/name", "lora", 8)


def test_trls_default_dropout_is_named_with_lora():
    assert "lora_dropout: 0.05 (TRL's default)" in not_here(translated(use_peft=True))
    assert not any("lora_dropout" in theirs for theirs in not_here(translated(use_peft=True, lora_dropout=0.0)))


@pytest.mark.parametrize(
    ("theirs", "dtype", "words"),
    [
        ({"dtype": "bfloat16"}, "bfloat16", None),
        ({"torch_dtype": "torch.bfloat16", "bf16": True}, "bfloat16", None),
        ({"model_init_kwargs": {"dtype": "bfloat16"}}, "bfloat16", None),
        ({"dtype": "float16"}, "float32", "float32 or bfloat16"),
        ({"bf16": True}, "float32", "rounded away"),
        ({"bf16": True, "use_peft": True}, "bfloat16", "frozen weights are bfloat16"),
        ({"bf16": False}, "float32", None),
    ],
)
def test_weights_are_in_bfloat16_only_where_that_loses_no_updates(theirs, dtype, words):
    result = translated(**theirs)
    assert result.settings["model"]["dtype"] == dtype
    notes = [row.note for row in result.different if row.ours.startswith("model.dtype")]
    assert (words is None and notes == []) or words in notes[0]


def test_a_data_file_is_taken_over_and_a_dataset_of_the_hub_has_to_be_saved_first():
    assert row(translated(dataset_name="d/train.jsonl").mapped, "data.source").ours == "data.source: d/train.jsonl"
    assert row(translated(dataset_name="org/set").mapped, "data.source").ours == "data.source: org/set"
    assert "save the dataset" in row(translated(dataset_name="imdb").different, "data.source").note


def test_rewards_with_a_counterpart_are_taken_over_with_their_weights():
    result = translated(
        reward_funcs=["accuracy_reward", "my.module.bonus", "trl.rewards.think_format_reward"],
        reward_weights=[1.0, 0.5, 0.2],
    )
    assert [(spec["name"], spec["weight"]) for spec in result.settings["rewards"]] == [
        ("numeric_match", 1.0), ("regex_match", 0.2),
    ]  # fmt: skip
    assert "reward my.module.bonus, weight 0.5" in not_here(result)
    assert "math-verify" in row(result.different, "rewards").note


def test_a_reward_model_takes_the_first_weight():
    result = translated(
        reward_model_name_or_path="org/judge", reward_funcs=["accuracy_reward"], reward_weights=[0.3, 0.7]
    )
    assert result.settings["rewards"][0]["weight"] == 0.7
    assert "reward org/judge, weight 0.3" in not_here(result)


def test_a_counterpart_is_listed_once():
    result = translated(reward_funcs=["accuracy_reward", "reasoning_accuracy_reward"])
    assert len(result.settings["rewards"]) == 1
    assert "reward reasoning_accuracy_reward, weight 1" in not_here(result)


@pytest.mark.parametrize("text", ["<think>a\nb</think>c", "<think></think>"])
def test_the_think_format_accepts_what_trls_does(text):
    spec = config(reward_funcs=["think_format_reward"]).rewards[0]
    reward = REWARDS[spec.name].make(REWARDS[spec.name].params.model_validate(spec.params))
    texts = [text, f" {text}", text.replace("</think>", ""), text + "<think>"]
    values = reward(prompts=[""] * 4, completions=texts, completion_ids=[[1]] * 4, answer=[None] * 4)
    assert values == [1.0, 0.0, 0.0, 0.0]


def test_weights_alone_go_to_the_rewards_of_before_when_there_are_as_many():
    found = translated(reward_weights=[0.5, 2]).settings["rewards"]
    assert [spec["weight"] for spec in found] == [0.5, 2.0]
    assert "another number of rewards" in not_here(translated(reward_weights=[1.0]))["reward_weights: [1.0]"]


@pytest.mark.parametrize(
    ("theirs", "field", "words"),
    [
        ({"reward_funcs": ["accuracy_reward"], "reward_weights": [1.0, 2.0]}, "reward_weights", "2 weights for 1"),
        ({"reward_weights": "1, 2"}, "reward_weights", "should be a list of numbers"),
        ({"reward_funcs": {"a": 1}}, "reward_funcs", "should be a list of names"),
        ({"reward_funcs": ["accuracy_reward"], "reward_weights": [500.0]}, "reward_funcs", "at most 100"),
        ({"model_name_or_path": 3}, "model_name_or_path", "should be text"),
        ({"use_peft": "perhaps"}, "use_peft", "should be true or false"),
        ({"use_peft": True, "lora_r": 0}, "lora_r", "a whole number of at least 1"),
        ({"model_init_kwargs": "{}"}, "model_init_kwargs", "should be a mapping"),
    ],
)
def test_what_cannot_be_used_is_told_under_trls_name(theirs, field, words):
    (problem,) = problems(**theirs)
    assert problem.field == field and words in problem.message


def test_the_last_part_of_trls_name_is_the_name():
    assert config(output_dir="runs/math/qwen").name == "qwen"
    assert config(output_dir="out", run_name="third try").name == "third try"
    assert config(beta=0.1).name == "before"


def test_a_seed_is_taken_over_and_draws_other_numbers():
    assert "other random numbers" in row(translated(seed=7).different, "seed").note
    assert config(beta=0.1).seed == 0


def test_training_on_the_cpu_stays_there():
    assert config(use_cpu=True).device == "cpu"


@pytest.mark.parametrize(
    ("options", "strings"),
    [
        ({"stop_strings": ["\n", "Q:"]}, ("\n", "Q:")),
        ({"stop": "Q:"}, ("Q:",)),
        ({"stop": None}, ()),
        (None, ()),
    ],
)
def test_stop_strings_are_taken_over_under_either_name(options: dict[str, object] | None, strings: tuple[str, ...]):
    assert config(generation_kwargs=options).rollout.stop_strings == strings


def test_other_generation_options_are_named_and_have_no_place_here():
    result = translated(generation_kwargs={"stop": ["Q:"], "num_beams": 4})
    assert row(result.mapped, "rollout.stop_strings").ours == "rollout.stop_strings: ['Q:']"
    assert "only stop strings" in not_here(result)["generation_kwargs: num_beams"]


def test_generation_options_that_cannot_be_are_problems_under_trls_name():
    assert problems(generation_kwargs=5)[0].field == "generation_kwargs"
    assert problems(generation_kwargs={"stop": [3]})[0].field == "generation_kwargs"
