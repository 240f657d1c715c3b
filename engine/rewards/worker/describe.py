"""Says what a reward file holds, without scoring anything: for the page where one is written or opened."""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.rewards.worker import load
from engine.rewards.worker.raised import raised_by
from engine.rewards.worker.types import CallableInfo, FileInfo

NETWORK = ("socket", "requests", "httpx", "urllib", "aiohttp", "http", "openai", "anthropic", "websockets")
PROCESSES = ("subprocess", "multiprocessing", "pty")
CALLS = {
    "eval": "uses eval", "exec": "uses exec", "os.system": "starts programs (os.system)",
    "os.popen": "starts programs (os.popen)", "os.fork": "starts processes (os.fork)",
    "compile": "compiles code (compile)", "pickle.load": "loads pickles", "pickle.loads": "loads pickles",
}  # fmt: skip
RANDOM = ("random", "secrets")


def described(path: Path, shown: str) -> FileInfo:
    """What the file holds. Runs it, so only in a worker."""
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        tree = ast.parse(data, shown)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return FileInfo(problem=f"{shown} cannot be read: {_syntax_words(error)}.", line=_line(error), sha256=sha256)
    warnings = tuple(dict.fromkeys(_warnings(tree)))
    try:
        infos = tuple(info for info, _ in load.callables(load.load_module(path, "", shown)))
    except BaseException as error:
        words = raised_by(error, shown)
        problem = f"{shown} cannot be loaded: it {words.reason}."
        return FileInfo((), "", warnings, problem, _own_line(error, shown), sha256, words.traceback)
    return _with_choice(infos, warnings, sha256, shown)


def from_wire(found: dict[str, Any]) -> FileInfo:
    """Raises TypeError or KeyError when it is not what `described` gives."""
    infos = tuple(
        CallableInfo(**{**info, "columns": tuple(info["columns"]), "optional": tuple(info["optional"])})
        for info in found["callables"]
    )
    return FileInfo(**{**found, "callables": infos, "warnings": tuple(found["warnings"])})


def _with_choice(infos: tuple[CallableInfo, ...], warnings: tuple[str, ...], sha256: str, shown: str) -> FileInfo:
    try:
        return FileInfo(infos, load.choose(list(infos), "", shown), warnings, sha256=sha256)
    except load.Refused as error:
        usable = any(info.convention for info in infos)
        return FileInfo(infos, "", warnings, "" if usable else str(error).rstrip(".") + ".", sha256=sha256)


def _warnings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module_warnings(alias.name.partition(".")[0], node.lineno)
        if isinstance(node, ast.ImportFrom):
            yield from _module_warnings((node.module or "").partition(".")[0], node.lineno)
        called = ast.unparse(node.func) if isinstance(node, ast.Call) and _is_named(node.func) else ""
        if isinstance(node, ast.Call) and called in CALLS:
            yield f"line {node.lineno}: {CALLS[called]}"


def _is_named(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) or (
        isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)
    )


def _module_warnings(module: str, line: int) -> Iterator[str]:
    if module in NETWORK:
        yield f"line {line}: uses the network ({module})"
    if module in PROCESSES:
        yield f"line {line}: starts processes ({module})"
    if module in RANDOM:
        yield f"line {line}: draws random numbers ({module}); the same call draws the same ones"
    if module == "ctypes":
        yield f"line {line}: calls C code (ctypes)"


def _syntax_words(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.msg} (line {error.lineno})"
    return f"{type(error).__name__}: {error}"


def _line(error: BaseException) -> int | None:
    return error.lineno if isinstance(error, SyntaxError) else None


def _own_line(error: BaseException, shown: str) -> int | None:
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == shown), None)
