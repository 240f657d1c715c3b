"""Runs in a sandbox with the tests of a dataset row: the functions under test are proxies that ask the engine.

Reads tests.json: {"tests": source, "context": source of helpers, "names": [functions] or null, "check": bool,
"all": bool}. Every assertion counts. Says {"begin": true}, then {"call", "args", "kwargs"} for each call and
{"verdict": true} after each assertion, and at last {"done": [passed, total, first failure]}, or {"broken": why} when
the tests themselves are at fault.
"""

import ast
import builtins
import importlib.machinery
import json
import sys
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any, NoReturn

from plain import MAX_ARGUMENT_DEPTH, Channel, NotPlain, pack, unpack  # type: ignore[import-not-found]  # beside it

_MAX_WORDS = 300


class Gone(BaseException):
    """The code under test gave no result. Not an Exception: a test that expects one must not take it for that."""


class Broken(BaseException):
    """The tests are at fault."""


class Stop(BaseException):
    """One assertion failed, and nothing more is wanted."""


class CandidateError(Exception):
    """An exception of a class that the code under test defines."""


class Tests:
    """The tests of one row while they run: what was called, what has passed and failed."""

    def __init__(self, channel: Channel, wanted: dict[str, Any]) -> None:
        self._channel, self._wanted = channel, wanted
        self._tree = ast.parse(wanted["tests"])
        self._assigned = _assigned_names(self._tree)
        self._lines = wanted["tests"].splitlines()
        self.calls = self.passed = self.failed = 0
        self.first_failure = ""
        self._gone_since_verdict = False
        self._raised: BaseException | None = None

    def run(self) -> list[Any]:
        """[passed, total, first failure]. Raises Broken."""
        context = _load_context(self._wanted["context"])
        names = self._wanted["names"] or _called_names(self._tree, context, self._assigned)
        if not names:
            raise Broken("the tests call no function that they do not define")
        proxies = {name: self._proxy(name) for name in names}
        given = {**context, **proxies, "candidate": proxies[names[0]]}
        self._channel.write({"begin": True})
        try:
            module = self._load(given)
            if self._wanted["check"]:
                module.check(proxies[names[0]])
        except Stop:
            pass
        except Broken:
            raise
        except BaseException as error:
            if not self.calls:
                raise Broken(f"they fail before they call anything: {_words(error)}") from None
            self._count_failure(error)
            return [self.passed, max(self.passed + self.failed, count_assertions(self._tree)), self.first_failure]
        if not self.calls:
            raise Broken("the tests never call the function under test")
        return self._result()

    def _result(self) -> list[Any]:
        if self._gone_since_verdict and not self.failed:
            self.failed, self.first_failure = 1, "a call gave no result"
        total = self.passed + self.failed
        return [self.passed, total, self.first_failure] if total else [1, 1, ""]

    def _load(self, given: dict[str, Any]) -> ModuleType:
        module = sys.modules["tests"] = ModuleType("tests")
        vars(module).update(given, __passed__=self._pass, __failed__=self._fail)
        _Counting("tests", "tests.py").exec_module(module)
        return module

    def _proxy(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                request = {"args": pack(list(args), MAX_ARGUMENT_DEPTH), "kwargs": pack(kwargs, MAX_ARGUMENT_DEPTH)}
            except NotPlain as error:
                raise Broken(f"a test passes {error} to {name}, which cannot cross into the sandbox") from None
            self.calls += 1
            self._channel.write({"call": name, **request})
            return self._result_of(self._channel.read())

        call.__name__ = name
        return call

    def _result_of(self, answer: dict[str, Any]) -> Any:
        reason = answer.get("gone")
        if "value" in answer:
            try:
                return unpack(answer["value"])
            except Exception:
                reason = "its result cannot be read"
        if reason is None:
            self._raised = _rebuilt(answer.get("raised"), str(answer.get("message")))
            raise self._raised
        self._gone_since_verdict = True
        raise Gone(reason)

    def _pass(self) -> None:
        if self._gone_since_verdict:  # a test that swallows every exception has learnt nothing
            self._count_failure(Gone("a call gave no result"))
        else:
            self.passed += 1
        self._verdict()

    def _fail(self) -> None:
        error = sys.exc_info()[1]
        assert error is not None
        if isinstance(error, Stop | Broken):
            raise error
        self._count_failure(error)
        self._verdict()

    def _verdict(self) -> None:
        self._gone_since_verdict = False
        self._channel.write({"verdict": True})
        if self.failed and self._wanted["all"]:
            raise Stop

    def _count_failure(self, error: BaseException) -> None:
        """Counts it against the code under test, unless nothing that it could return would have helped."""
        if error is not self._raised:
            if isinstance(error, ImportError | SyntaxError):
                raise Broken(_words(error)) from None
            # A name that is bound somewhere may be unbound because a loop over a result had no turn; the error for one
            # that its function has not bound yet has no name.
            if isinstance(error, NameError) and error.name and error.name not in self._assigned:
                raise Broken(_words(error)) from None
        self.failed += 1
        self.first_failure = self.first_failure or self._where(error)

    def _where(self, error: BaseException) -> str:
        line, trace = "", error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == "tests.py":
                line = self._lines[trace.tb_lineno - 1].strip()
            trace = trace.tb_next
        return f"{line}: {_words(error)}"[:_MAX_WORDS]


class _Counting(importlib.machinery.SourceFileLoader):
    """Loads tests.py with every assertion replaced by one that counts."""

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:  # type: ignore[override]
        tree = _CountAssertions().visit(ast.parse(data))
        code: CodeType = compile(ast.fix_missing_locations(tree), "tests.py", "exec")
        return code


class _CountAssertions(ast.NodeTransformer):
    """`assert x` becomes `try: assert x / except BaseException: __failed__() / else: __passed__()`.

    Not where an exception is expected, inside try, and not for a constant, which says nothing.
    """

    def visit_Try(self, node: ast.Try) -> ast.Try:
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        if isinstance(node.test, ast.Constant):
            return node
        handler = ast.ExceptHandler(ast.Name("BaseException", ast.Load()), None, [_call("__failed__")])
        return ast.copy_location(ast.Try([node], [handler], [_call("__passed__")], []), node)


def count_assertions(tree: ast.AST) -> int:
    return sum(isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant) for node in ast.walk(tree))


def _call(name: str) -> ast.Expr:
    return ast.Expr(ast.Call(ast.Name(name, ast.Load()), [], []))


def _load_context(source: str) -> dict[str, Any]:
    """What the prompt defines, as far as it can be run: it may be code, or a question in English."""
    module = sys.modules["context"] = ModuleType("context")
    try:
        with open("context.py", "w", encoding="utf-8", errors="replace") as file:
            file.write(source)
        importlib.machinery.SourceFileLoader("context", "context.py").exec_module(module)
    except Exception:
        pass
    return {name: value for name, value in vars(module).items() if not name.startswith("__")}


def _assigned_names(tree: ast.AST) -> set[str]:
    """Every name that the source binds somewhere."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
    return found


def _called_names(tree: ast.AST, context: dict[str, Any], assigned: set[str]) -> list[str]:
    """The functions that are called and neither built in nor defined anywhere: those under test, as in MBPP."""
    called = [n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    known = {*context, *assigned, *dir(builtins)}
    return list(dict.fromkeys(name for name in called if name not in known))


def _rebuilt(names: Any, message: str) -> Exception:
    """An exception of the nearest built-in class, so that tests can expect it."""
    for name in names if isinstance(names, list) else ():
        kind = getattr(builtins, name, None) if isinstance(name, str) else None
        if isinstance(kind, type) and issubclass(kind, Exception) and kind is not Exception:
            try:
                return kind(message)
            except TypeError:  # a class that wants more than a text
                continue
    return CandidateError(message)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:_MAX_WORDS].rstrip(": ")


def main() -> NoReturn:
    channel = Channel()
    with open("tests.json", encoding="utf-8") as file:
        wanted = json.load(file)
    with open("tests.py", "w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(wanted["tests"])
    try:
        channel.write({"done": Tests(channel, wanted).run()})
    except BaseException as error:
        channel.write({"broken": str(error) if isinstance(error, Broken) else _words(error)})
    sys.exit(0)


main()
