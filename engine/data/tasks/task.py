"""What a built-in task is: settings, and a rule that makes one item from them and a number."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.config_section import Section


@dataclass(frozen=True)
class Item:
    """One question. Items with the same `key` are the same problem: all of them are held out, or none.

    `columns` is what reward functions and the prompt template get, beside `answer`.
    """

    key: str
    question: str
    answer: str | None
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskInfo:
    """A built-in task. `make(params, number)` gives the item of a random 63-bit number, always the same one.

    `title(params)` names it with its settings. One problem in `held_out_one_in` is never trained on. `keys(params)`
    lists every key where there are few enough to list, else it is None. `reward`: the one of the library that judges
    answers which cannot be compared with a single right one.
    """

    name: str
    label: str
    help: str
    params: type[Section]
    make: Callable[[Any, int], Item]
    title: Callable[[Any], str]
    columns: tuple[str, ...]
    held_out_one_in: int = 10
    keys: Callable[[Any], Iterable[str] | None] = lambda _params: None
    reward: str | None = None


def is_held_out(key: str, one_in: int) -> bool:
    """Whether no training run may see the problem of this key."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % one_in == 0
