"""Configuration text: JSON and YAML become a mapping, and what is hostile or ambiguous is refused in a sentence."""

import json

import pytest

from engine.config_text import MAX_YAML_BYTES, json_mapping, read_mapping, yaml_mapping
from engine.errors import ConfigError


def refusal(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read_mapping(text)
    (problem,) = caught.value.problems
    assert "\n" not in str(problem) and len(str(problem)) < 300
    return str(problem)


def test_json_and_yaml_are_told_apart_by_the_first_character() -> None:
    assert read_mapping(' {"beta": 0.1, "delta": null}') == {"beta": 0.1, "delta": None}
    assert read_mapping("\ufeffbeta: 0.1\ndelta:\nreward_weights: [1, 0.5]\n") == {
        "beta": 0.1, "delta": None, "reward_weights": [1, 0.5],
    }  # fmt: skip
    assert read_mapping(b"\xef\xbb\xbfbeta: 0.1") == {"beta": 0.1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x [1]\nb: *x", "config: line 2 uses the YAML alias *x."),
        ("a: 1\nb: 2\na: 3", "a: is set twice"),
        ("a: {b: 1, b: 2}", "b: is set twice"),
        ('{"a": 1, "a": 1}', "a: is set twice"),
        ("a: " + "[" * 40 + "]" * 40, "nested more than 32 deep"),
        ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("a: 1\n---\nb: 2", "this is not YAML (line 2:"),
        ("a: [1", "this is not YAML (line 1:"),
        ("a:\tb: c: d", "this is not YAML"),
        ("a: 2024-13-45", "a value that cannot be read"),
        ("a: " + "1" * 5000, "a value that cannot be read"),
        ("yes: 1", "the name True is not text."),
        ("~: 1", "the name None is not text."),
        ("", "expected a mapping of settings, found nothing."),
        ("just words", "expected a mapping of settings, found str."),
        ("[1, 2]", "expected a JSON object, found list."),
        ("{a: 1}", "this is not JSON (Expecting property name"),
        (b"\xff\xfe", "not text in UTF-8 (byte 0)"),
        ("a: " + "x" * MAX_YAML_BYTES, "at most 65,536 are read"),
        ("\x00", "this is not YAML"),
    ],
)
def test_what_cannot_be_read_is_one_problem_and_one_sentence(text: str | bytes, words: str) -> None:
    assert words in refusal(text)


def test_a_billion_laughs_is_refused_before_a_value_is_made() -> None:
    """Ten levels of ten aliases: ten billion values from 600 characters."""
    lines = ["l0: &l0 [x, x]"] + [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 11)]
    assert "uses the YAML alias *l0" in refusal("\n".join(lines))


def test_a_large_json_text_is_read_and_a_huge_one_is_not() -> None:
    assert len(json_mapping(json.dumps({"prompt": "x" * 1_000_000}))["prompt"]) == 1_000_000
    assert "at most 4,194,304 are read" in refusal(json.dumps({"prompt": "x" * 5_000_000}))


def test_a_number_as_people_write_it_stays_text_in_yaml() -> None:
    """YAML 1.1 wants 1.0e-6; TRL and we read the text as the number it is."""
    assert yaml_mapping("learning_rate: 1e-6") == {"learning_rate": "1e-6"}
