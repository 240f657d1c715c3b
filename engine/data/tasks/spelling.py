"""Built-in task: spell a word backwards, such as "stone" → "enots". A letter in its place can earn partial credit."""

import random
import string
from collections.abc import Iterable
from typing import Literal

from pydantic import model_validator

from engine.config_section import Section, knob
from engine.data.tasks.task import Item, TaskInfo
from engine.data.tasks.words import WORDS


class SpellingParams(Section):
    letters: Literal["words", "random"] = knob(
        "words",
        "What is spelled: common English words, of which there are about 2,000, or random letters without end.",
        label="Spell",
        words={"words": "English words", "random": "random letters"},
    )
    min_length: int = knob(3, "Letters of the shortest word.", label="Letters, at least", ge=1, le=20)
    max_length: int = knob(
        6, "Letters of the longest word. The words of the list have up to 7.", label="Letters, at most", ge=1, le=20
    )

    @model_validator(mode="after")
    def _fits(self) -> "SpellingParams":
        if self.min_length > self.max_length:
            raise ValueError(f"the shortest word, {self.min_length}, is longer than the longest, {self.max_length}")
        if self.letters == "words" and not words_of(self.min_length, self.max_length):
            raise ValueError(f"the list has no words of {self.min_length} to {self.max_length} letters")
        return self


def words_of(min_length: int, max_length: int) -> list[str]:
    """The words of the list that are so long."""
    return [word for word in WORDS if min_length <= len(word) <= max_length]


def make(params: SpellingParams, number: int) -> Item:
    rng = random.Random(number)
    if params.letters == "words":
        word = rng.choice(words_of(params.min_length, params.max_length))
    else:
        length = rng.randint(params.min_length, params.max_length)
        word = "".join(rng.choice(string.ascii_lowercase) for _ in range(length))
    return Item(word, f"Spell backwards: {word}", word[::-1], {"word": word})


def keys(params: SpellingParams) -> Iterable[str] | None:
    return words_of(params.min_length, params.max_length) if params.letters == "words" else None


SPELLING = TaskInfo(
    name="spell_backwards",
    label="Spelling backwards",
    help="A word to spell from its last letter to its first: easy to score letter by letter.",
    params=SpellingParams,
    make=make,
    title=lambda params: f"spelling backwards, {params.min_length} to {params.max_length} letters",
    columns=("word",),
    held_out_one_in=5,  # of a short list, one in ten would be too few to measure anything
    keys=keys,
)
