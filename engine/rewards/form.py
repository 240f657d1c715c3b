"""Rewards for the form of a completion: a pattern, think and answer tags, digits only."""

import re
from typing import Any, Literal

import regex
from pydantic import field_validator, model_validator

from engine.config_section import Section, knob
from engine.rewards.extract import REGEX_TIMEOUT_S, compiles
from engine.rewards.info import Example, RewardInfo
from engine.rewards.protocol import Failed, RewardFunction, per_completion, required

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
    count: int = knob(
        1,
        "How many matches earn 1; fewer earn their share. Only where the pattern may match anywhere.",
        label="Matches wanted",
        ge=1,
        le=1000,
    )
    negate: bool = knob(False, "Turn it round: 1 for a completion that does not match.", label="Must not match")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        return compiles(pattern)

    @model_validator(mode="after")
    def _fits_together(self) -> "RegexMatchParams":
        if self.group and _group_key(self.pattern, self.group) is None:
            raise ValueError(f"the pattern has no group '{self.group}'")
        if self.count > 1 and (self.group or self.negate or self.mode == "fullmatch"):
            raise ValueError("several matches can be wanted only anywhere, without an answer group, and not negated")
        if self.group and self.negate:
            raise ValueError("an answer group and “must not match” exclude each other")
        return self


class ThinkAnswerParams(Section):
    graded: bool = knob(
        False,
        "A quarter for each of the four tags that occurs once, instead of all or nothing.",
        label="Graded",
    )


class NoParams(Section):
    """This reward has no settings."""


def regex_match(params: RegexMatchParams) -> RewardFunction:
    """1 when the pattern matches (and its group equals the reference answer, if one is named), else 0.

    With `count`, the share of that many matches. Missing when matching takes longer than REGEX_TIMEOUT_S.
    """
    pattern = regex.compile(params.pattern)
    group = _group_key(params.pattern, params.group) if params.group else None

    def rule(text: str, reference: str | None) -> float:
        wanted = None if group is None else required(reference).strip()
        try:
            if params.count > 1:
                return min(sum(1 for _ in pattern.finditer(text, timeout=REGEX_TIMEOUT_S)), params.count) / params.count
            match: Any = pattern.fullmatch if params.mode == "fullmatch" else pattern.search
            found = match(text, timeout=REGEX_TIMEOUT_S)
        except TimeoutError:
            raise Failed(f"the pattern took longer than {REGEX_TIMEOUT_S} s on this text") from None
        if found is None or group is None:
            return float((found is not None) != params.negate)
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
        explanation=(
            "Searches the completion for a regular expression (Python's, with the additions of the regex package). It "
            "can also ask for several matches, for no match, or for a group that equals the reference answer. A "
            "pattern sees letters and not sense: “Answer: [0-9]+” is satisfied by any number, and one that is "
            "satisfied anywhere can be satisfied at the end of nonsense. A pattern that runs longer than 0.1 s on a "
            "completion leaves its reward missing."
        ),
        examples=(
            Example("Answer: 85", 1.0, None, {"pattern": "Answer: [0-9]+"}),
            Example("85", 0.0, None, {"pattern": "Answer: [0-9]+"}),
            Example("Answer: 1 Answer: 2", 1.0, None, {"pattern": "Answer: [0-9]+"}),
            Example("Answer: 75", 0.0, "85", {"pattern": "Answer: ([0-9]+)", "group": "1"}),
            Example("- one\n- two", 2 / 3, None, {"pattern": "(?m)^- ", "count": 3}),
            Example("As an assistant, I", 0.0, None, {"pattern": "As an assistant", "negate": True}),
        ),
    ),
    RewardInfo(
        "think_answer_format",
        "Think and answer tags",
        "1 for <think>…</think><answer>…</answer> with text in both and nothing around, else 0.",
        "format",
        ThinkAnswerParams,
        think_answer_format,
        needs_answer=False,
        explanation=(
            "Each of the four tags has to occur once, in order, with text inside both pairs and nothing but space "
            "outside of them. Graded gives a quarter for each tag that occurs once, wherever it stands. What is inside "
            "is not read: one letter in each pair is enough, so without a task reward beside it a model learns an "
            "empty shell."
        ),
        examples=(
            Example("<think>40 + 38</think>\n<answer>78</answer>", 1.0),
            Example("78", 0.0),
            Example("<think></think><answer>78</answer>", 0.0),
            Example("<think>x</think><answer>x</answer>", 1.0),
            Example("<think>40 + 38</think> 78", 0.5, None, {"graded": True}),
        ),
    ),
    RewardInfo(
        "digits_only",
        "Digits only",
        "1 when the completion is a whole number and nothing else, else 0.",
        "format",
        NoParams,
        digits_only,
        needs_answer=False,
        explanation=(
            "The completion, without the spaces around it, has to be digits with at most a sign before them. Any "
            "number will do, so a model that always writes 1 earns all of it: give it a small weight beside a task "
            "reward."
        ),
        examples=(
            Example("85", 1.0),
            Example(" -7\n", 1.0),
            Example("The answer is 85", 0.0),
            Example("85.", 0.0),
            Example("1,072", 0.0),
        ),
    ),
)
