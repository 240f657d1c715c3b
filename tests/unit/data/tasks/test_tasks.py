"""Built-in tasks: right answers, held-out problems that are never trained on, and settings that make them harder."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from engine.config import DataConfig
from engine.config_io import parse_config
from engine.data.examples import Dataset, Example, open_dataset
from engine.data.tasks.countdown import solves
from engine.data.tasks.instructions import unmet, words_in
from engine.data.tasks.registry import TASKS, default_task_params, sample_items, task_problems, task_title
from engine.errors import ConfigError, DatasetError


def task(name: str, seed: int = 0, held_out: int = 16, **params: Any) -> Dataset:
    return open_dataset(DataConfig(source=name, params=params, held_out=held_out), seed)


def examples(name: str, count: int = 150, **params: Any) -> list[Example]:
    return list(map(task(name, **params).train, range(count)))


ANSWERS: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], str]]] = {
    "differences": ({"operators": "-"}, lambda c: str(c["a"] - c["b"])),
    "products": ({"operators": "*"}, lambda c: str(c["a"] * c["b"])),
    "spelling": ({"max_length": 7}, lambda c: c["word"][::-1]),
    "random letters": ({"letters": "random"}, lambda c: c["word"][::-1]),
    "numbers up": ({"direction": "up"}, lambda c: ", ".join(sorted(c["items"], key=int))),
    "words down": ({"what": "words", "direction": "down"}, lambda c: ", ".join(sorted(c["items"], reverse=True))),
    "letters": ({}, lambda c: str(c["text"].count(c["letter"]))),
    "words": ({"what": "words", "max_words": 9}, lambda c: str(len(c["text"].split(" ")))),
}
NAMES = ["arithmetic"] * 2 + ["spell_backwards"] * 2 + ["sorting"] * 2 + ["counting"] * 2


@pytest.mark.parametrize(("name", "case"), list(zip(NAMES, ANSWERS, strict=True)))
def test_the_answer_is_right(name: str, case: str) -> None:
    params, right = ANSWERS[case]
    for example in examples(name, **params):
        assert example.answer == right(dict(example.columns)) == example.columns["answer"]


def test_every_countdown_has_a_solution_with_its_numbers() -> None:
    for example in examples("countdown", min_numbers=2, max_numbers=4):
        numbers, target = example.columns["numbers"], example.columns["target"]
        assert example.answer is not None and solves(example.answer, numbers, target)
        assert target not in numbers and 1 <= target <= 100 and 2 <= len(numbers) <= 4


def test_countdown_is_solved_by_any_expression_and_by_no_number_twice() -> None:
    assert solves("(3 + 4) * 5", [3, 4, 5], 35) and solves("5 * (4 + 3)", [3, 4, 5], 35)
    assert not solves("5 * 7", [3, 4, 5], 35) and not solves("3 + 4 + 5", [3, 4, 5], 35)
    assert not solves("35", [3, 4, 5], 35) and not solves("5 * 5 + 5 + 5", [3, 4, 5], 35)


@pytest.mark.parametrize("name", TASKS)
def test_a_problem_is_held_out_or_trained_on_and_never_both(name: str) -> None:
    data = task(name)
    key = {"sorting": lambda c: tuple(sorted(c["items"]))}.get(name, lambda c: repr(sorted(map(str, c.items()))))
    held_out = {key(example.columns) for example in data.held_out}
    assert len(held_out) == 16 and not held_out & {key(data.train(i).columns) for i in range(400)}


@pytest.mark.parametrize("name", TASKS)
def test_the_seed_alone_decides(name: str) -> None:
    first, again, other = task(name, 1), task(name, 1), task(name, 2)
    assert [first.train(i) for i in (3, 0)] == [again.train(3), again.train(0)] and first.held_out == again.held_out
    assert [first.train(i) for i in range(5)] != [other.train(i) for i in range(5)]


@pytest.mark.parametrize("name", TASKS)
def test_each_task_explains_itself_and_shows_an_item(name: str) -> None:
    info, (item,) = TASKS[name], sample_items(name, {}, 1)
    assert info.label and info.help.endswith(".") and item.question and set(item.columns) == set(info.columns)
    assert all(field.description and field.description.endswith(".") for field in info.params.model_fields.values())


def test_the_words_of_the_list_run_out_and_the_message_says_when() -> None:
    with pytest.raises(DatasetError, match=r"only \d+ problems are held out") as caught:
        task("spell_backwards", held_out=2000)
    assert caught.value.field == "data.held_out"
    assert len(task("spell_backwards", held_out=2000, letters="random").held_out) == 2000


def test_a_task_with_hardly_any_problems_is_refused_in_a_sentence() -> None:
    with pytest.raises(DatasetError, match="Make the task larger"):
        task("sorting", max_number=9, min_items=10, max_items=10)


@pytest.mark.parametrize(
    ("name", "params", "problem"),
    [
        ("arithmetic", {"digits": 9}, "data.params.digits: 9 is not accepted"),
        ("arithmetic", {"digit": 2}, "data.params.digit: is not a setting. Did you mean 'digits'?"),
        ("spell_backwards", {"min_length": 9, "max_length": 4}, "the shortest word, 9, is longer than the longest, 4"),
        ("spell_backwards", {"min_length": 12, "max_length": 14}, "the list has no words of 12 to 14 letters"),
        ("sorting", {"max_number": 9, "max_items": 20}, "there are no 20 different numbers from 0 to 9"),
        ("countdown", {"min_numbers": 5}, "the fewest numbers, 5, are more than the most, 3"),
    ],
)
def test_wrong_settings_are_problems_of_the_configuration(name: str, params: dict[str, Any], problem: str) -> None:
    raw = {"model": {"source": "embedded"}, "rewards": [{"name": "exact_match"}]}
    with pytest.raises(ConfigError) as caught:
        parse_config({**raw, "data": {"source": name, "params": params}})
    assert problem in str(caught.value)
    assert [str(found) for found in task_problems(name, params, "data.params")] == str(caught.value).split("\n")
    with pytest.raises(DatasetError, match=r"data\.params"):
        task(name, **params)
    assert task_title(name, params) == TASKS[name].label


def test_a_sorted_list_is_never_given_to_be_sorted() -> None:
    for example in examples("sorting", min_items=2, max_items=2):
        assert not example.question.endswith(example.answer or "")


@pytest.mark.parametrize(
    ("spec", "text", "failed"),
    [
        ({"words": 3}, " Two red fish. ", []),
        ({"words": 3}, "It's a well-known fact", ["words"]),
        ({"words": 2, "case": "upper"}, "HELLO THERE!", []),
        ({"words": 2, "case": "upper"}, "Hello you all", ["words", "case"]),
        ({"case": "lower"}, "123", ["case"]),  # no letter that could be in lower case
        ({"first_letter": "s", "last_character": "?"}, "Sure?", []),
        ({"contains": "cat"}, "A CAT sat", []),
        ({"contains": "cat"}, "concatenate", ["contains"]),
        ({"avoids": "e"}, "HERE", ["avoids"]),
        ({"words": 1, "avoids": "z"}, "  ", ["words", "avoids"]),
    ],
)
def test_unmet_names_what_an_answer_fails(spec: dict[str, Any], text: str, failed: list[str]) -> None:
    assert unmet(spec, text) == failed


def test_words_are_letters_with_what_joins_them() -> None:
    assert words_in("It's a well-known – fact, isn’t it?") == ["It's", "a", "well-known", "fact", "isn’t", "it"]


def test_one_word_is_never_asked_for_with_a_first_letter_of_its_own() -> None:
    """In exactly one word, using the word 'stone' and beginning with the letter a: no answer would do."""
    for example in examples("instructions", min_rules=4, max_rules=4, max_words=1):
        assert not {"words", "contains", "first_letter"} <= set(example.columns["spec"])


def test_instructions_are_as_many_as_set_and_the_question_tells_each() -> None:
    for example in examples("instructions", min_rules=2, max_rules=3):
        spec = example.columns["spec"]
        assert 1 <= len(spec) <= 3 and not ({"avoids"} & set(spec) and {"contains", "first_letter"} & set(spec))
        assert ("case" in spec) == (" case" in example.question) and example.answer is None


def short_only(examples: Sequence[Example]) -> list[bool]:
    return [len(example.prompt) <= 5 for example in examples]


@pytest.mark.parametrize("mixed", [False, True])
def test_problems_that_are_left_out_give_way_to_others_also_held_out_and_in_a_mixture(mixed: bool) -> None:
    other = [{"source": "arithmetic", "params": {"digits": 2, "operators": "-"}}] if mixed else []
    config = DataConfig.model_validate(
        {"source": "arithmetic", "params": {"digits": 2}, "held_out": 8, "mixture": other}
    )
    whole = open_dataset(config, 0)
    assert not all(short_only(list(map(whole.train, range(100)))))
    found = whole.only(short_only, "too long")
    trained = list(map(found.train, range(100)))
    assert all(short_only([*trained, *found.held_out])) and len(found.held_out) == 8
    assert not {example.prompt for example in trained} & {example.prompt for example in found.held_out}
    assert trained == list(map(whole.only(short_only, "too long").train, range(100)))
    everything = whole.only(lambda examples: [True] * len(examples), "too long")
    assert everything.held_out == whole.held_out and everything.train(3) == whole.train(3)


def test_a_task_has_settings_to_begin_with_and_other_data_have_none() -> None:
    assert default_task_params("reasoning-gym:chain_sum") == {"size": 1000, "config": {}}
    assert default_task_params("arithmetic")["digits"] == 2 and default_task_params("a.jsonl") == {}


def test_when_no_problem_is_left_it_says_why() -> None:
    with pytest.raises(DatasetError, match=r"no problem is held out.*Problems are left out: too long\."):
        task("arithmetic").only(lambda examples: [False] * len(examples), "too long")
