"""Where a completion states its answer, and what is then read as its number."""

import re
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from engine.rewards import extract, numbers, spelling, units
from engine.rewards.extract import Extract, ReadsAnswer, read_number, reference_number, stated_answer, without_thought
from engine.rewards.protocol import Missing
from tests.unit.rewards.test_hostile_text import TEXTS


def number(text: str, form: Extract = "auto", pattern: str = "") -> Any:
    found = read_number(text, form, pattern)
    return None if found is None else found.value


@pytest.mark.parametrize(
    ("text", "form", "part"),
    [
        ("<answer> 42 </answer>", "tag", "42"),
        ("<answer>1</answer> no, <answer>2</answer>", "tag", "2"),
        ("<Answer>42</ANSWER>", "tag", "42"),
        ("<answer>42", "tag", None),
        (r"so \boxed{42}.", "boxed", "42"),
        (r"\boxed{1} then \boxed{\frac{1}{2}}", "boxed", r"\frac{1}{2}"),
        (r"\boxed{42", "boxed", None),
        ("work\n#### 42\nmore", "hashes", "42"),
        ("42", "hashes", None),
        ("**Answer:** 42\nmore", "answer", "42"),
        ("The answer is therefore 42.", "answer", "42."),
        ("Answer:\n42", "answer", "42"),
        ("My answers vary.", "answer", None),
        ("one\n two \n\n", "last_line", "two"),
        ("", "last_line", None),
        ("3 apples make 4 pears", "last_number", "4"),
        ("no number", "last_number", None),
        (" all of it ", "whole", "all of it"),
    ],
)
def test_each_form_is_found_where_it_stands(text: str, form: Extract, part: str | None) -> None:
    assert stated_answer(text, form) == part


def test_auto_takes_the_tag_before_the_box_before_the_hashes_before_the_answer_before_the_end() -> None:
    text = "<answer>1</answer> \\boxed{2} #### 3\nAnswer: 4\nin all 5"
    assert [number(text), number(text[18:]), number(text[28:]), number(text[34:]), number("in all 5")] == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert stated_answer("so\nin all 5", "auto") == "in all 5"  # a text answer is the last line


def test_a_pattern_reads_its_first_group_at_its_last_match() -> None:
    assert stated_answer("x=1; x=2;", "regex", "x=([0-9])") == "2"
    assert stated_answer("x=1; x=2;", "regex", "x=[0-9]") == "x=2"
    assert stated_answer("y", "regex", "x=([0-9])") is None
    assert number("x=1; x=2; y=3", "regex", "x=([0-9])") == 2


def test_a_pattern_that_runs_away_makes_the_answer_missing() -> None:
    with pytest.raises(Missing, match=r"took longer than 0\.1 s"):
        stated_answer("a" * 50_000 + "!", "regex", "(a|aa)+$")


def test_reading_by_pattern_needs_a_pattern_that_compiles() -> None:
    with pytest.raises(ValidationError, match="needs an answer pattern"):
        ReadsAnswer(extract="regex")
    with pytest.raises(ValidationError, match="is not a regular expression"):
        ReadsAnswer(extract="regex", answer_pattern="(")


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("<think>a</think>b", "b"),
        ("a</think>b", "b"),  # the template opened the block
        ("b<think>a", "b"),  # cut off while thinking
        ("<think>a</think>b<think>c</think>d", "d"),
        ("b", "b"),
    ],
)
def test_a_think_block_is_no_part_of_the_answer(text: str, rest: str) -> None:
    assert without_thought(text) == rest


def test_an_empty_place_states_nothing_even_when_the_text_has_a_number() -> None:
    assert number("7 <answer></answer>") is None
    assert number(r"7 \boxed{}") is None


@pytest.mark.parametrize("form", ["<answer>{}</answer>", r"\boxed{{{}}}", "Answer: {}\n"])
def test_two_different_statements_side_by_side_state_nothing(form: str) -> None:
    assert number(form.format(42) + " or " + form.format(43)) is None
    assert number(form.format(42) + " or " + form.format(42)) == 42
    assert number(form.format(43) + " No, I was wrong about that. " + form.format(42)) == 42


def test_after_the_answer_line_a_second_thought_counts() -> None:
    assert number("The answer is 42. It has 2 digits.") == 42
    assert number("The answer is 42. Wait, it is 43.") == 43


def test_a_reference_in_gsm8k_form_is_the_number_after_the_last_hashes() -> None:
    for text, value in (("48/2 = <<48/2=24>>24 clips\n#### 1,072", 1072), ("72", 72)):
        found = reference_number(text)
        assert found is not None and found.value == value
    assert reference_number("seventy-two") is None
    assert reference_number("1" * 200_000) is None


# Time. Each pattern stops within a fixed distance of what it consumes, and the steps in Python grow with the text.


def patterns(module: ModuleType) -> list[re.Pattern[str]]:
    found = [value for value in vars(module).values() if isinstance(value, re.Pattern)]
    return found + [pattern for pattern, _ in getattr(module, "_LATEX", ())]


def repeats(parsed: Any) -> list[tuple[str, int]]:
    """(kind, upper bound) of every repetition of a parsed pattern."""
    found: list[tuple[str, int]] = []
    for operation, argument in parsed:
        if str(operation).endswith("REPEAT"):
            found.append((str(operation), int(argument[1])))
        for part in argument if isinstance(argument, tuple | list) else ():
            for inner in part if isinstance(part, list) else [part]:
                found += repeats(inner) if isinstance(inner, re._parser.SubPattern) else []  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("module", [extract, numbers, spelling, units], ids=lambda module: module.__name__)
def test_what_a_pattern_repeats_without_bound_it_never_gives_back(module: ModuleType) -> None:
    """Possessive repetitions may be endless; any other one ends after at most 400, so an attempt costs a constant."""
    for pattern in patterns(module):
        found = repeats(re._parser.parse(pattern.pattern, pattern.flags))  # type: ignore[attr-defined]
        assert all(kind == "POSSESSIVE_REPEAT" or bound <= 400 for kind, bound in found), pattern.pattern


def steps(function: Callable[[], object]) -> int:
    """How many functions, of Python and of C, a call calls."""
    count = 0

    def count_call(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(count_call)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_twice_the_text_takes_at_most_about_twice_the_steps(text: str) -> None:
    half, whole = text[:50_000], text[:100_000]
    few, many = (steps(lambda part=part: (number(part), stated_answer(part, "auto"))) for part in (half, whole))
    assert many <= 2.2 * few + 500
    assert many < 60_000


def test_only_the_end_of_a_very_long_text_is_read() -> None:
    assert number("<answer>1</answer>" + " " * 100_000 + "2") == 2
