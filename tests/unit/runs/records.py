"""Small records with values that a person can follow, for tests of the store."""

from dataclasses import replace
from typing import Any

import numpy as np

from engine.runs.records import CompletionRecord, GroupRecord, StepRecord, TokenRecord

VOCABULARY = {4: ("4", False), 9: ("9", False), 12: ("<|end|>", True)}


def completion(text: str = "9", **changes: Any) -> CompletionRecord:
    tokens = TokenRecord(
        ids=np.array([9, 12], dtype=np.uint32),
        logprobs=np.array([-0.5, -0.25], dtype=np.float32),
        ref_logprobs=np.array([-0.75, -0.25], dtype=np.float32),
        entropies=np.array([0.5, 0.125], dtype=np.float32),
    )
    plain = CompletionRecord(
        text=text, finish_reason="eos", rewards={"exact": 1.0, "digits": 0.5}, total=1.5, advantage=0.25,
        tokens=tokens, mean_kl=0.015, max_kl=0.03, mean_entropy=0.3125, mean_logprob=-0.375,
        passed=True, parsed="9", errors={},
    )  # fmt: skip
    return replace(plain, **changes)


def dead(*texts: str, exact: float = 1.0) -> list[CompletionRecord]:
    """Completions of one reward, so that every advantage is 0; another `exact` makes it another step to the store."""
    return [completion(text, rewards={"exact": exact}, total=exact, advantage=0.0) for text in texts]


def group(**changes: Any) -> GroupRecord:
    plain = GroupRecord(
        prompt_id="p1", prompt="4+5=", rendered="<s>4+5=", reference="9", columns={"level": 3}, prompt_tokens=5,
        mean=1.0, std=0.7071, scale=0.7071, kind="mixed",
        completions=[
            completion(),
            completion("4", total=0.5, advantage=-0.25, passed=False, rewards={"exact": 0.0, "digits": 0.5}),
        ],
    )  # fmt: skip
    return replace(plain, **changes)


def step(number: int = 1, **changes: Any) -> StepRecord:
    plain = StepRecord(step=number, groups=[group()], metrics={"reward": 1.0, "kl": 0.015}, vocabulary=VOCABULARY)
    return replace(plain, **changes)
