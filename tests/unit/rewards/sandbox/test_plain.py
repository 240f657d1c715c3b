"""Values that cross between tests and code: what they become, and what cannot cross."""

import collections
import decimal
import enum
import fractions
import itertools
import json
import math
from typing import Any

import pytest

from engine.rewards.sandbox.judge.plain import MAX_DEPTH, NotPlain, pack, unpack


def crossed(value: Any) -> Any:
    return unpack(json.loads(json.dumps(pack(value))))


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, -7, 10**4000, 0.1, -0.0, math.inf, 2j, "", "naïve \ud800 \0", b"\0\xff", bytearray(b"ab"),
        [1, [2, "3"]], (1, (2.0,)), {1, 2}, frozenset({(1, 2)}), {"a": [1], 2: None, (1, 2): "t"}, range(2, 10, 3),
        decimal.Decimal("0.10"), fractions.Fraction(1, 3), collections.deque([1, 2]),
        collections.OrderedDict([("b", 1), ("a", 2)]),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_plain_value_arrives_as_it_was(value: Any) -> None:
    arrived = crossed(value)
    assert type(arrived) is type(value) and arrived == value and str(arrived) == str(value)


def test_a_whole_number_may_have_more_digits_than_python_prints() -> None:
    assert crossed(10**50_000) == 10**50_000


def test_nan_arrives_as_nan() -> None:
    assert math.isnan(crossed(math.nan))


class AlwaysEqual(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class Colour(enum.IntEnum):
    RED = 1


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (AlwaysEqual(41), 41), (Colour.RED, 1), (Point(1, 2), (1, 2)), (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_value_of_a_subclass_becomes_the_plain_one(value: Any, plain: Any) -> None:
    arrived = crossed(value)
    assert type(arrived) is type(plain) and arrived == plain


def test_what_an_iterator_yields_arrives_as_an_iterator() -> None:
    assert list(crossed(x * x for x in range(4))) == [0, 1, 4, 9]
    assert sorted(crossed({"b": 1, "a": 2}.keys())) == ["a", "b"]


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), "a value of type object"), (len, "a value of type builtin_function_or_method"),
        (itertools.count(), "a count of more than 100,000 items"), ([{1: print}], "a value of type"),
        (nested(MAX_DEPTH), "a value that is nested too deeply"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_other_values_do_not_cross(value: Any, reason: str) -> None:
    with pytest.raises(NotPlain, match=reason):
        pack(value)


@pytest.mark.parametrize("data", [{}, {"a": 1, "b": 2}, {"object": 1}, {"int": "x"}, {"set": [[1]]}, {"tuple": 3}])
def test_data_that_was_never_packed_is_refused(data: Any) -> None:
    with pytest.raises((KeyError, ValueError, TypeError)):
        unpack(data)
