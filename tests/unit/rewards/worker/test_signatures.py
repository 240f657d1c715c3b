"""Which convention a signature is taken for, what it needs of the data, and what is too unclear to be called."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from engine.rewards.worker.signatures import missing_words, recognise

TRL: list[tuple[Callable[..., Any], tuple[str, ...], bool]] = [
    (lambda completions, **kwargs: 0, (), True),
    (lambda prompts, completions, completion_ids, **kwargs: 0, (), True),
    (lambda completions, ground_truth, **kwargs: 0, ("ground_truth",), True),
    (lambda prompts, completions, answer, trainer_state, log_extra, log_metric: 0, ("answer",), False),
    (lambda completions, target=None, **kwargs: 0, (), True),
    (lambda completion_ids: 0, (), False),
    (lambda **kwargs: 0, (), True),
]


@pytest.mark.parametrize(("function", "columns", "reads_all"), TRL)
def test_what_takes_a_batch_is_trls(function: Any, columns: tuple[str, ...], reads_all: bool) -> None:
    found = recognise(inspect.signature(function))
    assert (found.convention, found.columns, found.reads_all) == ("trl", columns, reads_all)


VERL: list[Callable[..., Any]] = [
    lambda data_source, solution_str, ground_truth, extra_info=None: 0,
    lambda data_source, solution_str, ground_truth, extra_info: 0,
    lambda solution_str, ground_truth, method="strict", format_score=0.0, score=1.0: 0,
    lambda data_source, solution_str, ground_truth, extra_info=None, **kwargs: 0,
]


@pytest.mark.parametrize("function", VERL)
def test_solution_str_and_ground_truth_are_verls(function: Any) -> None:
    assert recognise(inspect.signature(function)).convention == "verl"


SINGLE: list[tuple[Callable[..., Any], str, tuple[str, ...], tuple[str, ...]]] = [
    (lambda completion, answer: 0, "completion", (), ("answer",)),
    (lambda response, ground_truth: 0, "response", (), ("ground_truth",)),
    (lambda text: 0, "text", (), ()),
    (lambda prompt, completion, difficulty: 0, "completion", ("difficulty",), ()),
    (lambda completion, difficulty="easy": 0, "completion", (), ("difficulty",)),
    (lambda x: 0, "x", (), ()),
    (lambda answer, completion: 0, "completion", (), ("answer",)),
]


@pytest.mark.parametrize(("function", "completion", "columns", "optional"), SINGLE)
def test_what_takes_one_completion_is_single_sample(
    function: Any, completion: str, columns: tuple[str, ...], optional: tuple[str, ...]
) -> None:
    found = recognise(inspect.signature(function))
    assert (found.convention, found.completion) == ("single", completion)
    assert (found.columns, found.optional) == (columns, optional)


UNCLEAR: list[tuple[Callable[..., Any], str]] = [
    (lambda: 0, "It has no parameters"),
    (lambda answer: 0, "none is the completion"),
    (lambda answer, ground_truth: 0, "none is the completion"),
    (lambda a, b: 0, "none is the completion"),
    (lambda texts: 0, "none is the completion"),
    (lambda completion, response: 0, "Each of 'completion', 'response' could be the completion"),
    (lambda completions, completion: 0, "both 'completions', a batch, and 'completion', one"),
    (lambda data_source, solution_str, ground_truth, tokenizer: 0, "also needs 'tokenizer'"),
    (lambda data_sources, solution_strs, ground_truths, extra_infos: 0, "verl's batch manager"),
]


@pytest.mark.parametrize(("function", "why"), UNCLEAR)
def test_what_could_be_two_things_is_none_and_says_why(function: Any, why: str) -> None:
    found = recognise(inspect.signature(function))
    assert found.convention is None and why in found.why


def test_settings_can_force_a_convention() -> None:
    two = inspect.signature(lambda answer, ground_truth: 0)
    assert recognise(two, "single").completion == "answer"
    assert recognise(two, "trl").columns == ("answer", "ground_truth")
    assert recognise(inspect.signature(lambda x, y: 0), "verl").convention is None
    assert recognise(inspect.signature(lambda: 0), "single").convention is None


def test_every_recognised_function_says_by_what() -> None:
    assert recognise(inspect.signature(lambda completions, **_: 0)).why == "TRL's: it takes 'completions'."
    assert "'response' is the completion" in recognise(inspect.signature(lambda response, answer: 0)).why


def test_a_missing_column_is_named_with_those_there_are() -> None:
    found = recognise(inspect.signature(lambda completions, level, topic, **_: 0))
    assert found.columns == ("level", "topic")
    words = missing_words(["topic"], {"level", "answer"})
    assert words == "takes the column 'topic', which the data does not have; there are: answer, level"
