"""Built-in task: count how often a letter occurs in a word, or how many words there are."""

import random
import string
from typing import Literal

from pydantic import model_validator

from engine.config_section import Section, knob
from engine.data.tasks.task import Item, TaskInfo
from engine.data.tasks.words import WORDS


class CountingParams(Section):
    what: Literal["letters", "words"] = knob(
        "letters",
        "What is counted.",
        label="Count",
        words={"letters": "a letter in some words", "words": "the words of a list"},
    )
    min_words: int = knob(1, "Fewest words to look through.", label="Words, at least", ge=1, le=50)
    max_words: int = knob(3, "Most words to look through.", label="Words, at most", ge=1, le=50)

    @model_validator(mode="after")
    def _fits(self) -> "CountingParams":
        if self.min_words > self.max_words:
            raise ValueError(f"the fewest words, {self.min_words}, are more than the most, {self.max_words}")
        return self


def make(params: CountingParams, number: int) -> Item:
    rng = random.Random(number)
    text = " ".join(rng.sample(WORDS, rng.randint(params.min_words, params.max_words)))
    if params.what == "words":
        return Item(text, f"How many words are these? {text}", str(len(text.split())), {"text": text, "letter": None})
    # Three times out of four a letter that is there: else nearly every answer would be 0.
    letter = rng.choice(text.replace(" ", "") if rng.random() < 0.75 else string.ascii_lowercase)
    question = f"How many times does the letter {letter} occur? {text}"
    return Item(question, question, str(text.count(letter)), {"text": text, "letter": letter})


COUNTING = TaskInfo(
    name="counting",
    label="Counting",
    help="How often a letter occurs in some words, or how many words there are. Tokenizers hide letters: it is hard.",
    params=CountingParams,
    make=make,
    title=lambda params: f"counting {params.what}, {params.min_words} to {params.max_words} words",
    columns=("text", "letter"),
)
