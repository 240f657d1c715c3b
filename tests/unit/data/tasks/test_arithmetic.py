"""Endless sums: the held-out rule, the seed, and the limits."""

from itertools import islice

import pytest

from engine.config import DataConfig
from engine.data.examples import open_dataset
from engine.data.tasks.arithmetic import is_held_out
from engine.data.tasks.dataset import TaskDataset
from engine.errors import DatasetError


def sums(seed: int = 0, *, held_out: int = 64, prompt_template: str = "{prompt}", **params: object) -> TaskDataset:
    config = DataConfig.model_validate({"source": "arithmetic", "params": params, "prompt_template": prompt_template})
    return TaskDataset(config, held_out, seed)


def test_the_answer_is_the_sum() -> None:
    for example in map(sums().train, range(200)):
        a, b = example.columns["a"], example.columns["b"]
        assert example.question == example.prompt == f"{a}+{b}=" and example.answer == str(a + b)
        assert example.columns["answer"] == example.answer


def test_the_held_out_rule_is_the_one_that_the_embedded_model_was_made_with() -> None:
    # int.from_bytes(blake2b(b"a+b", digest_size=8), "little") % 10 == 0, for all pairs below 10
    held_out = {(a, b) for a in range(10) for b in range(10) if is_held_out(a, b)}
    assert held_out == {(0, 4), (2, 4), (3, 3), (3, 9), (6, 7), (7, 5), (9, 5)}


def test_training_never_shows_a_held_out_pair_and_evaluation_shows_nothing_else() -> None:
    data = sums(digits=1, held_out=5)
    pairs = {(e.columns["a"], e.columns["b"]) for e in map(data.train, range(3000))}
    assert pairs == {(a, b) for a in range(10) for b in range(10) if not is_held_out(a, b)}
    assert all(is_held_out(e.columns["a"], e.columns["b"]) for e in data.held_out)


def test_held_out_examples_are_distinct_and_as_many_as_asked_for() -> None:
    data = sums(held_out=500)
    assert len({example.id for example in data.held_out}) == len(data.held_out) == 500


def test_the_same_seed_gives_the_same_data_and_another_seed_other_data() -> None:
    first, again, other = sums(1), sums(1), sums(2)
    assert [first.train(i) for i in range(20)] == [again.train(i) for i in range(20)]
    assert first.held_out == again.held_out
    assert [first.train(i).id for i in range(20)] != [other.train(i).id for i in range(20)]


def test_an_example_depends_on_its_position_alone() -> None:
    data = sums()
    later = data.train(1000)
    assert [data.train(i) for i in (5, 1000)] == [sums().train(5), later]


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
def test_numbers_go_from_0_to_as_many_nines_as_digits(digits: int) -> None:
    data = sums(digits=digits, held_out=3)
    numbers = [e.columns[name] for e in map(data.train, range(2000)) for name in "ab"]
    assert 0 <= min(numbers) <= max(numbers) < 10**digits
    assert max(numbers) > 0.9 * 10**digits - 1


def test_more_held_out_pairs_than_there_are_is_refused_with_both_counts() -> None:
    with pytest.raises(DatasetError, match="64 held-out examples were asked for, but only 7 problems") as caught:
        sums(digits=1, held_out=64)
    assert caught.value.field == "data.held_out"
    assert len(sums(digits=1, held_out=7).held_out) == 7
    with pytest.raises(DatasetError, match="only 996 problems"):
        sums(digits=2, held_out=997)


def test_the_prompt_template_applies() -> None:
    example = sums(prompt_template="What is {a} plus {b}? {prompt}").train(0)
    assert example.prompt == f"What is {example.columns['a']} plus {example.columns['b']}? {example.question}"


def test_a_placeholder_that_is_no_column_is_refused() -> None:
    with pytest.raises(DatasetError, match="there is no column 'c'; there are prompt, a, b, answer"):
        sums(prompt_template="{c}")


def test_it_is_endless_and_says_where_it_is() -> None:
    data = open_dataset(DataConfig(source="arithmetic"), 0)
    assert data.train_size is None and data.row_of(4) == "arithmetic, 2 digits, example 5"
    where, example = next(islice(data.examples(), 3, None))
    assert where == "arithmetic, 2 digits, held-out example 4" and example == data.held_out[3]
