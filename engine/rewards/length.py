"""Rewards for how long a completion is, and for repeating itself; one of them weighs length with correctness."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from pydantic import model_validator

from engine.config_section import Section, knob
from engine.rewards.extract import ReadsAnswer
from engine.rewards.info import Example, RewardInfo
from engine.rewards.matching import (
    ExactMatchParams,
    NumericMatchParams,
    exact_answer,
    exact_match,
    numeric_answer,
    numeric_match,
)
from engine.rewards.protocol import Completion, RewardFunction, completion_text

Unit = Literal["tokens", "words", "characters"]
UNIT_WORDS = {"tokens": "tokens", "words": "words", "characters": "characters"}


class Measures(Section):
    unit: Unit = knob(
        "tokens",
        "What is counted. Words are what stands between spaces, so a word may be as long as the model likes.",
        label="Count",
        words=UNIT_WORDS,
    )


class LengthTargetParams(Measures):
    target: int = knob(16, "Length that earns 1.", label="Target", ge=1, le=1_000_000)
    tolerance: int = knob(
        16, "Distance from the target at which the reward reaches 0.", label="Tolerance", ge=1, le=1_000_000
    )
    shape: Literal["linear", "cosine"] = knob(
        "linear",
        "How it falls from the target to the tolerance.",
        label="Shape",
        words={"linear": "in a straight line", "cosine": "in a half cosine, flat at both ends"},
    )


class LengthLimitParams(Measures):
    shortest: int = knob(0, "Anything shorter loses. 0: no lower limit.", label="At least", ge=0, le=1_000_000)
    longest: int | None = knob(64, "Anything longer loses.", label="At most", empty="no limit", ge=1, le=1_000_000)
    slack: int = knob(
        0,
        "How far outside the limits the reward reaches 0; it falls in a straight line. 0: at once.",
        label="Slack",
        ge=0,
        le=1_000_000,
    )

    @model_validator(mode="after")
    def _fits(self) -> "LengthLimitParams":
        if self.longest is not None and self.longest < self.shortest:
            raise ValueError(f"at most {self.longest} is less than at least {self.shortest}")
        return self


class OverlongPenaltyParams(Section):
    max_length: int = knob(
        64, "Length at which the penalty is −1. Usually the completion limit.", label="Limit", unit="tokens",
        ge=1, le=1_000_000,
    )  # fmt: skip
    cache: int = knob(
        16, "The penalty begins this many tokens before the limit.", label="Cache", unit="tokens", ge=0, le=1_000_000
    )

    @model_validator(mode="after")
    def _fits(self) -> "OverlongPenaltyParams":
        if self.cache > self.max_length:
            raise ValueError(f"the cache, {self.cache}, is longer than the limit, {self.max_length}")
        return self


class CosineLengthParams(ReadsAnswer):
    unit: Unit = knob("tokens", "What is counted.", label="Count", words=UNIT_WORDS)
    compare: Literal["number", "text"] = knob(
        "number",
        "How the answer is compared with the reference.",
        label="Compare",
        words={"number": "as a number", "text": "as text, case and punctuation ignored"},
    )
    max_length: int = knob(
        64, "Length at which the curve ends; beyond it stays flat. Usually the completion limit.", label="Longest",
        ge=1, le=1_000_000,
    )  # fmt: skip
    right_short: float = knob(1.0, "Value of a right answer of length 0.", label="Right and short", ge=-1, le=1)
    right_long: float = knob(0.5, "Value of a right answer at the longest.", label="Right and long", ge=-1, le=1)
    wrong_short: float = knob(-1.0, "Value of a wrong answer of length 0.", label="Wrong and short", ge=-1, le=1)
    wrong_long: float = knob(-0.5, "Value of a wrong answer at the longest.", label="Wrong and long", ge=-1, le=1)


class RepetitionPenaltyParams(Section):
    ngram: int = knob(3, "Length of the runs that are compared.", label="Run", unit="tokens", ge=1, le=64)
    size: float = knob(1.0, "The penalty when every run is a repetition.", label="Largest penalty", gt=0, le=1)


def measured(unit: Unit, completions: Sequence[Completion], completion_ids: Sequence[Sequence[int]]) -> list[int]:
    """The length of each completion; completion_ids [B] is needed for tokens alone."""
    if unit == "tokens":
        return [len(ids) for ids in completion_ids]
    texts = [completion_text(completion) for completion in completions]
    return [len(text.split()) if unit == "words" else len(text) for text in texts]


def _by_length(unit: Unit, value: Callable[[int], float]) -> RewardFunction:
    def reward(
        *, completions: Sequence[Completion] = (), completion_ids: Sequence[Sequence[int]] = (), **_: Any
    ) -> list[float | None]:
        return [value(length) for length in measured(unit, completions, completion_ids)]

    return reward


def length_target(params: LengthTargetParams) -> RewardFunction:
    """1 at the target length, falling to 0 at the tolerance: 1 − d / tolerance, or (1 + cos(π d / tolerance)) / 2."""

    def value(length: int) -> float:
        distance = min(1.0, abs(length - params.target) / params.tolerance)
        return 1.0 - distance if params.shape == "linear" else (1 + math.cos(math.pi * distance)) / 2

    return _by_length(params.unit, value)


def length_limit(params: LengthLimitParams) -> RewardFunction:
    """1 between the limits, falling to 0 over the slack outside of them."""

    def value(length: int) -> float:
        over = max(params.shortest - length, length - params.longest if params.longest is not None else 0, 0)
        return max(0.0, 1.0 - over / params.slack) if params.slack else float(over == 0)

    return _by_length(params.unit, value)


def overlong_penalty(params: OverlongPenaltyParams) -> RewardFunction:
    """0 up to max_length − cache tokens, from there in a straight line to −1 at max_length, −1 beyond.

    DAPO's soft overlong punishment (arXiv:2503.14476, section 3.4, equation 13); TRL's get_soft_overlong_punishment.
    """
    free = params.max_length - params.cache

    def penalty(length: int) -> float:
        if length <= free:
            return 0.0
        return -1.0 if length > params.max_length else (free - length) / params.cache

    return _by_length("tokens", penalty)


def cosine_length(params: CosineLengthParams) -> RewardFunction:
    """Correctness scaled by length: long + (short − long) · (1 + cos(π · min(length / longest, 1))) / 2.

    The cosine reward of arXiv:2502.03373. TRL's get_cosine_scaled_reward has no clamp, so its curve rises again beyond
    the longest. Missing where the comparison with the reference is.
    """
    comparison = _comparison(params)
    judge = numeric_match(comparison) if isinstance(comparison, NumericMatchParams) else exact_match(comparison)

    def reward(
        *, completions: Sequence[Completion], completion_ids: Sequence[Sequence[int]] = (), **columns: Any
    ) -> list[float | None]:
        right: Sequence[Any] = judge(completions=completions, **columns)
        lengths = measured(params.unit, completions, completion_ids)
        return [
            r if r is None or math.isnan(r) else scaled(bool(r), length)
            for r, length in zip(right, lengths, strict=True)
        ]

    def scaled(is_right: bool, length: int) -> float:
        progress = min(1.0, length / params.max_length)
        short, long = (params.right_short, params.right_long) if is_right else (params.wrong_short, params.wrong_long)
        return long + (short - long) * (1 + math.cos(math.pi * progress)) / 2

    return reward


def _comparison(params: CosineLengthParams) -> NumericMatchParams | ExactMatchParams:
    place: dict[str, Any] = {"extract": params.extract, "answer_pattern": params.answer_pattern}
    if params.compare == "number":
        return NumericMatchParams(**place)
    return ExactMatchParams(**place, ignore_case=True, ignore_punctuation=True)


def cosine_answer(params: CosineLengthParams, text: str) -> str | None:
    """The answer that decides right or wrong."""
    comparison = _comparison(params)
    if isinstance(comparison, NumericMatchParams):
        return numeric_answer(comparison, text)
    return exact_answer(comparison, text)


def repetition_penalty(params: RepetitionPenaltyParams) -> RewardFunction:
    """−size · (1 − distinct runs / runs) over the runs of `ngram` tokens; 0 for a completion shorter than one run.

    The form of TRL's get_repetition_penalty_reward, which counts words (arXiv:2502.03373).
    """

    def penalty(ids: Sequence[int]) -> float:
        runs = [tuple(ids[start : start + params.ngram]) for start in range(len(ids) - params.ngram + 1)]
        return -params.size * (1 - len(set(runs)) / len(runs)) if runs else 0.0

    def reward(*, completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float | None]:
        return [penalty(ids) for ids in completion_ids]

    return reward


INFOS = (
    RewardInfo(
        "length_target",
        "Length target",
        "1 at the target length, falling to 0 at the tolerance.",
        "format",
        LengthTargetParams,
        length_target,
        needs_answer=False,
        explanation=(
            "Counts the tokens, words or characters of the completion. At the target it is worth 1, and it falls to 0 "
            "at the tolerance, shorter or longer alike. What is written does not matter, so any filler of the right "
            "length earns it all: give it a small weight, or count it only where the answer is right."
        ),
        examples=(
            Example("seven", 1.0, None, {"target": 4, "tolerance": 2}, tokens=4),
            Example("seven", 0.5, None, {"target": 4, "tolerance": 2}, tokens=5),
            Example("seven", 0.0, None, {"target": 4, "tolerance": 2}, tokens=400),
            Example("bla bla bla bla", 1.0, None, {"target": 4, "unit": "words"}),
            Example("", 0.0, None, {"target": 4, "tolerance": 4, "unit": "characters"}),
        ),
    ),
    RewardInfo(
        "length_limit",
        "Length limits",
        "1 while the completion is neither too short nor too long, else 0.",
        "format",
        LengthLimitParams,
        length_limit,
        needs_answer=False,
        explanation=(
            "Counts the tokens, words or characters of the completion. Between the limits it is worth 1. With slack it "
            "falls to 0 over that distance outside of them, which lets a model that is far off find the way. An empty "
            "completion is within every upper limit: set a lower one too, or let a task reward see to it."
        ),
        examples=(
            Example("It is 85.", 1.0, None, {"longest": 8}, tokens=5),
            Example("It is 85.", 0.0, None, {"longest": 8}, tokens=9),
            Example("It is 85.", 0.75, None, {"longest": 8, "slack": 4}, tokens=9),
            Example("", 1.0, None, {"longest": 8}, tokens=0),
            Example("too short", 0.0, None, {"shortest": 3, "unit": "words"}),
        ),
    ),
    RewardInfo(
        "overlong_penalty",
        "Overlong penalty",
        "0 for completions well below a limit, falling to −1 at the limit.",
        "penalty",
        OverlongPenaltyParams,
        overlong_penalty,
        needs_answer=False,
        value_range=(-1.0, 0.0),
        explanation=(
            "DAPO's soft overlong punishment. It takes nothing up to the limit less the cache, then more and more, and "
            "1 at the limit. With a limit above the completion limit nothing is ever taken. A model can please it by "
            "saying nothing, so it needs a task reward beside it."
        ),
        examples=(
            Example("…", 0.0, None, {"max_length": 20, "cache": 4}, tokens=16),
            Example("…", -0.25, None, {"max_length": 20, "cache": 4}, tokens=17),
            Example("…", -1.0, None, {"max_length": 20, "cache": 4}, tokens=20),
            Example("", 0.0, tokens=0),
        ),
    ),
    RewardInfo(
        "cosine_length",
        "Correctness by length",
        "Right answers earn more when they are short, wrong ones lose less when they are long.",
        "task",
        CosineLengthParams,
        cosine_length,
        value_range=(-1.0, 1.0),
        parse=cosine_answer,
        explanation=(
            "The answer is compared with the reference, as a number or as text. A right one is worth a value that "
            "moves along half a cosine from “right and short” to “right and long” as the completion grows; a wrong one "
            "has a curve of its own. Beyond the longest both stay flat. With the defaults a wrong answer loses less "
            "the longer it thinks, so a model that cannot solve the task learns to ramble."
        ),
        examples=(
            Example("85", 1.0, "85", {"max_length": 100}, tokens=0),
            Example("Let me see: 85", 0.75, "85", {"max_length": 100}, tokens=50),
            Example("75", -1.0, "85", {"max_length": 100}, tokens=0),
            Example("Let me see and see: 75", -0.5, "85", {"max_length": 100}, tokens=100),
            Example("85", 0.5, "85", {"max_length": 100}, tokens=200),
        ),
    ),
    RewardInfo(
        "repetition_penalty",
        "Repetition penalty",
        "0 without repetition, falling to −1 when every run of tokens has occurred before.",
        "penalty",
        RepetitionPenaltyParams,
        repetition_penalty,
        needs_answer=False,
        value_range=(-1.0, 0.0),
        explanation=(
            "Looks at every run of three tokens (or as many as set) and takes away the share of runs that have "
            "occurred before in the same completion. A completion shorter than one run loses nothing. Ordinary long "
            "text repeats a little, so long answers lose more than short ones; repetition with small variations costs "
            "nothing."
        ),
        examples=(
            Example("abcabc", -0.25, tokens=(1, 2, 3, 1, 2, 3)),
            Example("abcdef", 0.0, tokens=(1, 2, 3, 4, 5, 6)),
            Example("aaaaaa", -0.75, tokens=(1, 1, 1, 1, 1, 1)),
            Example("aa", 0.0, tokens=(1, 1)),
        ),
    ),
)
