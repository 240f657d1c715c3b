"""Rewards for JSON that fits a schema, and for keywords."""

import json
import math
from typing import Any

import pytest
from pydantic import ValidationError

from engine.rewards.registry import REWARDS
from engine.rewards.structure import JsonFormatParams, KeywordsParams


def call(name: str, completions: list[str], **params: Any) -> list[float | None]:
    info = REWARDS[name]
    return info.make(info.params(**params))(completions=completions)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', 1), ("[1, 2]", 1), ("null", 1), ("<think>{</think>{}", 1), ("```json\n{}\n```", 1),
        ("{a: 1}", 0), ("[1,]", 0), ("NaN", 0), ("{} {}", 0), ("", 0), ("[" * 5000 + "]" * 5000, 0), ("\ud800", 0),
        ("[" + "1," * 20_000 + "1]", 0),
    ],
)  # fmt: skip
def test_json_is_strict_and_bounded(text: str, value: float) -> None:
    assert call("json_format", [text]) == [value]


def test_the_last_block_counts_and_can_be_asked_for() -> None:
    two = "```json\n{\n```\n```\n[1]\n```"
    assert call("json_format", [two, "{}"]) == [1, 1]
    assert call("json_format", [two, "{}"], place="fence") == [1, 0]
    assert call("json_format", [two, "{}"], place="whole") == [0, 1]


SCHEMA = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "pattern": "^[A-Z]"}}}


def test_json_that_does_not_fit_the_schema_is_worth_what_is_set() -> None:
    texts = ['{"name": "Ann"}', '{"name": "ann"}', '{"name": 1}', "{}", "{"]
    assert call("json_format", texts, json_schema=json.dumps(SCHEMA), valid_share=0.5) == [1, 0.5, 0.5, 0.5, 0]


def test_a_pattern_of_a_schema_that_runs_away_has_failed() -> None:
    schema = json.dumps({"type": "string", "pattern": "(a|aa)+$"})
    assert math.isnan(call("json_format", ['"' + "a" * 15_000 + '!"'], json_schema=schema)[0])


def test_a_schema_that_refers_to_itself_without_end_has_failed() -> None:
    schema = json.dumps({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}})
    assert math.isnan(call("json_format", ["1"], json_schema=schema)[0])


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("{", "is not JSON"),
        ("[]", "has to be a JSON object"),
        ('{"type": "strange"}', "is not a JSON Schema"),
        ('{"properties": {"a": {"$ref": "https://example.org/schema"}}}', "references may only begin with #"),
        ('{"patternProperties": {"(a|aa)+$": {}}}', "patternProperties"),
        ("[" * 100_000, "at most 20000"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        JsonFormatParams(json_schema=schema)


def test_keywords_earn_the_share_of_the_lines_that_are_kept() -> None:
    texts = ["Cats and mice", "cats", "dogs and cats", "dogs"]
    assert call("keywords", texts, required="cats\nmice", forbidden="dogs") == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert call("keywords", texts, required="cats\nmice", forbidden="dogs", partial=False) == [1, 0, 0, 0]


def test_keywords_can_have_to_occur_a_number_of_times() -> None:
    assert call("keywords", ["a", "a a", "a a a", "a a a a"], required="a", at_least=2, at_most=3) == [0, 1, 1, 0]


def test_keywords_are_words_of_any_case_unless_set_otherwise() -> None:
    assert call("keywords", ["party", "Art", "art."], required="art") == [0, 1, 1]
    assert call("keywords", ["party", "Art", "art."], required="art", whole_words=False, ignore_case=False) == [1, 0, 1]
    assert call("keywords", ["c++ is", "c is"], required="c++") == [1, 0]  # text, not a pattern


@pytest.mark.parametrize("params", [{}, {"required": " \n"}, {"required": "a", "at_least": 3, "at_most": 2}])
def test_keywords_that_ask_nothing_or_the_impossible_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KeywordsParams(**params)
