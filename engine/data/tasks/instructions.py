"""Built-in task: follow instructions about the form of an answer, such as "in exactly three words, all upper case".

The column `spec` says in a form for programs what was asked; `unmet` says which parts of it an answer fails. Keys of a
spec, each optional: words (exactly so many), case ("upper" or "lower"), first_letter, last_character, contains (a
word), avoids (a letter).
"""

import random
import re
import string
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import model_validator

from engine.config_section import Section, knob
from engine.data.tasks.task import Item, TaskInfo
from engine.data.tasks.words import WORDS

TOPICS = (
    "Name an animal.", "Name a fruit.", "Describe the sea.", "Describe a forest.", "Describe winter.", "Name a tool.",
    "Say what rain is.", "Say what a friend is.", "Describe your breakfast.", "Describe a city at night.",
    "Name something round.", "Name something cold.", "Say what music is for.", "Describe a mountain.", "Name a sport.",
    "Describe an old house.", "Say why people read.", "Describe the sky.", "Name something blue.", "Describe a market.",
)  # fmt: skip
COUNTS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class InstructionsParams(Section):
    min_rules: int = knob(1, "Fewest instructions in one question.", label="Instructions, at least", ge=1, le=4)
    max_rules: int = knob(2, "Most instructions in one question.", label="Instructions, at most", ge=1, le=4)
    max_words: int = knob(5, "Most words that are asked for.", label="Words, at most", ge=1, le=10)

    @model_validator(mode="after")
    def _fits(self) -> "InstructionsParams":
        if self.min_rules > self.max_rules:
            raise ValueError(f"the fewest instructions, {self.min_rules}, are more than the most, {self.max_rules}")
        return self


def make(params: InstructionsParams, number: int) -> Item:
    rng = random.Random(number)
    chosen = rng.sample(sorted(_RULES), rng.randint(params.min_rules, params.max_rules))
    if {"avoids", "contains", "first_letter"} & set(chosen) and "avoids" in chosen:
        chosen = [name for name in chosen if name not in ("contains", "first_letter")]  # which might need that letter
    if {"words", "contains", "first_letter"} <= set(chosen):  # one word cannot begin with another letter than its own
        chosen.remove("first_letter")
    spec: dict[str, Any] = {}
    asked = []
    for name in chosen:
        spec[name], words = _RULES[name](params, rng)
        asked.append(words)
    topic = rng.choice(TOPICS)
    question = f"{topic} Answer {', '.join(asked[:-1])}{' and ' if len(asked) > 1 else ''}{asked[-1]}."
    return Item(question, question, None, {"topic": topic, "spec": spec})


def unmet(spec: Mapping[str, Any], text: str) -> list[str]:
    """The keys of the spec that this answer fails, in the order of the spec; an empty answer fails all.

    Raises KeyError for a key that no spec has.
    """
    answer = text.strip()
    return [key for key, wanted in spec.items() if not (answer and _CHECKS[key](wanted, answer))]


def words_in(text: str) -> list[str]:
    """The words of an answer: runs of letters, digits, apostrophes and hyphens."""
    return re.findall(r"[^\W_](?:[\w'’-]*[^\W_])?", text)


def _words(params: InstructionsParams, rng: random.Random) -> tuple[int, str]:
    count = rng.randint(1, params.max_words)
    return count, f"in exactly {COUNTS[count]} {'word' if count == 1 else 'words'}"


def _case(_params: InstructionsParams, rng: random.Random) -> tuple[str, str]:
    case = rng.choice(("upper", "lower"))
    return case, f"all in {case} case"


def _first_letter(_params: InstructionsParams, rng: random.Random) -> tuple[str, str]:
    letter = rng.choice("abcdefghilmnoprstw")  # letters that words begin with
    return letter, f"beginning with the letter {letter}"


def _last_character(_params: InstructionsParams, rng: random.Random) -> tuple[str, str]:
    character = rng.choice(".!?")
    return character, f"ending with {character!r}"


def _contains(_params: InstructionsParams, rng: random.Random) -> tuple[str, str]:
    word = rng.choice(WORDS)
    return word, f"using the word '{word}'"


def _avoids(_params: InstructionsParams, rng: random.Random) -> tuple[str, str]:
    letter = rng.choice(string.ascii_lowercase)
    return letter, f"without the letter {letter}"


def _is_case(wanted: str, answer: str) -> bool:
    return answer.isupper() if wanted == "upper" else answer.islower()


_RULES: dict[str, Callable[[InstructionsParams, random.Random], tuple[Any, str]]] = {
    "words": _words,
    "case": _case,
    "first_letter": _first_letter,
    "last_character": _last_character,
    "contains": _contains,
    "avoids": _avoids,
}
_CHECKS: dict[str, Callable[[Any, str], bool]] = {
    "words": lambda wanted, answer: len(words_in(answer)) == wanted,
    "case": _is_case,
    "first_letter": lambda wanted, answer: answer[:1].casefold() == wanted,
    "last_character": lambda wanted, answer: answer[-1:] == wanted,
    "contains": lambda wanted, answer: wanted in [word.casefold() for word in words_in(answer)],
    "avoids": lambda wanted, answer: wanted not in answer.casefold(),
}

INSTRUCTIONS = TaskInfo(
    name="instructions",
    label="Following instructions",
    help="A question with rules for the form of its answer, such as exactly three words. There is no right answer.",
    params=InstructionsParams,
    make=make,
    title=lambda params: f"following {params.min_rules} to {params.max_rules} instructions",
    columns=("topic", "spec"),
    reward="constraints",
)
