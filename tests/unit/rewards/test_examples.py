"""Every example of every reward of the library is so: what the docs and the form show is what a run would give."""

import pytest

from engine.rewards.info import Example, RewardInfo
from engine.rewards.registry import REWARDS
from engine.rewards.score import BoundReward, score

EXAMPLES = [
    pytest.param(info, example, id=f"{name}-{number}", marks=[pytest.mark.slow] if info.where == "model" else [])
    for name, info in REWARDS.items()
    for number, example in enumerate(info.examples)
]


def value_of(info: RewardInfo, example: Example) -> float | None:
    """What the reward gives the example's completion, among the others of its group."""
    texts = [example.completion, *example.others]
    ids = list(example.tokens) if isinstance(example.tokens, tuple) else [0] * (example.tokens or 0)
    reward = BoundReward(info.name, info.make(info.params(**example.params)), needs_offsets=info.steps)
    rows = {"answer": example.answer, **example.columns}
    offsets = [[*range(1, len(text) + 1), len(text)] for text in texts]
    scores = score(
        [reward], prompts=[example.prompt] * len(texts), completions=texts,
        completion_ids=[[0] * len(row) for row in offsets] if info.steps else [ids] * len(texts),
        columns={name: [cell] * len(texts) for name, cell in rows.items()}, conversational=False,
        completion_offsets=offsets,
    )  # fmt: skip
    return None if scores.errors[0] else float(scores.values[0, 0])


@pytest.mark.parametrize(("info", "example"), EXAMPLES)
def test_an_example_is_worth_what_it_says(info: RewardInfo, example: Example) -> None:
    if (
        info.name == "reasoning_gym"
    ):  # a large package, which tests do without: test_generated_tasks.py stands in for it
        return
    expected = None if example.value is None else pytest.approx(example.value, abs=example.approx)
    assert value_of(info, example) == expected


@pytest.mark.parametrize("name", [name for name, info in REWARDS.items() if info.examples])
def test_examples_show_the_reward_high_and_low_and_their_settings_are_valid(name: str) -> None:
    info = REWARDS[name]
    values = [example.value for example in info.examples if example.value is not None]
    assert len(info.examples) >= 3 and max(values) > min(values)
    assert all(info.value_range[0] <= value <= info.value_range[1] for value in values)


def test_only_rewards_whose_values_are_those_of_a_model_or_of_other_code_have_no_examples() -> None:
    without = {name for name, info in REWARDS.items() if not info.examples}
    assert without <= {"reward_model", "local_judge", "python_file", "python_tests"}


@pytest.mark.parametrize("name", REWARDS)
def test_an_explanation_is_a_few_sentences(name: str) -> None:
    sentences = REWARDS[name].explanation.replace("…", "").count(". ") + 1
    assert 2 <= sentences <= 6 and REWARDS[name].explanation.endswith(".")
