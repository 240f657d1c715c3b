"""One training example, and what every source of examples can do."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.data.conversation import Message


@dataclass(frozen=True)
class Example:
    """One prompt with its reference answer.

    `prompt` is what the model is asked: `question` inside the prompt template. Where there are several turns,
    `messages` is the conversation, `question` the last of its questions, and `prompt` all of it as plain text.
    `columns` is what reward functions get: every column of the row, with `answer` as the reference answer. `id` depends
    on prompt and answer alone.
    """

    id: str
    prompt: str
    question: str
    answer: str | None
    columns: Mapping[str, Any]
    messages: tuple[Message, ...] | None = None


Keep = Callable[[Sequence[Example]], Sequence[bool]]  # which of these examples may be used


class Dataset(Protocol):
    """A source of examples. Positions count training examples from 0; the order depends on the seed alone.

    `train_size` None: endless. `dropped`: why rows were left out → how many.
    """

    @property
    def name(self) -> str: ...

    @property
    def train_size(self) -> int | None: ...

    @property
    def held_out(self) -> tuple[Example, ...]: ...

    @property
    def dropped(self) -> Mapping[str, int]: ...

    def train(self, position: int) -> Example:
        """The training example at this position; a file starts over, in a new order, at its end."""
        ...

    def row_of(self, position: int) -> str:
        """Where the training example at this position stands, for messages: "data.jsonl, line 3"."""
        ...

    def examples(self) -> Iterator[tuple[str, Example]]:
        """Every example and where it stands; of an endless source the held-out ones."""
        ...

    def only(self, keep: Keep, why: str) -> "Dataset":
        """The same without the rows that are not to be kept, split anew; an endless source draws others for them.

        Raises DatasetError when too few are left.
        """
        ...

    def without(self, prompts: frozenset[str]) -> "Dataset":
        """The same, but nothing with one of these prompts is trained on. Raises DatasetError when nothing is left."""
        ...


def example_id(prompt: str, answer: str | None) -> str:
    """16 hexadecimal digits, the same for the same prompt and answer in every run."""
    text = f"{prompt}\0{'' if answer is None else answer}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
