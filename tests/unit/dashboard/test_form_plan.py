"""The plan in words, and the difference between a run and its parent."""

from dashboard.views.form_plan import differences, plan
from engine.config import (
    DataConfig,
    EvaluationConfig,
    LossConfig,
    ModelConfig,
    OptimConfig,
    RewardSpec,
    RolloutConfig,
    RunConfig,
)

CONFIG = RunConfig(
    name="a",
    model=ModelConfig(source="embedded", adapter="full"),
    data=DataConfig(source="arithmetic", held_out=32),
    rewards=(RewardSpec(name="exact_match"), RewardSpec(name="digit_match", weight=0.3)),
    rollout=RolloutConfig(num_generations=8, prompts_per_step=16, max_completion_length=6),
    optim=OptimConfig(learning_rate=1e-5, max_steps=100),
)


def test_the_plan_multiplies_out():
    work, scoring, evaluation = plan(CONFIG)
    assert "128 completions of up to 6 tokens, 12,800 completions in the whole run" in work
    assert scoring == "2 rewards score them, and all weights are updated once a step."
    assert evaluation.startswith("32 held-out examples are evaluated before and after training and every 25 steps")
    assert "exact_match decides" in evaluation


def test_the_plan_says_when_nothing_decides_what_is_right():
    config = CONFIG.model_copy(update={"rewards": (RewardSpec(name="digits_only"),)})
    assert "no pass@1" in plan(config)[2]


def test_the_plan_says_when_it_may_end_early_and_how_often_each_prompt_is_asked():
    evaluation = EvaluationConfig(num_generations=4, early_stopping_patience=3)
    words = plan(CONFIG.model_copy(update={"evaluation": evaluation}))[2]
    assert words.startswith("32 held-out examples, 4 completions each, are evaluated before")
    assert words.endswith(" The run ends after 3 evaluations without a gain in pass@1.")


def test_one_reward_and_several_updates_are_told_as_such():
    config = CONFIG.model_copy(
        update={"rewards": CONFIG.rewards[:1], "loss": LossConfig(num_iterations=3), "model": ModelConfig(source="x")}
    )
    assert plan(config)[1] == "1 reward scores them, and the LoRA adapter is updated 3 times a step."


def test_each_mini_batch_is_an_update():
    config = CONFIG.model_copy(update={"loss": LossConfig(num_iterations=2, num_minibatches=4)})
    assert "updated 8 times a step" in plan(config)[1]


def test_a_clone_differs_in_what_was_changed():
    changed = CONFIG.model_copy(
        update={"name": "b", "optim": OptimConfig(learning_rate=3e-5, max_steps=100), "threads": 2}
    )
    assert differences(CONFIG, changed) == [("Learning rate", "1e-5", "3e-5"), ("Threads", "all cores", "2")]
    assert differences(CONFIG, CONFIG) == []


def test_rewards_are_matched_by_name():
    changed = CONFIG.model_copy(
        update={"rewards": (RewardSpec(name="digit_match", weight=0.5), RewardSpec(name="digits_only", weight=0))}
    )
    assert differences(CONFIG, changed) == [
        ("Reward exact_match", "weight 1", "removed"),
        ("Reward digit_match, weight", "0.3", "0.5"),
        ("Reward digits_only", "not there", "weight 0"),
    ]
