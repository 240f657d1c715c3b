"""What values of run.db may be that SQLite itself does not check: the shape of JSON, the range of whole numbers. Pure.

Files are edited, cut off and copied by other programs. A reader that has asked here can rely on what it hands on. Every
check raises ValueError, TypeError or ArithmeticError (OverflowError: a whole number beyond any float) for what no
engine wrote.
"""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Final, get_args

import pandas as pd

from engine.runs.records import FinishReason, GroupKind
from engine.runs.schema import COMPLETION_BITS, GROUP_BITS, completion_id

LAST_STEP: Final = (1 << 31) - 1
_LARGEST: Final = {
    **dict.fromkeys(("step", "first_step", "last_step"), LAST_STEP),
    "group_index": (1 << GROUP_BITS) - 1,
    "completion_index": (1 << COMPLETION_BITS) - 1,
}
_LARGEST_OF_ALL: Final = (1 << 63) - 1


def parsed(name: str, text: str | None, wanted: type) -> Any:
    """The JSON of a column, checked; {} when there is none. `wanted`: list or dict."""
    if text is None:
        return {}
    value = json.loads(text)
    if not isinstance(value, wanted):
        raise TypeError(f"the column {name} holds something else than a JSON {'list' if wanted is list else 'object'}")
    if name in _CHECKS and not _CHECKS[name](value):
        raise ValueError(f"the column {name} holds something else than it should: {text[:60]}")
    return value


def whole_numbers(name: str, values: Sequence[Any]) -> list[int | None]:
    """A column of indices, counts or steps; None where missing."""
    largest = _LARGEST.get(name, _LARGEST_OF_ALL)
    for value in values:
        if value is None:
            continue
        if not isinstance(value, int):
            raise TypeError(f"the column {name} holds something else than numbers")
        if not 0 <= value <= largest:
            raise ValueError(f"the column {name} holds {value}, which is not from 0 to {largest}")
    return list(values)


def step_number(value: int) -> int:
    """A stored step, or 0 when there is none."""
    if not 0 <= value <= LAST_STEP:
        raise ValueError(f"there is a step {value}, and steps are from 1 to {LAST_STEP}")
    return value


def check_rows(frame: pd.DataFrame) -> None:
    """What several columns of groups or completions say together."""
    if "group_index" in frame and "kind" in frame:  # events have kinds of their own
        _among("kind", frame["kind"].tolist(), get_args(GroupKind))
    if "finish_reason" in frame:
        _among("finish_reason", frame["finish_reason"].tolist(), (None, *get_args(FinishReason)))
    if "steps" in frame and "length" in frame:
        for length, scores in zip(frame["length"].tolist(), frame["steps"], strict=True):
            if length is not None and any(place >= length for found in scores.values() for place, _ in found):
                raise ValueError("a step score stands behind the end of its completion")


def check_keys(frame: pd.DataFrame, keys: Sequence[int]) -> None:
    """That each completion stands under the key of its step, group and place."""
    places = zip(*(frame[name].tolist() for name in ("step", "group_index", "completion_index")), strict=True)
    if any(completion_id(*place) != key for place, key in zip(places, keys, strict=True)):
        raise ValueError("a completion stands under the key of another one")


def _among(name: str, values: Sequence[Any], known: Sequence[Any]) -> None:
    if unknown := set(values) - set(known):
        raise ValueError(f"the column {name} holds {str(unknown.pop())[:40]!r}")


def _is_number(value: Any) -> bool:
    """float() raises OverflowError for a whole number that JSON can hold and no float can."""
    return type(value) in (int, float) and not math.isnan(float(value))


def _is_reward_summary(value: dict[str, Any]) -> bool:
    return all(
        isinstance(summary, dict)
        and isinstance(logged := summary.get("logged", {}), dict)
        and all(number is None or _is_number(number) for number in logged.values())
        and all(number is None or _is_number(number) for name, number in summary.items() if name != "logged")
        for summary in value.values()
    )


def _is_texts(value: dict[str, Any]) -> bool:
    return all(isinstance(text, str) for text in value.values())


def _is_step_scores(value: dict[str, Any]) -> bool:
    return all(isinstance(found, list) and all(map(_is_step_score, found)) for found in value.values())


def _is_step_score(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and type(pair[0]) is int and pair[0] >= 0 and _is_number(pair[1])


def _is_numbers(value: dict[str, Any]) -> bool:
    return all(map(_is_number, value.values()))


def _is_samples(value: list[Any]) -> bool:
    return all(
        isinstance(sample, dict)
        and isinstance(sample.get("prompt"), str)
        and isinstance(sample.get("reference"), str | None)
        and isinstance(sample.get("completions"), list)
        and all(map(_is_answer, sample["completions"]))
        for sample in value
    )


def _is_answer(value: Any) -> bool:
    return (
        isinstance(value, dict) and isinstance(value.get("text"), str) and isinstance(value.get("passed"), bool | None)
    )


def _is_per_prompt(value: dict[str, Any]) -> bool:
    """Lists with an entry for each prompt, None where not known; `rewards` has one for each function."""
    rewards = value.get("rewards") or {}
    columns = [*(found for name, found in value.items() if name != "rewards"), *rewards.values()]
    return all(found is None or isinstance(found, list) for found in columns)


_CHECKS: Final[dict[str, Callable[[Any], bool]]] = {
    "rewards": _is_reward_summary, "errors": _is_texts, "steps": _is_step_scores, "raw": _is_numbers,
    "samples": _is_samples, "prompts": _is_per_prompt,
}  # fmt: skip
