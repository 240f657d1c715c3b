"""RunConfig from JSON and back: unknown keys refused, all problems reported together, each naming field and fix."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from engine.config import RunConfig
from engine.config_problems import broken_texts, problems_from
from engine.config_rules import cross_problems, cross_problems_of_readable_parts
from engine.config_text import json_mapping
from engine.data.tasks.registry import default_task_params
from engine.errors import ConfigError
from engine.rewards.registry import REWARDS, deciding_reward, function_of


def parse_config(data: str | bytes | Mapping[str, Any]) -> RunConfig:
    """A RunConfig from JSON text or a mapping.

    Raises ConfigError with every problem found: of single fields, and of fields that do not fit together.
    """
    raw = dict(data) if isinstance(data, Mapping) else json_mapping(data)
    try:
        config = RunConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(problems_from(error, RunConfig) + cross_problems_of_readable_parts(raw)) from None
    problems = broken_texts(config.model_dump()) + cross_problems(config)
    if problems:
        raise ConfigError(problems)
    return config


def parse_recorded(data: str | bytes | Mapping[str, Any]) -> RunConfig:
    """The RunConfig of a run that something else has trained: checked for its form, not for whether it can be trained.

    Raises ConfigError with every problem found.
    """
    raw = dict(data) if isinstance(data, Mapping) else json_mapping(data)
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(problems_from(error, RunConfig)) from None


def dump_config(config: RunConfig) -> str:
    """The configuration as JSON text with every field spelled out, so that later defaults cannot change it."""
    return json.dumps(spelled_out(config).model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def spelled_out(config: RunConfig) -> RunConfig:
    """The same configuration with every setting of every reward and task named, so that each has a value to show."""
    rewards = tuple(
        spec.model_copy(update={"params": {**default_params(function_of(spec)), **spec.params}})
        for spec in config.rewards
    )
    data = config.data.model_copy(
        update={
            "params": {**default_task_params(config.data.source), **config.data.params},
            "mixture": tuple(
                source.model_copy(update={"params": {**default_task_params(source.source), **source.params}})
                for source in config.data.mixture
            ),
        }
    )
    return config.model_copy(update={"rewards": rewards, "data": data})


def default_params(function: str) -> dict[str, Any]:
    """The settings of a reward as they are when nobody sets them; those that must be set are left out."""
    fields = REWARDS[function].params.model_fields if function in REWARDS else {}
    return {key: info.get_default(call_default_factory=True) for key, info in fields.items() if not info.is_required()}


def pass_reward(config: RunConfig) -> str | None:
    """The reward that decides right or wrong in this run; None when none does."""
    return deciding_reward(config.evaluation.pass_reward, config.rewards)


def config_diff(old: RunConfig, new: RunConfig) -> list[tuple[str, Any, Any]]:
    """(dotted field, old value, new value) of every setting that differs."""
    left, right = flatten(old), flatten(new)
    keys = list(left) + [key for key in right if key not in left]
    return [(key, left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)]


def flatten(config: RunConfig) -> dict[str, Any]:
    """Dotted field → value, sections opened and rewards by position."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, BaseModel):
            value = value.model_dump(mode="json")
        if isinstance(value, dict) and value:
            for key, item in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), item)
        elif isinstance(value, list | tuple) and any(isinstance(item, dict | list | BaseModel) for item in value):
            for index, item in enumerate(value):
                walk(f"{prefix}[{index}]", item)
        else:
            flat[prefix] = value

    walk("", config)
    return flat
