"""The built-in tasks by name: what each is called and asks, its settings, and examples. Forms and checks read it."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from engine.config_data import GYM
from engine.config_problems import problems_from
from engine.config_section import Section
from engine.data.gym import GymParams
from engine.data.tasks.arithmetic import ARITHMETIC
from engine.data.tasks.countdown import COUNTDOWN
from engine.data.tasks.counting import COUNTING
from engine.data.tasks.instructions import INSTRUCTIONS
from engine.data.tasks.sorting import SORTING
from engine.data.tasks.spelling import SPELLING
from engine.data.tasks.task import Item, TaskInfo
from engine.errors import Problem
from engine.seeds import derive_seed

TASKS: dict[str, TaskInfo] = {
    info.name: info for info in (ARITHMETIC, SPELLING, SORTING, COUNTING, COUNTDOWN, INSTRUCTIONS)
}


def is_task(source: Any) -> bool:
    """Whether a source is the name of a built-in task."""
    return isinstance(source, str) and source in TASKS


def task_params(name: str, params: Mapping[str, Any]) -> Section:
    """The settings of a task, checked. Raises pydantic's ValidationError."""
    return TASKS[name].params.model_validate(dict(params))


def default_task_params(name: str) -> dict[str, Any]:
    """The settings of a task, also of reasoning-gym, as they are when nobody sets them; empty for other sources."""
    if name.startswith(GYM):
        return GymParams().model_dump()
    return TASKS[name].params().model_dump() if is_task(name) else {}


def task_problems(name: str, params: Mapping[str, Any], field: str) -> list[Problem]:
    """What is wrong with the settings of a task; `field` is their place in the configuration, such as "data.params"."""
    try:
        task_params(name, params)
    except ValidationError as error:
        return problems_from(error, TASKS[name].params, field)
    return []


def task_title(name: str, params: Mapping[str, Any]) -> str:
    """The task with its settings in a few words: "arithmetic, 2 digits"; only its label when they are wrong."""
    try:
        return TASKS[name].title(task_params(name, params))
    except (ValidationError, TypeError, ValueError):  # a draft may hold anything
        return TASKS[name].label


def sample_items(name: str, params: Mapping[str, Any], count: int) -> list[Item]:
    """The first items of a task as it is set, always the same ones: to show what it asks. Raises ValidationError."""
    checked = task_params(name, params)
    return [TASKS[name].make(checked, derive_seed(0, place, "sample")) for place in range(count)]
