"""Text that a model may write to make a reward hang, crash or overflow. Each has to be scored fast."""

import time

import numpy as np
import pytest

from engine.config import RewardSpec
from engine.rewards.score import bind_rewards, score
from tests.unit.rewards.settings import HERE, NEEDED

TEXTS = {
    "a megabyte without a space": "a" * 10**6,
    "a million digits": "7" * 10**6,
    "a million zeros after the point": "0." + "0" * 10**6 + "1",
    "boxes that never close": r"\boxed{" * 10**5,
    "boxes in boxes": r"\boxed{" * 10**4 + "5" + "}" * 10**4,
    "NUL": "\0" * 10**6,
    "thousands groups without end": "1" + ",234" * 250_000 + "5",
    "half a million numbers": "1 " * 500_000,
    "signs": "-" * 10**6,
    "dollars": "$-" * 500_000,
    "fractions that never close": r"\frac{1}{" * 10**5,
    "opening tags": "<answer>" * 10**5,
    "closing tags": "</think></answer>" * 10**5,
    "hashes": "#" * 10**6,
    "exponents": "1e99" * 250_000,
    "a tower of exponents": "9e99/1e99/1e99",
    "half a surrogate pair": "\ud800" * 1000,
    "right to left": "\u202e85\u202c" * 1000,
}

# A pattern that runs away, text without an equation, a reference that is no letter, and a group of one.
UNJUDGED = {"regex_match", "equation_steps", "multiple_choice", "group_diversity", "python_tests"}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_reward_scores_hostile_text_as_wrong_or_missing_in_no_time(text: str) -> None:
    params = {**NEEDED, "regex_match": {"pattern": r"(\w|\w\w)+$", "mode": "fullmatch"}}
    rewards = bind_rewards([RewardSpec(name=name, params=params.get(name, {})) for name in HERE])
    started = time.process_time()
    scores = score(
        rewards, prompts=["p"], completions=[text], completion_ids=[[1]], columns={"answer": ["86"]},
        conversational=False, completion_offsets=[[len(text)]],
    )  # fmt: skip
    # About 0.1 s on one core, and 0.1 s for a pattern that times out.
    assert time.process_time() - started < 2
    row = dict(zip(scores.names, scores.values[0], strict=True))
    for name in ("exact_match", "numeric_match", "edit_similarity"):
        assert row[name] < 0.1
    assert {name for name, value in row.items() if np.isnan(value)} <= UNJUDGED
    assert scores.parsed[0] is None or len(scores.parsed[0]) <= 200


def test_a_huge_reference_is_missing_not_slow() -> None:
    rewards = bind_rewards([RewardSpec(name=name) for name in ("numeric_match", "edit_similarity")])
    scores = score(
        rewards, prompts=["p"], completions=["1"], completion_ids=[[1]], columns={"answer": ["1" * 10**6]},
        conversational=False,
    )  # fmt: skip
    assert np.isnan(scores.values).all()
    assert "is not a number" in scores.errors[0]["numeric_match"]
    assert scores.errors[0]["edit_similarity"] == "the reference answer has 1,000,000 characters, more than 10,000"
