"""Rewards for the form of a completion: a pattern, think and answer tags, digits only, its script, its length."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import regex
from pydantic import field_validator, model_validator

from engine.config_section import Section, knob
from engine.rewards.info import RewardInfo
from engine.rewards.protocol import Missing, RewardFunction, per_completion, required

REGEX_TIMEOUT_S = 0.1
_DIGITS = re.compile(r"[-+]?[0-9]+")
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")


class RegexMatchParams(Section):
    pattern: str = knob(
        ..., "Regular expression that the completion has to match.", label="Pattern", min_length=1, max_length=2000
    )
    mode: Literal["search", "fullmatch"] = knob(
        "search",
        "Where the pattern has to match.",
        label="Match",
        words={"search": "anywhere in the completion", "fullmatch": "the whole completion"},
    )
    group: str = knob(
        "",
        "Number or name of a group whose text has to equal the reference answer. Empty: matching is enough.",
        label="Answer group",
        max_length=100,
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            regex.compile(pattern)
        except (regex.error, RecursionError, MemoryError, OverflowError) as error:
            raise ValueError(f"is not a regular expression ({error})") from None
        return pattern

    @model_validator(mode="after")
    def _has_group(self) -> "RegexMatchParams":
        if self.group and _group_key(self.pattern, self.group) is None:
            raise ValueError(f"the pattern has no group '{self.group}'")
        return self


class ThinkAnswerParams(Section):
    graded: bool = knob(
        False,
        "A quarter for each of the four tags that occurs once, instead of all or nothing.",
        label="Graded",
    )


class NoParams(Section):
    """This reward has no settings."""


class LengthTargetParams(Section):
    target: int = knob(16, "Length that earns 1.", label="Target", unit="tokens", ge=1, le=8192)
    tolerance: int = knob(
        16, "Distance from the target at which the reward reaches 0.", label="Tolerance", unit="tokens", ge=1, le=8192
    )


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


def regex_match(params: RegexMatchParams) -> RewardFunction:
    """1 when the pattern matches (and its group equals the reference answer, if one is named), else 0.

    Missing when matching takes longer than REGEX_TIMEOUT_S.
    """
    pattern = regex.compile(params.pattern)
    match: Callable[..., Any] = pattern.fullmatch if params.mode == "fullmatch" else pattern.search
    group = _group_key(params.pattern, params.group) if params.group else None

    def rule(text: str, reference: str | None) -> float:
        wanted = None if group is None else required(reference).strip()
        try:
            found = match(text, timeout=REGEX_TIMEOUT_S)
        except TimeoutError:
            raise Missing(f"the pattern took longer than {REGEX_TIMEOUT_S} s on this text") from None
        if found is None or group is None:
            return float(found is not None)
        return float((found[group] or "").strip() == wanted)

    return per_completion(rule)


def think_answer_format(params: ThinkAnswerParams) -> RewardFunction:
    """1 for <think>…</think> followed by <answer>…</answer>, both with text in them and nothing around; else 0."""

    def rule(text: str, reference: str | None) -> float:
        once = [text.count(tag) == 1 for tag in _TAGS]
        return sum(once) / 4 if params.graded else float(all(once) and _in_order(text.strip()))

    return per_completion(rule)


def digits_only(params: NoParams) -> RewardFunction:
    """1 when the completion is a whole number and nothing else, spaces around it allowed; else 0."""
    return per_completion(lambda text, reference: float(_DIGITS.fullmatch(text.strip()) is not None))


def length_target(params: LengthTargetParams) -> RewardFunction:
    """1 at the target length in tokens, falling in a straight line to 0 at the tolerance."""

    def reward(*, completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float | None]:
        return [max(0.0, 1.0 - abs(len(ids) - params.target) / params.tolerance) for ids in completion_ids]

    return reward


def language_consistency(params: NoParams) -> RewardFunction:
    """Share of the letters that are ASCII letters: 1 for English, 0.6 for "да yes", 0 without a letter.

    The simple form of DeepSeek-R1's reward against mixing languages, Num(words of the target language) / Num(words)
    (arXiv:2501.12948, equation 7). That takes a language detector for each word; a script is plain to see. The paper
    leaves open what text without a word is worth: 0 here, so that writing nothing earns nothing.
    """

    def rule(text: str, reference: str | None) -> float:
        letters = [character for character in text if character.isalpha()]
        return sum(character.isascii() for character in letters) / len(letters) if letters else 0.0

    return per_completion(rule)


def overlong_penalty(params: OverlongPenaltyParams) -> RewardFunction:
    """0 up to max_length − cache tokens, from there in a straight line to −1 at max_length, −1 beyond.

    DAPO's soft overlong punishment (arXiv:2503.14476, section 3.4, equation 13); TRL's get_soft_overlong_punishment.
    """
    free = params.max_length - params.cache

    def penalty(length: int) -> float:
        if length <= free:
            return 0.0
        return -1.0 if length > params.max_length else (free - length) / params.cache

    def reward(*, completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float | None]:
        return [penalty(len(ids)) for ids in completion_ids]

    return reward


def _in_order(text: str) -> bool:
    """Whether the text is the four tags in their order, each pair around some text, with only space between pairs."""
    before, _, rest = text.partition("<think>")
    thought, _, rest = rest.partition("</think>")
    between, _, rest = rest.partition("<answer>")
    answer, _, after = rest.partition("</answer>")
    return bool(thought.strip() and answer.strip()) and not (before + between + after).strip()


def _group_key(pattern: str, group: str) -> int | str | None:
    """The group as the regex module wants it; None when the pattern has no such group."""
    compiled = regex.compile(pattern)
    if group in compiled.groupindex:
        return group
    return int(group) if group.isascii() and group.isdigit() and 0 <= int(group) <= compiled.groups else None


INFOS = (
    RewardInfo(
        "regex_match",
        "Pattern",
        "1 when the completion matches a regular expression, else 0.",
        "format",
        RegexMatchParams,
        regex_match,
        needs_answer=False,
    ),
    RewardInfo(
        "think_answer_format",
        "Think and answer tags",
        "1 for <think>…</think><answer>…</answer> with text in both and nothing around, else 0.",
        "format",
        ThinkAnswerParams,
        think_answer_format,
        needs_answer=False,
    ),
    RewardInfo(
        "digits_only",
        "Digits only",
        "1 when the completion is a whole number and nothing else, else 0.",
        "format",
        NoParams,
        digits_only,
        needs_answer=False,
    ),
    RewardInfo(
        "length_target",
        "Length target",
        "1 at the target length in tokens, falling to 0 at the tolerance.",
        "format",
        LengthTargetParams,
        length_target,
        needs_answer=False,
    ),
    RewardInfo(
        "language_consistency",
        "One language",
        "Share of the letters that are ASCII letters, so that 1 is English and other scripts lower it.",
        "format",
        NoParams,
        language_consistency,
        needs_answer=False,
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
    ),
)
