"""RunConfig from JSON and back: unknown keys refused, all problems reported together, each naming field and fix."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from engine.config import ModelConfig, OptimConfig, RewardSpec, RunConfig
from engine.config_problems import dotted, problems_from, repeated
from engine.config_section import Section
from engine.errors import ConfigError, Problem
from engine.rewards.registry import REWARDS, reward_problems

S = TypeVar("S", bound=Section)


def parse_config(data: str | bytes | Mapping[str, Any]) -> RunConfig:
    """A RunConfig from JSON text or a mapping.

    Raises ConfigError with every problem found: of single fields, and of fields that do not fit together.
    """
    raw = _as_mapping(data)
    try:
        config = RunConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(problems_from(error, RunConfig) + _cross_problems_of_readable_parts(raw)) from None
    problems = cross_problems(config)
    if problems:
        raise ConfigError(problems)
    return config


def dump_config(config: RunConfig) -> str:
    """The configuration as JSON text with every field spelled out, so that later defaults cannot change it."""
    return json.dumps(spelled_out(config).model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def spelled_out(config: RunConfig) -> RunConfig:
    """The same configuration with every setting of every reward named, so that each has a value to show."""
    rewards = tuple(
        spec.model_copy(update={"params": {**default_params(spec.name), **spec.params}}) for spec in config.rewards
    )
    return config.model_copy(update={"rewards": rewards})


def default_params(name: str) -> dict[str, Any]:
    """The settings of a reward as they are when nobody sets them; those that must be set are left out."""
    fields = REWARDS[name].params.model_fields if name in REWARDS else {}
    return {key: info.get_default(call_default_factory=True) for key, info in fields.items() if not info.is_required()}


def cross_problems(config: RunConfig) -> list[Problem]:
    """Problems that need more than one field to see."""
    return [
        *_reward_problems(enumerate(config.rewards)),
        *_weight_problems(config.rewards),
        *_pass_reward_problems(config),
        *_model_problems(config.model),
        *_optim_problems(config.optim),
    ]


def pass_reward(config: RunConfig) -> str | None:
    """The reward that decides right or wrong: the configured one, else the first task reward, else none."""
    if config.evaluation.pass_reward is not None:
        return config.evaluation.pass_reward
    return next((s.name for s in config.rewards if s.name in REWARDS and REWARDS[s.name].kind == "task"), None)


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
        elif isinstance(value, list | tuple) and value:
            for index, item in enumerate(value):
                walk(f"{prefix}[{index}]", item)
        else:
            flat[prefix] = value

    walk("", config)
    return flat


def _as_mapping(data: str | bytes | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(data, Mapping):
        return dict(data)
    try:
        text = data.removeprefix("\ufeff") if isinstance(data, str) else data
        parsed = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:  # ValueError: not JSON, not UTF-8, or a number of 5,000 digits
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).partition(";")[0]
        hint = "Export a config to see the form."
        raise ConfigError([Problem("config", f"this is not JSON ({reason}).", hint)]) from None
    if not isinstance(parsed, dict):
        raise ConfigError([Problem("config", f"expected a JSON object, found {type(parsed).__name__}.")])
    return parsed


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Of a setting that is there twice nobody can say which value was meant."""
    twice = repeated(name for name, _ in pairs)
    if twice is not None:
        raise ConfigError([Problem(dotted((twice,)), "is set twice in the same section.", "Keep one of the two.")])
    return dict(pairs)


def _cross_problems_of_readable_parts(raw: Mapping[str, Any]) -> list[Problem]:
    """Checks across fields on the parts that are valid by themselves, so that one bad field hides no other problem."""
    rewards = raw.get("rewards")
    entries = list(enumerate(rewards)) if isinstance(rewards, list | tuple) else []
    specs = [(index, spec) for index, entry in entries if (spec := _valid(RewardSpec, entry)) is not None]
    problems = _reward_problems(specs)
    if len(specs) == len(entries) > 0:
        problems += _weight_problems([spec for _, spec in specs])
    model, optim = _valid(ModelConfig, raw.get("model")), _valid(OptimConfig, raw.get("optim"))
    return problems + (_model_problems(model) if model else []) + (_optim_problems(optim) if optim else [])


def _valid(section: type[S], raw: Any) -> S | None:
    try:
        return section.model_validate(raw)
    except ValidationError:
        return None


def _reward_problems(specs: Iterable[tuple[int, RewardSpec]]) -> list[Problem]:
    specs = list(specs)
    names = [spec.name for _, spec in specs]
    return [problem for index, spec in specs for problem in reward_problems(index, spec.name, spec.params)] + [
        Problem("rewards", f"'{name}' is listed {names.count(name)} times.", "List each reward once.")
        for name in sorted({name for name in names if names.count(name) > 1})
    ]


def _weight_problems(specs: Sequence[RewardSpec]) -> list[Problem]:
    if any(spec.weight != 0 for spec in specs):
        return []
    return [Problem("rewards", "every weight is 0, so nothing is trained.", "Give at least one reward a weight.")]


def _pass_reward_problems(config: RunConfig) -> list[Problem]:
    wanted = config.evaluation.pass_reward
    names = [spec.name for spec in config.rewards]
    if wanted is None or wanted in names:
        return []
    message = f"'{wanted}' is not among the rewards ({', '.join(names)})."
    return [Problem("evaluation.pass_reward", message, "Name one of them, or leave it empty.")]


def _model_problems(model: ModelConfig) -> list[Problem]:
    if not model.system_prompt or model.chat_template is not False:
        return []
    hint = "Turn the chat template on, or put the text into the prompt template."
    return [Problem("model.system_prompt", "is set, but the chat template is off.", hint)]


def _optim_problems(optim: OptimConfig) -> list[Problem]:
    if optim.warmup_steps <= optim.max_steps:
        return []
    message = f"{optim.warmup_steps} is more than the {optim.max_steps} steps of the run."
    return [Problem("optim.warmup_steps", message, "Make the warm-up shorter.")]
