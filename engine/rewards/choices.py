"""Rewards for answers that are a letter, a collection of items, or an order of items."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import orjson
from pydantic import field_validator

from engine.config_section import knob
from engine.rewards.extract import FORM_WORDS, Extract, ReadsAnswer, stated_answer
from engine.rewards.info import Example, RewardInfo
from engine.rewards.numbers import asserted, show_number
from engine.rewards.protocol import Missing, RewardFunction, per_completion, required
from engine.shown import short

MAX_ITEMS = 200  # of a reference; of an answer, items beyond ten times as many are counted but not read
MAX_TEXT = 20_000


class MultipleChoiceParams(ReadsAnswer):
    letters: str = knob(
        "ABCD", "The letters of the choices, without spaces.", label="Letters", min_length=2, max_length=26
    )

    @field_validator("letters")
    @classmethod
    def _are_letters(cls, letters: str) -> str:
        if not (letters.isascii() and letters.isalpha() and len(set(letters.upper())) == len(letters)):
            raise ValueError("has to be different letters from A to Z, such as ABCD")
        return letters.upper()


class ItemsParams(ReadsAnswer):
    ignore_case: bool = knob(True, "Count upper and lower case as the same.", label="Ignore case")


class CollectionParams(ItemsParams):
    repeats: Literal["set", "list"] = knob(
        "set",
        "Whether an item that stands twice counts twice.",
        label="Repeated items",
        words={"set": "count once", "list": "count each time"},
    )


class OrderParams(ItemsParams):
    extract: Extract = knob(
        "auto", "Where the ordered items stand. A think block is never part of it.", label="Read the answer from",
        words=FORM_WORDS,
    )  # fmt: skip


def multiple_choice(params: MultipleChoiceParams) -> RewardFunction:
    """1 when the answer names the letter of the reference and no other, else 0."""

    def rule(text: str, reference: str | None) -> float:
        wanted = _letter(required(reference), params.letters)
        if wanted is None:
            raise Missing(f"the reference answer {short(reference)} names none of the letters {params.letters}")
        return float(chosen_letter(params, text) == wanted)

    return per_completion(rule)


def chosen_letter(params: MultipleChoiceParams, text: str) -> str | None:
    """The letter that a completion chooses; None for none, or several."""
    part = stated_answer(text, params.extract, params.answer_pattern)
    return None if part is None else _letter(part, params.letters)


def _letter(part: str, letters: str) -> str | None:
    alone = part.strip(" \t\n.,:;()[]{}*\"'`$").removeprefix(r"\text{").upper()
    if len(alone) == 1 and alone in letters:
        return alone
    at_front = re.match(rf"\W{{0,4}}([{letters}])(?:[).:\]]|\*\*)", part)
    found = [at_front[1]] if at_front else _standing_letters(part[:MAX_TEXT], letters)
    return found[0] if len(set(found)) == 1 else None


_DENIED = re.compile(r"(?:\bnot|n't|n’t|\bnever|\bneither|\bnor) (?:[a-z]+ )?\(?\Z")
_ARTICLE = re.compile(r" (?!(?:or|and|nor|is|was)\b)[a-z]")


def _standing_letters(part: str, letters: str) -> list[str]:
    """Capital letters that stand alone and are not denied. A before a small word is an article, I a person."""
    return [
        match[1]
        for match in re.finditer(rf"(?<![\w'])([{letters}])(?![\w'])", part)
        if not (match[1] in "AI" and _ARTICLE.match(part, match.end()))
        and not _DENIED.search(part[max(0, match.start() - 24) : match.start()])
    ]


def collection_f1(params: CollectionParams) -> RewardFunction:
    """F1 of the items of the answer against those of the reference: 2 · common / (given + wanted)."""

    def rule(text: str, reference: str | None) -> float:
        wanted = Counter(_wanted_items(params, reference))
        given = Counter(_given_items(params, text))
        if params.repeats == "set":
            wanted, given = Counter(set(wanted)), Counter(set(given))
        return 2 * (wanted & given).total() / (wanted.total() + given.total())

    return per_completion(rule)


def sorted_order(params: OrderParams) -> RewardFunction:
    """Share of the pairs of the reference that stand in its order, times wanted / given items when there are too many.

    Kendall's count of pairs, without its scaling to −1…1. An item that is missing takes all its pairs with it.
    """

    def rule(text: str, reference: str | None) -> float:
        wanted = _wanted_items(params, reference)
        given = _given_items(params, text)
        places = _places(wanted, given)
        if len(wanted) == 1:
            share = float(places[0] is not None)
        else:
            pairs = [(a, b) for i, a in enumerate(places) for b in places[i + 1 :]]
            share = sum(a is not None and b is not None and a < b for a, b in pairs) / len(pairs)
        return share * len(wanted) / max(len(wanted), len(given))

    return per_completion(rule)


def _places(wanted: Sequence[str], given: Sequence[str]) -> list[int | None]:
    """Where each wanted item stands among the given ones; the second of two equal ones takes the second place."""
    free: dict[str, list[int]] = {}
    for place, item in enumerate(given):
        free.setdefault(item, []).append(place)
    return [free[item].pop(0) if free.get(item) else None for item in wanted]


def _wanted_items(params: ItemsParams, reference: str | None) -> list[str]:
    wanted = items_of(required(reference), params.ignore_case)
    if not 0 < len(wanted) <= MAX_ITEMS:
        raise Missing(f"the reference answer has {len(wanted)} items, not 1 to {MAX_ITEMS}")
    return wanted


def _given_items(params: ItemsParams, text: str) -> list[str]:
    part = stated_answer(text, params.extract, params.answer_pattern) or ""
    return items_of(part[:MAX_TEXT], params.ignore_case)


def shown_items(params: ItemsParams, text: str) -> str | None:
    """The items that a completion lists, for showing."""
    found = _given_items(params, text)
    return ", ".join(found[:MAX_ITEMS]) if found else None


def items_of(text: str, ignore_case: bool = True) -> list[str]:
    """The items of a JSON list or object (as key: value), else what commas, semicolons, lines and "and" set apart."""
    found = _json_items(text)
    if found is None:
        inner = text.strip().strip("[](){}")
        found = [item for item in _SEPARATOR.split(inner) if item.strip()]
    return [_item(item, ignore_case) for item in found]


_SEPARATOR = re.compile(r"[,;\n]\s*(?:and\s)?|\s+and\s+")
_BULLET = re.compile(r"^\s{0,8}(?:[-*•]|[0-9]{1,3}[.)])\s+")


def _json_items(text: str) -> list[str] | None:
    try:
        value: Any = orjson.loads(text.strip())
    except orjson.JSONDecodeError:
        return None
    if isinstance(value, dict):
        return [f"{key}: {_json_text(item)}" for key, item in value.items()]
    return [_json_text(item) for item in value] if isinstance(value, list) else None


def _json_text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _item(text: str, ignore_case: bool) -> str:
    text = _BULLET.sub("", text).strip(" \t\r\n.\"'`*")
    number = asserted(text, "one") if _NUMERIC.fullmatch(text) else None
    text = show_number(number.value) if number else " ".join(text.split())
    return text.casefold() if ignore_case else text


_NUMERIC = re.compile(r"[-+$0-9.,/% ]{1,40}")

INFOS = (
    RewardInfo(
        "multiple_choice",
        "Multiple choice",
        "1 when the answer names the right letter and no other, else 0.",
        "task",
        MultipleChoiceParams,
        multiple_choice,
        parse=chosen_letter,
        explanation=(
            "Reads the letter that the stated answer names: alone, at its front as in “B) Paris”, or as a capital that "
            "stands by itself in the sentence. Two different letters, and a letter after “not”, choose nothing; A "
            "before a small word is taken for an article. Guessing earns 1 in as many tries as there are letters, so "
            "even a model that knows nothing has groups with signal."
        ),
        examples=(
            Example("The answer is B.", 1.0, "B"),
            Example("<answer>b</answer>", 1.0, "B"),
            Example("(B) Paris", 1.0, "B"),
            Example("A or B", 0.0, "B"),
            Example("It is not B.", 0.0, "B"),
            Example("A city in France", 0.0, "A"),
        ),
    ),
    RewardInfo(
        "collection_f1",
        "Set or list (F1)",
        "Partial credit: how well the items of the answer cover those of the reference, without extra ones.",
        "task",
        CollectionParams,
        collection_f1,
        parse=shown_items,
        explanation=(
            "Takes both sides apart at commas, semicolons, lines and “and”, or reads them as a JSON list or object, "
            "whose items are then “key: value”. The reward is F1: twice the common items, divided by all items of both "
            "sides. Their order does not matter, and numbers count as equal however they are written. Listing "
            "everything that could be meant still earns part of it."
        ),
        examples=(
            Example("red, green and blue", 1.0, "blue, green, red"),
            Example('["Red", "blue"]', 0.8, "red, green, blue"),
            Example("yellow", 0.0, "red, green, blue"),
            Example("red, green, blue, yellow, black, white", 2 / 3, "red, green, blue"),
            Example('{"a": 1, "b": 3}', 0.5, '{"a": 1, "b": 2}'),
            Example("3, 3, 4", 1.0, "3, 4"),
            Example("3, 3, 4", 0.8, "3, 4", {"repeats": "list"}),
        ),
    ),
    RewardInfo(
        "sorted_order",
        "Order of items",
        "Partial credit: the share of pairs of items that stand in the order of the reference.",
        "task",
        OrderParams,
        sorted_order,
        parse=shown_items,
        explanation=(
            "Both sides are taken apart as for collection_f1. Of all pairs of items of the reference, it counts those "
            "that stand in the same order in the answer; a missing item loses all its pairs, and extra items shrink "
            "the reward. An order at random earns about a half, so copying the unsorted list from the prompt is not "
            "worthless: compare with exact_match as a monitor."
        ),
        examples=(
            Example("1, 2, 3, 4", 1.0, "1, 2, 3, 4"),
            Example("4, 3, 2, 1", 0.0, "1, 2, 3, 4"),
            Example("2, 1, 3, 4", 5 / 6, "1, 2, 3, 4"),
            Example("1, 2, 3", 0.5, "1, 2, 3, 4"),
            Example("1, 2, 3, 4, 1, 2, 3, 4", 0.5, "1, 2, 3, 4"),
            Example("3, 1, 4, 2", 0.5, "1, 2, 3, 4"),
        ),
    ),
)  # fmt: skip
