"""Values as plain data: what may cross between the tests and the code under test, and how.

Only values that are compared by what they hold: numbers, texts, bytes, and containers of such. A value of a subclass
becomes one of the plain type, so that no method that a model wrote takes part in a comparison. Imported by both
programs in the sandboxes, as `plain`, and by nothing in the engine.
"""

import collections
import collections.abc
import importlib
import itertools
import json
import os
import sys
from collections.abc import Callable
from typing import Any

MAX_DEPTH = 100  # of a result
MAX_ARGUMENT_DEPTH = 120  # so that a test can pass a result on, inside something of its own
MAX_ITEMS = 100_000  # taken from a generator
MAX_FRAME = 1 << 20  # bytes of a result
_MAX_WORDS = 300
# Whose items are taken, and given on as a plain iterator: generators, map, zip, the keys of a dictionary, ...
_ITERATORS: tuple[type[Any], ...] = (collections.abc.Iterator, collections.abc.MappingView)


class NotPlain(Exception):
    """The value cannot cross; the text says what it is."""


def pack(value: Any, depth: int = MAX_DEPTH) -> Any:
    """The value as JSON data. Raises NotPlain, or whatever a model's own classes raise when they are read."""
    if depth <= 0:
        raise NotPlain("a value that is nested too deeply")
    if value is None or value is True or value is False:
        return value
    for kind, name, parts in _SCALARS:
        if isinstance(value, kind):
            return {name: parts(value)}
    for module, kind_name in _EXACT:
        if module in sys.modules and isinstance(value, getattr(sys.modules[module], kind_name)):
            return {kind_name: str(value)}
    if isinstance(value, list):
        return [pack(item, depth - 1) for item in value]
    for kind, name in _CONTAINERS:
        if isinstance(value, kind):
            items: Any = value.items() if isinstance(value, dict) else value
            return {name: [pack(item, depth - 1) for item in items]}
    if isinstance(value, _ITERATORS):
        taken = list(itertools.islice(iter(value), MAX_ITEMS + 1))
        if len(taken) > MAX_ITEMS:
            raise NotPlain(f"a {type(value).__name__} of more than {MAX_ITEMS:,} items")
        return {"iterator": [pack(item, depth - 1) for item in taken]}
    raise NotPlain(f"a value of type {type(value).__name__}"[:_MAX_WORDS])


def unpack(data: Any) -> Any:
    """The value of JSON data. Raises an exception for data that pack does not make."""
    if isinstance(data, list):
        return [unpack(item) for item in data]
    if not isinstance(data, dict):
        return data
    ((name, parts),) = data.items()
    if name in _MAKE_SCALAR:
        return _MAKE_SCALAR[name](parts)
    return _MAKE_CONTAINER[name]([unpack(item) for item in parts])


def _scalar(kind: type, name: str, parts: Callable[[Any], Any]) -> tuple[type, str, Callable[[Any], Any]]:
    return kind, name, parts


_SCALARS = (
    _scalar(int, "int", lambda value: hex(int(value))),
    _scalar(float, "float", lambda value: float(value).hex()),
    _scalar(complex, "complex", lambda value: [complex(value).real.hex(), complex(value).imag.hex()]),
    _scalar(str, "str", str.__str__),
    _scalar(bytes, "bytes", lambda value: bytes(value).hex()),
    _scalar(bytearray, "bytearray", lambda value: bytes(value).hex()),
    _scalar(range, "range", lambda value: [hex(value.start), hex(value.stop), hex(value.step)]),
)
# Written as text. Their modules take a few milliseconds to load: only a program that has them can have such a value.
_EXACT = (("fractions", "Fraction"), ("decimal", "Decimal"))
_CONTAINERS: tuple[tuple[type, str], ...] = (
    (tuple, "tuple"), (collections.OrderedDict, "ordered"), (dict, "dict"), (frozenset, "frozenset"), (set, "set"),
    (collections.deque, "deque"),
)  # fmt: skip
_MAKE_SCALAR: dict[str, Callable[[Any], Any]] = {
    "int": lambda parts: int(parts, 16),
    "float": float.fromhex,
    "complex": lambda parts: complex(float.fromhex(parts[0]), float.fromhex(parts[1])),
    "str": lambda parts: str(parts),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "range": lambda parts: range(*(int(part, 16) for part in parts)),
    "Fraction": lambda parts: _module("fractions").Fraction(parts),
    "Decimal": lambda parts: _module("decimal").Decimal(parts),
}
_MAKE_CONTAINER: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "ordered": collections.OrderedDict,
    "dict": dict,
    "frozenset": frozenset,
    "set": set,
    "deque": collections.deque,
    "iterator": iter,
}


def _module(name: str) -> Any:
    return importlib.import_module(name)


class Channel:
    """JSON objects to and from the engine, on what was standard input and output: those lead nowhere from now on."""

    def __init__(self) -> None:
        self._input, self._output = os.dup(0), os.dup(1)
        nowhere = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)

    def write(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode()
        data = len(data).to_bytes(4, "big") + data
        while data:
            data = data[os.write(self._output, data) :]

    def read(self) -> dict[str, Any]:
        size = int.from_bytes(self._exactly(4), "big")
        message: dict[str, Any] = json.loads(self._exactly(size))
        return message

    def _exactly(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            chunk = os.read(self._input, size - len(found))
            if not chunk:  # the engine wants no more
                os._exit(0)
            found += chunk
        return bytes(found)
