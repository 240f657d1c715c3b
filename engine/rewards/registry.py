"""The library of rewards: what each is called and does, its settings, and how to make it. Forms and checks read it."""

from collections.abc import Sequence
from typing import get_args

from pydantic import ValidationError

from engine.config import RewardSpec
from engine.config_problems import closest, problems_from, short
from engine.errors import Problem
from engine.rewards import (
    choices,
    code_tests,
    constraints,
    diversity,
    form,
    generated_tasks,
    judging,
    language,
    length,
    matching,
    mathematics,
    python_file,
    similarity,
    steps,
    structure,
)
from engine.rewards.info import Kind, RewardInfo

_INFOS = (
    *matching.INFOS,
    *choices.INFOS,
    *similarity.INFOS,
    *mathematics.INFOS,
    *generated_tasks.INFOS,
    *steps.INFOS,
    *form.INFOS,
    *structure.INFOS,
    *constraints.INFOS,
    *length.INFOS,
    *language.INFOS,
    *code_tests.INFOS,
    *diversity.INFOS,
    *judging.INFOS,
    *python_file.INFOS,
)
# By name, in the order in which they are offered.
REWARDS: dict[str, RewardInfo] = {info.name: info for info in _INFOS}


def function_of(spec: RewardSpec) -> str:
    """The reward of the library that this one is: the one it names, else the one of its own name."""
    return spec.function or spec.name


def info_of(spec: RewardSpec) -> RewardInfo | None:
    """What the library says of this reward; None when it has none of that name."""
    return REWARDS.get(function_of(spec))


def needs_answer(spec: RewardSpec) -> bool:
    """Whether this reward compares with the reference answer; a pattern does when one of its groups has to equal it."""
    info = info_of(spec)
    return info is not None and (info.needs_answer or bool(spec.params.get("group")))


def columns_of(spec: RewardSpec) -> list[str]:
    """The columns of the data that its settings name."""
    info = info_of(spec)
    fields = {} if info is None else info.params.model_fields
    named = [spec.params.get(key, field.default) for key, field in fields.items() if key.endswith("column")]
    return [name for name in named if isinstance(name, str) and name]


def deciding_reward(wanted: str | None, specs: Sequence[RewardSpec]) -> str | None:
    """The reward that decides right or wrong: the wanted one, else the first task reward, else none."""
    if wanted is not None:
        return wanted
    return next((spec.name for spec in specs if kind_of(spec) == "task"), None)


def kind_of(spec: RewardSpec) -> Kind | None:
    """Whether it judges the answer or the form, or only takes away; None for one that the library does not have.

    A reward of the user's own is what its settings say.
    """
    info = info_of(spec)
    if info is None:
        return None
    chosen = spec.params.get("kind") if "kind" in info.params.model_fields else None
    return chosen if chosen in get_args(Kind) else info.kind


def absence_problems(index: int, spec: RewardSpec) -> list[Problem]:
    """Why this reward cannot be used on this machine, though nothing is wrong with it.

    Apart from reward_problems, so that a run can still be opened where its rewards could not be computed.
    """
    info = info_of(spec)
    reason = None if info is None else info.unavailable()
    return [] if reason is None else [Problem(f"rewards[{index}]", f"{spec.name} cannot be used here.", reason)]


def reward_problems(index: int, spec: RewardSpec) -> list[Problem]:
    """What is wrong with the reward at this position of the list: its name, or its params."""
    info = info_of(spec)
    if info is None:
        known, name = ", ".join(REWARDS), function_of(spec)
        hint = closest(name, REWARDS) or f"The library has {known}."
        field = "function" if spec.function else "name"
        return [Problem(f"rewards[{index}].{field}", f"there is no reward {short(name)}.", hint)]
    try:
        info.params.model_validate(dict(spec.params))
    except ValidationError as error:
        return problems_from(error, info.params, f"rewards[{index}].params")
    return []
