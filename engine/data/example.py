"""One training example, and what every source of examples can do."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Example:
    """One prompt with its reference answer.

    `prompt` is what the model is asked: `question` inside the prompt template. `columns` is what reward functions get:
    every column of the row, with `answer` as the reference answer. `id` depends on prompt and answer alone.
    """

    id: str
    prompt: str
    question: str
    answer: str | None
    columns: Mapping[str, Any]


class Dataset(Protocol):
    """A source of examples. Positions count training examples from 0; the order depends on the seed alone."""

    name: str
    train_size: int | None  # None: endless
    held_out: tuple[Example, ...]

    def train(self, position: int) -> Example:
        """The training example at this position; a file starts over, in a new order, at its end."""
        ...

    def row_of(self, position: int) -> str:
        """Where the training example at this position stands, for messages: "data.jsonl, line 3"."""
        ...

    def examples(self) -> Iterator[tuple[str, Example]]:
        """Every example and where it stands; of an endless source the held-out ones."""
        ...


def example_id(prompt: str, answer: str | None) -> str:
    """16 hexadecimal digits, the same for the same prompt and answer in every run."""
    text = f"{prompt}\0{'' if answer is None else answer}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
