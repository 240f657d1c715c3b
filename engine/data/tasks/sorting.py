"""Built-in task: put numbers or words in order, such as "7, 3, 9" → "3, 7, 9"."""

import random
from typing import Literal

from pydantic import model_validator

from engine.config_section import Section, knob
from engine.data.tasks.task import Item, TaskInfo
from engine.data.tasks.words import WORDS


class SortingParams(Section):
    what: Literal["numbers", "words"] = knob("numbers", "What is put in order.", label="Sort")
    min_items: int = knob(3, "Fewest things to sort.", label="Items, at least", ge=2, le=50)
    max_items: int = knob(5, "Most things to sort.", label="Items, at most", ge=2, le=50)
    max_number: int = knob(99, "Largest number; the smallest is 0.", label="Largest number", ge=9, le=999_999)
    direction: Literal["up", "down", "both"] = knob(
        "up",
        "Which order is asked for.",
        label="Direction",
        words={"up": "smallest or A first", "down": "largest or Z first", "both": "either, as the question says"},
    )

    @model_validator(mode="after")
    def _fits(self) -> "SortingParams":
        if self.min_items > self.max_items:
            raise ValueError(f"the fewest items, {self.min_items}, are more than the most, {self.max_items}")
        if self.what == "numbers" and self.max_items > self.max_number + 1:
            raise ValueError(f"there are no {self.max_items} different numbers from 0 to {self.max_number}")
        return self


def make(params: SortingParams, number: int) -> Item:
    rng = random.Random(number)
    size = rng.randint(params.min_items, params.max_items)
    numbers = params.what == "numbers"
    items: list[int] | list[str] = (
        rng.sample(range(params.max_number + 1), size) if numbers else rng.sample(WORDS, size)
    )
    down = params.direction == "down" or (params.direction == "both" and rng.random() < 0.5)
    ordered = sorted(items, reverse=down)
    if items == ordered:  # an answer that only repeats the question teaches to repeat
        items = [*items[1:], items[0]]
    first = ("largest" if down else "smallest") if numbers else ("from Z to A" if down else "from A to Z")
    how = f"{first} first" if numbers else first
    given, answer = (", ".join(map(str, each)) for each in (items, ordered))
    key = ",".join(map(str, sorted(items)))
    columns = {"items": [str(item) for item in items], "direction": "down" if down else "up"}
    return Item(key, f"Sort these {params.what}, {how}: {given}", answer, columns)


SORTING = TaskInfo(
    name="sorting",
    label="Sorting",
    help="A few numbers or words to put in order. More of them are harder.",
    params=SortingParams,
    make=make,
    title=lambda params: f"sorting {params.min_items} to {params.max_items} {params.what}",
    columns=("items", "direction"),
)
