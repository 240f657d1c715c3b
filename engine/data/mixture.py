"""Several sources as one dataset: each position belongs to one of them, in proportion to their weights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import gcd
from typing import Any

from engine.data.example import Dataset, Example, Keep

SHARES = 1000  # weights are rounded to so many parts of the whole, each at least one
COLUMN = "data_source"


@dataclass
class Mixture:
    """Implements Dataset. `parts` are (name, weight, dataset); what one holds out, no other trains on.

    In any run of positions each source has its share, but for one prompt more or less. The held-out examples are mixed
    in the same proportions. Rows keep a column `data_source` that they have, and get the source's name where not.
    """

    parts: Sequence[tuple[str, float, Dataset]]
    name: str = field(init=False)
    train_size: int | None = field(init=False)
    held_out: tuple[Example, ...] = field(init=False)

    def __post_init__(self) -> None:
        sizes = [part.train_size for _, _, part in self.parts]
        held_out = [[named(example, name) for example in part.held_out] for name, _, part in self.parts]
        turns = _pattern([len(examples) for examples in held_out])
        queues = [iter(examples) for examples in held_out]
        self.name = " + ".join(name for name, _, _ in self.parts)
        self.train_size = None if None in sizes else sum(size or 0 for size in sizes)
        self.held_out = tuple(next(queues[part]) for part in turns)

    @property
    def dropped(self) -> Mapping[str, int]:
        totals: dict[str, int] = {}
        for _, _, part in self.parts:
            for why, count in part.dropped.items():
                totals[why] = totals.get(why, 0) + count
        return totals

    def train(self, position: int) -> Example:
        part, place = self._place(position)
        return named(self.parts[part][2].train(place), self.parts[part][0])

    def row_of(self, position: int) -> str:
        part, place = self._place(position)
        return self.parts[part][2].row_of(place)

    def examples(self) -> Iterator[tuple[str, Example]]:
        for name, _, part in self.parts:
            for where, example in part.examples():
                yield where, named(example, name)

    def only(self, keep: Keep, why: str) -> "Mixture":
        return mixed([(name, weight, part.only(keep, why)) for name, weight, part in self.parts])

    def without(self, prompts: frozenset[str]) -> "Mixture":
        return Mixture([(name, weight, part.without(prompts)) for name, weight, part in self.parts])

    @cached_property
    def _schedule(self) -> tuple[list[int], list[int], list[int]]:
        """(the source of each place of a block, how often it had its turn in the block before, turns per block)."""
        shares = block_shares([weight for _, weight, _ in self.parts])
        pattern, before, counts = _pattern(shares), [], [0] * len(shares)
        for part in pattern:
            before.append(counts[part])
            counts[part] += 1
        return pattern, before, counts

    def _place(self, position: int) -> tuple[int, int]:
        """(which source, the position in it)."""
        pattern, before, counts = self._schedule
        block, place = divmod(position, len(pattern))
        part = pattern[place]
        return part, block * counts[part] + before[place]


def mixed(parts: Sequence[tuple[str, float, Dataset]]) -> Mixture:
    """The mixture of these parts. Raises DatasetError when another source holds out all that one could train on."""
    held_out = frozenset(example.prompt for _, _, part in parts for example in part.held_out)
    return Mixture([(name, weight, part.without(held_out)) for name, weight, part in parts])


def named(example: Example, name: str) -> Example:
    """The example with the name of its source, where its row does not name one."""
    if example.columns.get(COLUMN) is not None:
        return example
    columns: dict[str, Any] = {**example.columns, COLUMN: name}
    return replace(example, columns=columns)


def apportioned(weights: Sequence[float], total: int) -> list[int]:
    """`total` in whole parts by these weights, each at least 1, largest remainders first. `total` ≥ len(weights)."""
    whole = sum(weights)
    exact = [total * weight / whole for weight in weights]
    parts = [max(1, int(part)) for part in exact]
    order = sorted(range(len(weights)), key=lambda i: parts[i] - exact[i])
    for i in range(total - sum(parts)):
        parts[order[i % len(order)]] += 1
    while sum(parts) > total:  # small weights were raised to 1
        parts[max(range(len(parts)), key=lambda i: parts[i] - exact[i] if parts[i] > 1 else float("-inf"))] -= 1
    return parts


def block_shares(weights: Sequence[float]) -> list[int]:
    """The weights as whole numbers without a common divisor, that together are at most SHARES."""
    shares = apportioned(weights, SHARES)
    divisor = gcd(*shares)
    return [share // divisor for share in shares]


def _pattern(shares: Sequence[int]) -> list[int]:
    """Which source has its turn at each of sum(shares) places, spread evenly: smooth weighted round-robin."""
    credit, total, pattern = [0] * len(shares), sum(shares), []
    for _ in range(total):
        credit = [old + share for old, share in zip(credit, shares, strict=True)]
        turn = max(range(len(shares)), key=credit.__getitem__)
        credit[turn] -= total
        pattern.append(turn)
    return pattern
