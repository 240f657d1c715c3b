"""Examples from a file: rows checked, split into training and held-out examples, ordered by the seed."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from engine.config import DataConfig
from engine.data.columns import choose_columns, reference_answer, reward_columns
from engine.data.example import Example, example_id
from engine.data.files import Row, Table, read_table
from engine.data.template import as_text, check_template, fill_template
from engine.errors import DatasetError
from engine.seeds import derive_seed

HINT = "Correct or remove what cannot be used."


class FileDataset:
    """The examples of one file. Implements Dataset.

    Training runs over the rows in epochs, each in its own seeded order. Held-out examples have prompts that no
    training row has.
    """

    train_size: int | None

    def __init__(self, config: DataConfig, seed: int) -> None:
        """Raises DatasetError when the file cannot be read, lacks a column, or has a row without prompt or answer."""
        table = read_table(config.source)
        self.name = table.name
        self._seed = seed
        self._rows = _examples(table, config)
        held_out, self._train = _split([example.prompt for _, example in self._rows], config.held_out, seed, table.name)
        self.held_out = tuple(self._rows[index][1] for index in held_out)
        self.train_size = len(self._train)

    def train(self, position: int) -> Example:
        return self._rows[self._index(position)][1]

    def row_of(self, position: int) -> str:
        return self._rows[self._index(position)][0]

    def examples(self) -> Iterator[tuple[str, Example]]:
        return iter(self._rows)

    def _index(self, position: int) -> int:
        epoch, place = divmod(position, len(self._train))
        return self._train[_order(len(self._train), derive_seed(self._seed, epoch, "data-order"))[place]]


@lru_cache(maxsize=2)  # a step may lie across two epochs
def _order(count: int, seed: int) -> list[int]:
    order: list[int] = np.random.default_rng(seed).permutation(count).tolist()
    return order


def _examples(table: Table, config: DataConfig) -> list[tuple[str, Example]]:
    """Every row as (where it stands, example). Raises DatasetError naming the first rows that cannot be used."""
    if not table.rows:
        table.faults.raise_any(HINT)
    prompt_column, answer_column = choose_columns(table, config.prompt_column, config.answer_column)
    check_template(config.prompt_template, table.columns)
    examples, faults = [], table.faults
    for row in table.rows:
        try:
            examples.append((table.where(row), _example(row, prompt_column, answer_column, config.prompt_template)))
        except ValueError as fault:
            faults.add(table.where(row), str(fault))
    faults.raise_any(HINT)
    return examples


def _example(row: Row, prompt_column: str, answer_column: str | None, template: str) -> Example:
    """Raises ValueError saying what the row lacks."""
    question = _cell(row, prompt_column)
    answer = None if answer_column is None else _reference(_cell(row, answer_column), answer_column)
    prompt = fill_template(template, question, row.values)
    return Example(example_id(prompt, answer), prompt, question, answer, reward_columns(row.values, answer))


def _cell(row: Row, column: str) -> str:
    value: Any = row.values.get(column)
    if isinstance(value, dict | list | bytes):
        raise ValueError(f"'{column}' is not a text.")
    text = as_text(value)
    if not text.strip():
        raise ValueError(f"'{column}' is {'empty' if column in row.values else 'missing'}.")
    return text


def _reference(text: str, column: str) -> str:
    answer = reference_answer(text)
    if not answer:
        raise ValueError(f"'{column}' has no answer after #### or in \\boxed{{}}.")
    return answer


def _split(prompts: list[str], held_out: int, seed: int, name: str) -> tuple[list[int], list[int]]:
    """Indices of held-out rows, with distinct prompts, and of training rows, none of which has such a prompt."""
    first = {prompt: index for index, prompt in reversed(list(enumerate(prompts)))}
    distinct = sorted(first.values())
    if held_out >= len(distinct):
        rows = f"{len(distinct):,} different {'prompt' if len(distinct) == 1 else 'prompts'}"
        raise DatasetError(
            f"{name} has {rows}, so holding out {held_out:,} of them leaves none for training.",
            hint=f"Hold out at most {len(distinct) - 1:,}." if len(distinct) > 1 else "Use a file with more rows.",
            field="data.held_out",
        )
    chosen = np.random.default_rng(derive_seed(seed, 0, "held-out")).permutation(len(distinct))[:held_out]
    indices = [distinct[place] for place in chosen.tolist()]
    kept_out = {prompts[index] for index in indices}
    return indices, [index for index, prompt in enumerate(prompts) if prompt not in kept_out]
