"""Configuration text as a mapping: JSON, or YAML without aliases. Foreign text, so what it may cost is limited.

Nothing here knows a setting: config_io.py makes a RunConfig of the mapping, trl/ reads TRL's settings in it.
"""

import json
from collections.abc import Iterable
from typing import Any

import yaml

from engine.config_problems import dotted, repeated, short
from engine.errors import ConfigError, Problem

MAX_JSON_BYTES = 4 * 2**20  # sixteen rewards and a long system prompt need a tenth of it
MAX_YAML_BYTES = 64 * 1024  # PyYAML reads this in about a second; TRL's own configs have 1 to 10 KB
MAX_YAML_DEPTH = 32


def read_mapping(data: str | bytes) -> dict[str, Any]:
    """The mapping that a JSON or YAML text holds; a text that begins with { or [ is taken for JSON.

    Raises ConfigError: neither of the two, no mapping, a key twice, YAML with an alias, too large, too deep.
    """
    text = _decoded(data)
    return json_mapping(text) if text.lstrip()[:1] in ("{", "[") else yaml_mapping(text)


def json_mapping(data: str | bytes) -> dict[str, Any]:
    """The object that a JSON text holds. Raises ConfigError."""
    text = _decoded(data)
    _require_size(text, MAX_JSON_BYTES, "JSON")
    try:
        parsed = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:  # ValueError: not JSON, or a number of 5,000 digits
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).partition(";")[0]
        raise _refused(f"this is not JSON ({reason}).", "Export a config to see the form.") from None
    return _as_mapping(parsed, "JSON object")


def yaml_mapping(data: str | bytes) -> dict[str, Any]:
    """The mapping that a YAML text holds, with its values as yaml.safe_load makes them. Raises ConfigError."""
    text = _decoded(data)
    _require_size(text, MAX_YAML_BYTES, "YAML")
    try:
        _require_plain(yaml.parse(text, Loader=yaml.SafeLoader))
        _require_unique(yaml.compose(text, Loader=yaml.SafeLoader))
        parsed = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _refused(
            f"this is not YAML ({_yaml_reason(error)}).", "A setting a line: `learning_rate: 1e-6`."
        ) from None
    except (ValueError, TypeError, RecursionError) as error:  # a number of 5,000 digits, a date of month 13
        raise _refused(f"this is YAML with a value that cannot be read ({short(str(error))}).") from None
    return _as_mapping(parsed, "mapping of settings")


def _decoded(data: str | bytes) -> str:
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(f"this is not text in UTF-8 (byte {error.start}).", "Export a config to see the form.") from None


def _require_size(text: str, limit: int, kind: str) -> None:
    if len(text) > limit:
        raise _refused(
            f"this {kind} has {len(text):,} characters; at most {limit:,} are read.", "Is it the right file?"
        )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys are all different. Raises ConfigError."""
    _require_once(key for key, _ in pairs)
    return dict(pairs)


def _require_plain(events: Iterable[yaml.Event]) -> None:
    """Refuse aliases, with which a short text stands for billions of values, and nesting that no config has."""
    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            where = event.start_mark.line + 1
            raise _refused(f"line {where} uses the YAML alias *{short(event.anchor)[1:-1]}.", "Write the value out.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_YAML_DEPTH:
            raise _refused(f"this YAML is nested more than {MAX_YAML_DEPTH} deep.", "A config has two levels.")


def _require_unique(node: yaml.Node | None) -> None:
    """Refuse a key that stands twice in a mapping, of which YAML would silently keep the last."""
    if isinstance(node, yaml.MappingNode):
        _require_once(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for _, value in node.value:
            _require_unique(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _require_unique(item)


def _as_mapping(parsed: Any, kind: str) -> dict[str, Any]:
    if not isinstance(parsed, dict):
        raise _refused(f"expected a {kind}, found {'nothing' if parsed is None else type(parsed).__name__}.")
    for key in parsed:
        if not isinstance(key, str):
            raise _refused(f"the name {short(key)} is not text.", "Put it in quotes if it is a name.")
    return parsed


def _yaml_reason(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    reason = str(problem or error).partition("\n")[0][:100]
    return f"line {mark.line + 1}: {reason}" if mark is not None else reason


def _require_once(names: Iterable[str]) -> None:
    """Of a setting that is there twice nobody can say which value was meant."""
    twice = repeated(names)
    if twice is not None:
        raise ConfigError([Problem(dotted((twice,)), "is set twice in the same section.", "Keep one of the two.")])


def _refused(message: str, hint: str = "") -> ConfigError:
    return ConfigError([Problem("config", message, hint)])
