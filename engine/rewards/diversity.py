"""A reward for being unlike the other completions of the same prompt."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Literal

from engine.config_section import knob
from engine.rewards.extract import FORM_WORDS, MAX_TEXT, Extract, ReadsAnswer, stated_answer
from engine.rewards.info import Example, RewardInfo
from engine.rewards.protocol import MISSING, Completion, Missing, RewardFunction, completion_text

MAX_WORDS = 5_000
_WORD = re.compile(r"\w+")


class GroupDiversityParams(ReadsAnswer):
    extract: Extract = knob(
        "whole", "Which part of the completions is compared.", label="Read the answer from", words=FORM_WORDS
    )
    measure: Literal["ngrams", "same"] = knob(
        "ngrams",
        "What makes two completions alike.",
        label="Compare",
        words={"ngrams": "the runs of words they share", "same": "whether they say the same"},
    )
    ngram: int = knob(2, "Length of the runs.", label="Run", unit="words", ge=1, le=16)


def group_diversity(params: GroupDiversityParams) -> RewardFunction:
    """How unlike each completion is to the others of its group, on average: 1 when it shares nothing with any.

    ngrams: 1 − |A ∩ B| / |A ∪ B| over the sets of n-grams of words. same: 0 for an equal text, else 1.
    A group is a row of completions whose prompts are equal and stand side by side, which is how batches are made. Two
    groups in a row with the same prompt count as one. A group of one is missing, and so is a completion whose answer
    cannot be read in time: the others are compared without it.
    """

    def reward(
        *, prompts: Sequence[Any], completions: Sequence[Completion],
        log_extra: Callable[[str, list[Any]], None] | None = None, **_: Any,
    ) -> list[float | None]:  # fmt: skip
        read = [_read(params, completion) for completion in completions]
        values = [unread for _, _, unread in read]
        for _prompt, members in groupby(range(len(completions)), key=lambda index: prompts[index]):
            there = [(index, text) for index in members if (text := read[index][0]) is not None]
            for (index, _text), value in zip(there, _unlike([text for _, text in there], params), strict=True):
                values[index] = value
        if log_extra is not None:
            log_extra(MISSING, [reason for _, reason, _ in read])
        return values

    return reward


def _read(params: GroupDiversityParams, completion: Completion) -> tuple[str | None, str | None, float | None]:
    """What is compared of a completion; or None, why that cannot be read, and the value it then has."""
    try:
        text = stated_answer(completion_text(completion), params.extract, params.answer_pattern)
    except Missing as error:
        return None, str(error), error.value
    return (text or "")[:MAX_TEXT], None, None


def _unlike(texts: Sequence[str], params: GroupDiversityParams) -> list[float | None]:
    if len(texts) < 2:
        return [None] * len(texts)
    others = len(texts) - 1
    words = [_WORD.findall(text.casefold())[:MAX_WORDS] for text in texts]
    if params.measure == "same":
        counts = Counter(map(tuple, words))
        return [1 - (counts[tuple(mine)] - 1) / others for mine in words]
    runs = [_runs(mine, params.ngram) for mine in words]
    return [
        sum(_distance(mine, theirs) for theirs in runs) / others  # to itself the distance is 0
        for mine in runs
    ]


def _runs(words: Sequence[str], length: int) -> frozenset[tuple[str, ...]]:
    """The runs of this length; of a text that is shorter, the whole text."""
    last = max(1, len(words) - length + 1)
    return frozenset(tuple(words[start : start + length]) for start in range(last))


def _distance(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> float:
    return 1 - len(a & b) / len(a | b)


INFOS = (
    RewardInfo(
        "group_diversity",
        "Unlike the others",
        "How unlike a completion is to the other completions of its prompt.",
        "format",
        GroupDiversityParams,
        group_diversity,
        needs_answer=False,
        explanation=(
            "Compares each completion with the others of its group: by the runs of words that two texts share, or by "
            "whether they are the same text. The reward is the average distance, 1 for a completion that shares "
            "nothing with any other. Groups are found by their prompts: equal prompts side by side are one group. "
            "Nonsense is unlike everything, so a model that is paid for difference alone writes noise: use a small "
            "weight, and count it only where the answer is right."
        ),
        examples=(
            Example("the cat sleeps", 1.0, others=("a dog barks", "a dog runs")),
            Example("a dog barks", 5 / 6, others=("the cat sleeps", "a dog runs")),
            Example("a dog", 0.0, others=("a dog", "a dog")),
            Example("42", 0.5, None, {"measure": "same"}, others=("42", "41")),
            Example("xq zv kk", 1.0, others=("the cat sleeps", "the cat sleeps")),
            Example("alone", None),
        ),
    ),
)
