"""Loads a reward file inside the worker: the bytes that were verified are those that run. Never in the engine."""

import functools
import hashlib
import importlib.abc
import importlib.util
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from engine.rewards.worker.signatures import recognise
from engine.rewards.worker.types import CallableInfo, Convention

MODULE = "reward_file"
MAX_CALLABLES = 100
_CALL = "__call__"
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

Found = tuple[CallableInfo, Callable[..., Any]]


class Refused(Exception):
    """Why the file cannot be used; its text is for people."""


class _Bytes(importlib.abc.SourceLoader):
    """A module from bytes in memory, under the name that messages call the file."""

    def __init__(self, shown: str, data: bytes) -> None:
        self.shown, self.data = shown, data

    def get_filename(self, fullname: str) -> str:
        return self.shown

    def get_data(self, path: str | bytes) -> bytes:
        return self.data


def load_module(path: Path, sha256: str, shown: str) -> ModuleType:
    """Run the file as a module. Raises Refused when its hash is another one, and whatever it raises itself."""
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if sha256 and found != sha256:
        raise Refused(f"{shown} has changed: its sha256 is {found}, and {sha256} was expected")
    lines = data.decode(errors="replace").splitlines(keepends=True)
    linecache.cache[shown] = (len(data), None, lines, shown)  # tracebacks then show its lines
    spec = importlib.util.spec_from_loader(MODULE, _Bytes(shown, data), origin=shown)
    if spec is None or spec.loader is None:
        raise Refused(f"{shown} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    return module


def callables(
    module: ModuleType, forced: Convention | None = None
) -> Iterator[tuple[CallableInfo, Callable[..., Any]]]:
    """What of a module can be called and is its own: functions, objects, partials, classes that need no argument."""
    found = 0
    for name, thing in list(vars(module).items()):
        if name.startswith("_") or not callable(thing) or not _is_own(thing, module):
            continue
        function = _instance(thing)
        if function is None:
            continue
        found += 1
        if found > MAX_CALLABLES:
            return
        yield describe_callable(name, function, forced), function


def describe_callable(name: str, function: Callable[..., Any], forced: Convention | None = None) -> CallableInfo:
    """Its convention, and what it takes."""
    doc = (inspect.getdoc(function) or "") if not isinstance(function, functools.partial) else ""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        return CallableInfo(name, "(?)", None, f"Its signature cannot be read: {error}.")
    found = recognise(signature, forced)
    return CallableInfo(
        name, str(signature)[:300], found.convention, found.why, is_async(function), found.columns, found.optional,
        found.reads_all, next(iter(doc.strip().splitlines()), "")[:300], found.completion,
    )  # fmt: skip


def is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(type(function), _CALL, None))


NO_FUNCTION = "Write one with a parameter called completion, or completions for a list of them."


def choose(infos: list[CallableInfo], wanted: str, shown: str) -> str:
    """The callable that is meant. Raises Refused naming those there are when that is not clear."""
    names = ", ".join(info.name for info in infos) or "none"
    if wanted:
        if wanted not in [info.name for info in infos]:
            raise Refused(f"{shown} has no callable {wanted!r}; it has: {names}")
        return wanted
    usable = [info for info in infos if info.convention is not None]
    fixed = [info for info in usable if info.convention != "single"]  # the others may be its helpers
    for some in (usable, fixed):
        if len(some) == 1:
            return some[0].name
    if not usable:
        reasons = " ".join(f"{info.name}: {info.why}" for info in infos[:3]) or NO_FUNCTION
        raise Refused(f"{shown} has no function that can be a reward. {reasons}".rstrip())
    raise Refused(f"{shown} has several functions that can be the reward: {names}. Name one of them")


def _is_own(thing: Any, module: ModuleType) -> bool:
    """Defined in the file, not imported; an object counts by its class, a partial always."""
    if isinstance(thing, functools.partial):
        return True
    owner = thing if inspect.isroutine(thing) or inspect.isclass(thing) else type(thing)
    return getattr(owner, "__module__", None) == module.__name__


def _instance(thing: Any) -> Callable[..., Any] | None:
    """Itself; of a class an object, if it can be called and is made without arguments."""
    if not inspect.isclass(thing):
        return thing  # type: ignore[no-any-return]
    if issubclass(thing, BaseException) or not any(_CALL in vars(base) for base in thing.__mro__):
        return None
    try:
        needed = [
            p for p in inspect.signature(thing).parameters.values() if p.default is p.empty and p.kind not in _VARIABLE
        ]
        made: Any = None if needed else thing()
    except Exception:
        return None
    return made  # type: ignore[no-any-return]
