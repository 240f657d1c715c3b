"""A built-in task as a Dataset: endless training examples, and held-out ones whose problems are never trained on."""

import copy
from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from engine.config_data import DataSource
from engine.config_problems import problems_from
from engine.data.example import Example, Keep, example_id
from engine.data.tasks.registry import TASKS, task_params
from engine.data.tasks.task import Item, is_held_out
from engine.data.template import check_template, fill_template
from engine.errors import DatasetError
from engine.seeds import derive_seed

MAX_REMEMBERED = 100_000  # questions that filters have been asked about
# Draws without a problem that is new, after which there are no more: a last one is missed once in e^10 times.
LEAST_STALE, STALE = 1000, 10
MAX_DRAWS = 10_000  # for one example; a task with so few problems that this is not enough has none of the kind


class TaskDataset:
    """Implements Dataset."""

    train_size: int | None = None
    dropped: Mapping[str, int] = {}

    def __init__(self, config: DataSource, held_out: int, seed: int) -> None:
        """Raises DatasetError for wrong settings, a bad prompt template, and more held-out examples than there are."""
        self._task = TASKS[config.source]
        try:
            self._params = task_params(config.source, config.params)
        except ValidationError as error:
            first = problems_from(error, self._task.params, "data.params")[0]
            raise DatasetError(f"{first.field}: {first.message}", hint=first.hint, field=first.field) from None
        self.name = self._task.title(self._params)
        self._template = config.prompt_template
        self._seed = seed
        self._excluded: frozenset[str] = frozenset()
        self._filters: tuple[tuple[Keep, str], ...] = ()
        check_template(self._template, [*self._task.columns, "answer"])
        self._kept: dict[str, bool] = {}  # question → whether the filters keep it
        self.held_out = tuple(map(self._example, self._held_out_items(held_out)))

    def train(self, position: int) -> Example:
        return self._example(self._draw(position, self._task.name, held_out=False))

    def row_of(self, position: int) -> str:
        return f"{self.name}, example {position + 1}"

    def examples(self) -> Iterator[tuple[str, Example]]:
        for index, example in enumerate(self.held_out):
            yield f"{self.name}, held-out example {index + 1}", example

    def only(self, keep: Keep, why: str) -> "TaskDataset":
        found = copy.copy(self)
        found._filters, found._kept = (*self._filters, (keep, why)), {}
        found.held_out = tuple(map(found._example, found._held_out_items(len(self.held_out))))
        return found

    def without(self, prompts: frozenset[str]) -> "TaskDataset":
        found = copy.copy(self)
        found._excluded = prompts
        return found

    def _held_out_items(self, count: int) -> list[Item]:
        """Distinct problems, drawn until there are enough."""
        self._check_count(count)
        items: dict[str, Item] = {}
        newest = 0  # the position of the last one that had not been drawn before
        for position in range(MAX_DRAWS + 100 * count):
            item = self._draw(position, f"{self._task.name}-held-out", held_out=True)
            if item.key not in items:
                items[item.key], newest = item, position
            if len(items) == count:
                return list(items.values())
            if position - newest > LEAST_STALE + STALE * len(items):
                break
        raise self._too_few(count, len(items))

    def _check_count(self, count: int) -> None:
        keys = self._task.keys(self._params)
        if keys is None:
            return
        there = sum(self._is_held_out(key) for key in keys)
        if count > there:
            raise self._too_few(count, there)

    def _too_few(self, asked: int, there: int) -> DatasetError:
        return DatasetError(
            f"{self.name}: {asked:,} held-out examples were asked for, but only {there:,} problems are held out.",
            hint=self._hint(f"Set held-out examples to {there:,} or less, or make the task larger." if there
            else "Make the task larger."),
            field="data.held_out",
        )  # fmt: skip

    def _is_held_out(self, key: str) -> bool:
        return is_held_out(key, self._task.held_out_one_in)

    def _draw(self, position: int, purpose: str, *, held_out: bool) -> Item:
        """The item at this position: the first of a seeded sequence that is, or is not, held out."""
        for attempt in range(MAX_DRAWS):
            item = self._task.make(self._params, derive_seed(self._seed, position, purpose, attempt))
            if self._is_held_out(item.key) != held_out:
                continue
            if (held_out or not self._excluded or self._example(item).prompt not in self._excluded) and self._keeps(
                item
            ):
                return item
        raise DatasetError(
            f"{self.name}: no problem is {'held out' if held_out else 'left for training'}.",
            hint=self._hint("Make the task larger: with so few problems, they cannot be split."),
            field="data.max_prompt_tokens" if self._filters else "data.params",
        )

    def _keeps(self, item: Item) -> bool:
        """Asked once for each problem, as far as they are remembered: a tokenizer takes its time."""
        if not self._filters:
            return True
        if item.question not in self._kept:
            if len(self._kept) >= MAX_REMEMBERED:
                self._kept.clear()
            self._kept[item.question] = all(keep([self._example(item)])[0] for keep, _ in self._filters)
        return self._kept[item.question]

    def _hint(self, hint: str) -> str:
        reasons = ", ".join(why for _, why in self._filters)
        return f"Leave out fewer. Problems are left out: {reasons}." if reasons else hint

    def _example(self, item: Item) -> Example:
        columns = {**item.columns, "answer": item.answer} if item.answer is not None else dict(item.columns)
        prompt = fill_template(self._template, item.question, columns)
        return Example(example_id(prompt, item.answer), prompt, item.question, item.answer, columns)
