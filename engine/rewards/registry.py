"""The library of rewards: what each is called and does, its settings, and how to make it. Forms and checks read it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from engine.config import RewardSpec
from engine.config_problems import closest, problems_from, short
from engine.config_section import Section
from engine.errors import Problem
from engine.rewards import form, matching, steps
from engine.rewards.protocol import RewardFunction


@dataclass(frozen=True)
class RewardInfo:
    """One reward of the library.

    `kind`: task rewards judge the answer and can decide right or wrong; format rewards judge the form; penalties only
    take away. `parse(params, completion)` is the answer that the reward reads in a completion, for showing. `steps`: it
    scores the steps of a completion, and each token is credited with those that end at or after it.
    """

    name: str
    label: str
    help: str
    kind: Literal["task", "format", "penalty"]
    params: type[Section]
    make: Callable[[Any], RewardFunction]
    needs_answer: bool = True
    value_range: tuple[float, float] = (0.0, 1.0)
    parse: Callable[[Any, str], str | None] | None = None
    steps: bool = False


REWARDS: dict[str, RewardInfo] = {
    info.name: info
    for info in (
        RewardInfo(
            "exact_match",
            "Exact match",
            "1 when the answer equals the reference answer, else 0.",
            "task",
            matching.ExactMatchParams,
            matching.exact_match,
            parse=matching.exact_answer,
        ),
        RewardInfo(
            "numeric_match",
            "Numeric match",
            "1 when the number in the completion equals the reference answer, however it is written, else 0.",
            "task",
            matching.NumericMatchParams,
            matching.numeric_match,
            parse=matching.numeric_answer,
        ),
        RewardInfo(
            "digit_match",
            "Digits right",
            "Partial credit: the share of digits of the answer that are right.",
            "task",
            matching.DigitMatchParams,
            matching.digit_match,
            parse=matching.numeric_answer,
        ),
        RewardInfo(
            "edit_similarity",
            "Edit similarity",
            "Partial credit: 1 minus the edit distance to the reference answer, relative to the longer of the two.",
            "task",
            matching.EditSimilarityParams,
            matching.edit_similarity,
        ),
        RewardInfo(
            "digit_steps",
            "Digits, step by step",
            "Process supervision: each digit of the answer is a step, 1 if it is right. The value shown is their mean.",
            "task",
            steps.NoStepParams,
            steps.digit_steps,
            steps=True,
        ),
        RewardInfo(
            "equation_steps",
            "Equations, step by step",
            "Process supervision: each equation in the text, such as 48 / 2 = 24, is a step, 1 if it is true.",
            "format",
            steps.NoStepParams,
            steps.equation_steps,
            needs_answer=False,
            steps=True,
        ),
        RewardInfo(
            "regex_match",
            "Pattern",
            "1 when the completion matches a regular expression, else 0.",
            "format",
            form.RegexMatchParams,
            form.regex_match,
            needs_answer=False,
        ),
        RewardInfo(
            "think_answer_format",
            "Think and answer tags",
            "1 for <think>…</think><answer>…</answer> with text in both and nothing around, else 0.",
            "format",
            form.ThinkAnswerParams,
            form.think_answer_format,
            needs_answer=False,
        ),
        RewardInfo(
            "digits_only",
            "Digits only",
            "1 when the completion is a whole number and nothing else, else 0.",
            "format",
            form.NoParams,
            form.digits_only,
            needs_answer=False,
        ),
        RewardInfo(
            "length_target",
            "Length target",
            "1 at the target length in tokens, falling to 0 at the tolerance.",
            "format",
            form.LengthTargetParams,
            form.length_target,
            needs_answer=False,
        ),
        RewardInfo(
            "language_consistency",
            "One language",
            "Share of the letters that are ASCII letters, so that 1 is English and other scripts lower it.",
            "format",
            form.NoParams,
            form.language_consistency,
            needs_answer=False,
        ),
        RewardInfo(
            "overlong_penalty",
            "Overlong penalty",
            "0 for completions well below a limit, falling to −1 at the limit.",
            "penalty",
            form.OverlongPenaltyParams,
            form.overlong_penalty,
            needs_answer=False,
            value_range=(-1.0, 0.0),
        ),
    )
}


def needs_answer(spec: RewardSpec) -> bool:
    """Whether this reward compares with the reference answer; a pattern does when one of its groups has to equal it."""
    return spec.name in REWARDS and (REWARDS[spec.name].needs_answer or bool(spec.params.get("group")))


def deciding_reward(wanted: str | None, specs: Sequence[RewardSpec]) -> str | None:
    """The reward that decides right or wrong: the wanted one, else the first task reward, else none."""
    if wanted is not None:
        return wanted
    return next((spec.name for spec in specs if spec.name in REWARDS and REWARDS[spec.name].kind == "task"), None)


def reward_problems(index: int, name: str, params: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the reward at this position of the list: its name, or its params."""
    info = REWARDS.get(name)
    if info is None:
        known = ", ".join(REWARDS)
        hint = closest(name, REWARDS) or f"The library has {known}."
        return [Problem(f"rewards[{index}].name", f"there is no reward {short(name)}.", hint)]
    try:
        info.params.model_validate(dict(params))
    except ValidationError as error:
        return problems_from(error, info.params, f"rewards[{index}].params")
    return []
