"""Examples from the rows of a table: checked, filtered, split into training and held-out examples, put in order."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from engine.config_data import DataConfig, DataSource
from engine.data.columns import make_example
from engine.data.example import Example, Keep
from engine.data.filters import Located, difficulty, reasons_to_drop
from engine.data.pass_rates import PassRates
from engine.data.shapes import detect_shape, listed
from engine.data.table import Faults, Table, fail
from engine.data.template import check_template
from engine.errors import DatasetError
from engine.seeds import derive_seed

HINT = "Correct or remove what cannot be used."
BATCH = 1000  # examples that are judged at once


@dataclass
class RowDataset:
    """The examples of a table. Implements Dataset.

    Training runs over the rows in epochs, each in its own seeded order, or from easy to hard or back with ties in
    seeded order. Held-out examples have prompts that no training row has. `rows` and `hardness` are in the order of the
    table; make one with `row_dataset`.
    """

    name: str
    rows: Sequence[Located]
    hardness: Sequence[float]
    config: DataConfig
    num_held_out: int
    seed: int
    dropped: Mapping[str, int]
    excluded: frozenset[str] = frozenset()
    held_out: tuple[Example, ...] = field(init=False)
    train_size: int | None = field(init=False)
    _train: list[int] = field(init=False)
    _orders: dict[int, list[int]] = field(init=False, default_factory=dict)  # of the last epochs: a step may see two

    def __post_init__(self) -> None:
        prompts = [example.prompt for _, example in self.rows]
        held_out, train = _split(prompts, self.num_held_out, self.seed, self.name, self.dropped)
        train = [index for index in train if prompts[index] not in self.excluded]
        if not train:
            fail(f"Every prompt of {self.name} is held out by another source of the mixture.",
                 "Hold out fewer, or leave this source out.", "data.held_out")  # fmt: skip
        self.held_out = tuple(self.rows[index][1] for index in held_out)
        self.train_size = len(train)
        self._train = train

    def train(self, position: int) -> Example:
        return self.rows[self._index(position)][1]

    def row_of(self, position: int) -> str:
        return self.rows[self._index(position)][0]

    def examples(self) -> Iterator[tuple[str, Example]]:
        return iter(self.rows)

    def only(self, keep: Keep, why: str) -> "RowDataset":
        kept: list[bool] = []
        for start in range(0, len(self.rows), BATCH):
            kept += keep([example for _, example in self.rows[start : start + BATCH]])
        if all(kept):
            return self
        places = [place for place, stays in enumerate(kept) if stays]
        return replace(
            self, rows=[self.rows[place] for place in places], hardness=[self.hardness[place] for place in places],
            dropped={**self.dropped, why: len(kept) - len(places)},
        )  # fmt: skip

    def without(self, prompts: frozenset[str]) -> "RowDataset":
        return replace(self, excluded=self.excluded | prompts)

    def _index(self, position: int) -> int:
        epoch, place = divmod(position, len(self._train))
        if epoch not in self._orders:
            if len(self._orders) > 1:
                self._orders.pop(min(self._orders))
            self._orders[epoch] = self._order(epoch)
        return self._orders[epoch][place]

    def _order(self, epoch: int) -> list[int]:
        seed = derive_seed(self.seed, epoch, "data-order")
        order: list[int] = np.array(self._train)[np.random.default_rng(seed).permutation(len(self._train))].tolist()
        if self.config.order != "shuffled":
            order.sort(key=self.hardness.__getitem__, reverse=self.config.order == "hard_first")
        return order


def row_dataset(
    table: Table, source: DataSource, config: DataConfig, rates: PassRates, held_out: int, seed: int
) -> RowDataset:
    """The dataset of a table. `source` says how its rows become prompts, `config` which are used and in which order.

    Raises DatasetError when a column is missing, a row has no prompt or answer, or too few rows are left.
    """
    rows = _examples(table, source)
    reasons = list(reasons_to_drop(rows, config, rates))
    dropped = Counter(reason for reason in reasons if reason is not None)
    kept = [row for row, reason in zip(rows, reasons, strict=True) if reason is None]
    return RowDataset(table.name, kept, _hardness(kept, table, config, rates), config, held_out, seed, dropped)


def _examples(table: Table, source: DataSource) -> list[Located]:
    """Every row as (where it stands, example). Raises DatasetError naming the first rows that cannot be used."""
    if not table.rows:
        table.faults.raise_any(HINT)
    shape = detect_shape(table, source.prompt_column, source.answer_column)
    check_template(source.prompt_template, table.columns)
    examples, faults = [], Faults(list(table.faults.first), table.faults.count)
    for row in table.rows:
        try:
            examples.append((row.where, make_example(row, shape, source.prompt_template)))
        except ValueError as fault:
            faults.add(row.where, str(fault))
    faults.raise_any(HINT)
    return examples


def _hardness(rows: Sequence[Located], table: Table, config: DataConfig, rates: PassRates) -> list[float]:
    column = config.difficulty_column
    if config.order != "shuffled" and column is not None and column not in table.columns:
        fail(f"{table.name} has no column '{column[:100]}'; its columns are {listed(table.columns)}.",
             "Choose one of these.", "data.difficulty_column")  # fmt: skip
    found, faults = [], Faults()
    for row in rows:
        try:
            found.append(difficulty(row, config, rates))
        except ValueError as fault:
            faults.add(row[0], str(fault))
    faults.raise_any("Correct these rows, or order by measured pass rate.")
    return found


def _split(
    prompts: Sequence[str], held_out: int, seed: int, name: str, dropped: Mapping[str, int]
) -> tuple[list[int], list[int]]:
    """Indices of held-out rows, with distinct prompts, and of training rows, none of which has such a prompt."""
    first = {prompt: index for index, prompt in reversed(list(enumerate(prompts)))}
    distinct = sorted(first.values())
    if held_out >= len(distinct):
        raise _too_few(len(distinct), held_out, name, dropped)
    chosen = np.random.default_rng(derive_seed(seed, 0, "held-out")).permutation(len(distinct))[:held_out]
    indices = [distinct[place] for place in chosen.tolist()]
    kept_out = {prompts[index] for index in indices}
    return indices, [index for index, prompt in enumerate(prompts) if prompt not in kept_out]


def _too_few(distinct: int, held_out: int, name: str, dropped: Mapping[str, int]) -> DatasetError:
    rows = f"{distinct:,} different {'prompt' if distinct == 1 else 'prompts'}"
    left = ", ".join(f"{count:,} by {why}" for why, count in dropped.items())
    left = f" left ({sum(dropped.values()):,} rows were dropped: {left})" if left else ""
    return DatasetError(
        f"{name} has {rows}{left}, so holding out {held_out:,} of them leaves none for training.",
        hint=f"Hold out at most {distinct - 1:,}." if distinct > 1
        else "Drop fewer rows." if left else "Use a file with more rows.",
        field="data.held_out",
    )  # fmt: skip
