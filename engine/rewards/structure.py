"""Rewards for what a text has to contain: JSON that fits a schema, and keywords."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal

import orjson
import regex
from pydantic import field_validator, model_validator

from engine.config_section import Section, knob
from engine.rewards.extract import MAX_TEXT, REGEX_TIMEOUT_S, without_thought
from engine.rewards.info import Example, RewardInfo
from engine.rewards.protocol import Failed, RewardFunction, per_completion

MAX_JSON = 20_000  # characters; a schema can compare every item with every other
_FENCE = re.compile(r"```(?:json|JSON)?[ \t]*\n(.*?)```", re.S)


class JsonFormatParams(Section):
    json_schema: str = knob(
        "",
        "A JSON Schema that the value has to fit (draft 2020-12). Empty: any JSON will do. References may only point "
        "into the schema itself.",
        label="Schema",
        max_length=20_000,
    )
    place: Literal["either", "whole", "fence"] = knob(
        "either",
        "Where the JSON stands. A think block is never part of it.",
        label="Read it from",
        words={
            "either": "a ``` block if there is one, else everything",
            "whole": "the whole completion",
            "fence": "the last ``` block",
        },
    )
    valid_share: float = knob(
        0.0, "What JSON is worth that does not fit the schema.", label="Valid but not fitting", ge=0, le=1
    )

    @field_validator("json_schema")
    @classmethod
    def _is_schema(cls, text: str) -> str:
        if text.strip():
            _validator(text)
        return text


class KeywordsParams(Section):
    required: str = knob(
        "", "Words or phrases that have to occur, one a line.", label="Required", max_length=10_000
    )  # fmt: skip
    forbidden: str = knob("", "Words or phrases that may not occur, one a line.", label="Forbidden", max_length=10_000)
    at_least: int = knob(1, "How often each required one has to occur.", label="At least", unit="times", ge=1, le=1000)
    at_most: int | None = knob(
        None, "How often each required one may occur.", label="At most", unit="times", empty="no limit", ge=1, le=1000
    )
    whole_words: bool = knob(True, "“art” is not found in “party”.", label="Whole words")
    ignore_case: bool = knob(True, "Count upper and lower case as the same.", label="Ignore case")
    partial: bool = knob(True, "Earn the share of the lines that are kept, instead of all or nothing.", label="Graded")

    @model_validator(mode="after")
    def _has_keywords(self) -> "KeywordsParams":
        if not lines(self.required) and not lines(self.forbidden):
            raise ValueError("name at least one required or forbidden keyword")
        if self.at_most is not None and self.at_most < self.at_least:
            raise ValueError(f"at most {self.at_most} times is less than at least {self.at_least}")
        return self


def lines(text: str) -> list[str]:
    """The lines of a setting that are not blank, without the spaces around them."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def json_format(params: JsonFormatParams) -> RewardFunction:
    """1 when the completion holds JSON that fits the schema, `valid_share` when it does not fit, 0 without JSON."""
    fits = _validator(params.json_schema) if params.json_schema.strip() else None

    def rule(text: str, reference: str | None) -> float:
        part = _json_part(text, params.place)
        if part is None or len(part) > MAX_JSON:
            return 0.0
        try:
            value = orjson.loads(part)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            return 0.0
        return 1.0 if fits is None or fits(value) else params.valid_share

    return per_completion(rule)


def json_answer(params: JsonFormatParams, text: str) -> str | None:
    """The part that is read as JSON."""
    return _json_part(text, params.place)


def _json_part(text: str, place: str) -> str | None:
    text = without_thought(text[-MAX_TEXT:])
    blocks = _FENCE.findall(text) if place != "whole" else []
    if blocks:
        return str(blocks[-1])
    return None if place == "fence" else text


def _validator(text: str) -> Callable[[Any], bool]:
    """Whether a value fits this schema. Raises ValueError for text that is no schema, or one that looks elsewhere."""
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import extend
    from referencing import Registry

    def pattern(_: Any, wanted: str, value: Any, __: Any) -> Iterator[ValidationError]:
        if isinstance(value, str) and not _is_found(wanted, value):
            yield ValidationError("does not match")

    schema = _schema(text)
    checker = extend(Draft202012Validator, {"pattern": pattern})
    try:
        checker.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"is not a JSON Schema ({error.message[:200]})") from None
    validator = checker(schema, registry=Registry())  # an empty registry: nothing is fetched

    def fits(value: Any) -> bool:
        try:
            return bool(validator.is_valid(value))
        except RecursionError:
            raise Failed("the schema refers to itself without end") from None

    return fits


def _schema(text: str) -> dict[str, Any]:
    try:
        schema = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error})") from None
    if not isinstance(schema, dict):
        raise ValueError('has to be a JSON object, such as {"type": "object"}')
    for key, value in _members(schema):
        if key in ("$ref", "$dynamicRef") and not str(value).startswith("#"):
            raise ValueError(f"refers to {str(value)[:100]!r}; references may only begin with #")
        if key == "patternProperties":
            raise ValueError("uses patternProperties, whose patterns have no time limit; name the properties instead")
    return schema


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _members(item)


def _is_found(pattern: str, text: str) -> bool:
    try:
        return regex.search(pattern, text, timeout=REGEX_TIMEOUT_S) is not None
    except TimeoutError:
        raise Failed(f"a pattern of the schema took longer than {REGEX_TIMEOUT_S} s on this text") from None


def keywords(params: KeywordsParams) -> RewardFunction:
    """Share of the keyword lines that are kept: required ones occur often enough, forbidden ones never."""
    needed = [_keyword(line, params) for line in lines(params.required)]
    banned = [_keyword(line, params) for line in lines(params.forbidden)]
    most = params.at_most or 10**9

    def rule(text: str, reference: str | None) -> float:
        text = text[:MAX_TEXT]
        counts = [sum(1 for _ in found.finditer(text)) for found in needed]
        kept = [params.at_least <= count <= most for count in counts] + [not found.search(text) for found in banned]
        return sum(kept) / len(kept) if params.partial else float(all(kept))

    return per_completion(rule)


def _keyword(line: str, params: KeywordsParams) -> re.Pattern[str]:
    edges = (r"(?<!\w)", r"(?!\w)") if params.whole_words else ("", "")
    return re.compile(edges[0] + re.escape(line) + edges[1], re.I if params.ignore_case else 0)


INFOS = (
    RewardInfo(
        "json_format",
        "JSON",
        "1 when the completion is JSON that fits a schema, else 0.",
        "format",
        JsonFormatParams,
        json_format,
        needs_answer=False,
        parse=json_answer,
        explanation=(
            "Reads the last ``` block, or the whole completion, as strict JSON: one value, no comments, no comma too "
            "many. With a schema the value also has to fit it. Without one, “{}” and “1” are JSON and earn all of it, "
            "so ask in the schema for what has to be there, with a least length for texts. More than 20,000 characters "
            "earn 0."
        ),
        examples=(
            Example('{"answer": 85}', 1.0),
            Example('Sure!\n```json\n{"answer": 85}\n```', 1.0),
            Example("{'answer': 85}", 0.0),
            Example("1", 1.0),
            Example('{"answer": "85"}', 0.0, None, {"json_schema": '{"properties": {"answer": {"type": "integer"}}}'}),
            Example('{"a": 85}', 0.25, None, {"json_schema": '{"required": ["answer"]}', "valid_share": 0.25}),
        ),
    ),
    RewardInfo(
        "keywords",
        "Keywords",
        "The share of wanted words that occur, and of unwanted ones that do not.",
        "format",
        KeywordsParams,
        keywords,
        needs_answer=False,
        explanation=(
            "Each line of the two lists is a condition: a required word or phrase occurs often enough (and not too "
            "often), a forbidden one never. The reward is the share of the conditions that are kept, or all or "
            "nothing. It looks for letters and not for sense, so the cheapest way to all of it is to list the words. "
            "With forbidden words alone, an empty completion earns 1."
        ),
        examples=(
            Example("Cats chase mice.", 1.0, None, {"required": "cats\nmice"}),
            Example("Cats sleep.", 0.5, None, {"required": "cats\nmice"}),
            Example("A party", 0.0, None, {"required": "art"}),
            Example("", 1.0, None, {"forbidden": "sorry"}),
            Example("cats mice", 1.0, None, {"required": "cats\nmice"}),
            Example("cats cats cats", 0.0, None, {"required": "cats", "at_most": 2}),
        ),
    ),
)
