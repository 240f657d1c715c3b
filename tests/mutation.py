"""Breaks engine/grpo in one place at a time and lists the mutants that no test notices.

    python tests/mutation.py [--jobs N] [module ...]      (from the root; modules such as masks or loss; all without)

A mutant is one change of the syntax tree: a comparison moved or turned round, + for − and * for /, an operand left
out, minimum for maximum, a clamp or a mask left out, `and` for `or`, a condition negated, a constant changed. Each runs
tests/unit/grpo and tests/reference in a process forked after everything heavy is imported. Exits with 1 if any survives
that is not in EQUIVALENT.
"""

import argparse
import ast
import contextlib
import gc
import importlib
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "engine" / "grpo"
TIME_LIMIT_S = 180  # a mutant that hangs is noticed too
TESTS = ["tests/unit/grpo", "tests/reference"]

# Mutants that change nothing anybody can observe, each with its reason.
EQUIVALENT = {
    "objectives: advantages > 0 → advantages >= 0 in `tau = _by_sign(advantages > 0, config.sapo_temperature_pos,"
    " config.sapo_temperature_neg, ratio)`": "an advantage of 0 makes the term and its gradient 0 with either τ",
    "logprobs: 0.0 → 1.0 in `entropy = normaliser - (torch.softmax(logits, dim=1) * logits.nan_to_num(neginf=0.0))"
    ".sum(dim=1)`": "it replaces −∞, where the probability that it is multiplied by is 0",
}

COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.MatMult: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
TWINS = {
    "minimum": "maximum", "amin": "amax", "min": "max", "any": "all", "sum": "mean", "nansum": "sum",
    "nanmean": "mean",
}  # fmt: skip
TWINS |= {value: key for key, value in TWINS.items() if value not in TWINS and value != "mean"}
OMITTED = {"clamp", "detach", "nan_to_num", "masked_fill", "abs", "flip", "cumsum", "square", "sqrt", "round"}


@dataclass(frozen=True)
class Site:
    """A place in a syntax tree, and what to put there."""

    module: str
    line: int
    source: str
    before: str
    after: str
    holder: Any
    field: str
    index: int | None
    node: ast.AST

    @property
    def name(self) -> str:
        """Without its line number, so that an entry in EQUIVALENT outlives a change elsewhere in the file."""
        return f"{self.module}: {self.before} → {self.after} in `{self.source}`"

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        original = self._swap(self.node)
        try:
            yield
        finally:
            self._swap(original)

    def _swap(self, node: ast.AST) -> ast.AST:
        values = getattr(self.holder, self.field)
        if self.index is None:
            setattr(self.holder, self.field, node)
            return values  # type: ignore[no-any-return]
        original = values[self.index]
        values[self.index] = node
        return original  # type: ignore[no-any-return]


def sites(module: str) -> tuple[ast.Module, list[Site]]:
    """The tree of a module and all its mutants, in the order of lines."""
    source = (SOURCES / f"{module}.py").read_text()
    tree, lines = ast.parse(source), source.splitlines()
    changes = [(*place, new) for place in _expressions(tree) for new in replacements(place[-1])]
    found = [
        Site(module, node.lineno, lines[node.lineno - 1].strip(), _text(node), _text(new), holder, field, index, new)
        for holder, field, index, node, new in [*changes, *_conditions_negated(tree)]
    ]
    return tree, sorted(found, key=lambda site: site.line)


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


def _expressions(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.expr]]:
    """(holder, field, index, expression) of all expressions but annotations, docstrings and f-strings of messages."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "bases") or isinstance(node, ast.Raise):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or (isinstance(node, ast.Expr) and isinstance(child, ast.Constant)):
                continue
            if isinstance(child, ast.expr):
                yield node, field, index, child
            if field != "decorator_list":
                yield from _expressions(child)


def replacements(node: ast.expr) -> Iterator[ast.expr]:
    """What an expression may become."""
    if isinstance(node, ast.Compare):
        yield from _comparisons(node)
    elif isinstance(node, ast.BinOp):
        yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
        yield from (node.left, node.right)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for left_out in node.values:
            kept = [value for value in node.values if value is not left_out]
            yield kept[0] if len(kept) == 1 else ast.BoolOp(node.op, kept)
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.Constant):
        yield from (ast.Constant(value) for value in _constants(node.value))
    elif isinstance(node, ast.Call):
        yield from _calls(node)


def _comparisons(node: ast.Compare) -> Iterator[ast.expr]:
    for place, operator in enumerate(node.ops):
        for other in COMPARISONS[type(operator)]:
            yield ast.Compare(node.left, [*node.ops[:place], other(), *node.ops[place + 1 :]], node.comparators)


def _constants(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [value * 1.1, -value] if value else [1.0]
    return []


def _calls(node: ast.Call) -> Iterator[ast.expr]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in TWINS:
        twin: ast.expr = ast.Name(TWINS[name], ast.Load())
        if isinstance(node.func, ast.Attribute):
            twin = ast.Attribute(node.func.value, TWINS[name], ast.Load())
        yield ast.Call(twin, node.args, node.keywords)
    if name == "clamp" and len(node.keywords) == 1:
        other = {"min": "max", "max": "min"}[str(node.keywords[0].arg)]
        yield ast.Call(node.func, node.args, [ast.keyword(other, node.keywords[0].value)])
    if name in OMITTED:
        yield node.func.value if isinstance(node.func, ast.Attribute) else node.args[0]
    if name == "where":
        yield from node.args[1:]
    if name == "no_grad":
        yield ast.Call(ast.Attribute(ast.Name("torch", ast.Load()), "enable_grad", ast.Load()), [], [])


def _conditions_negated(tree: ast.Module) -> Iterator[tuple[ast.AST, str, None, ast.expr, ast.expr]]:
    """`if` with its condition turned round, where that is no comparison, which has a twin of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and not isinstance(node.test, ast.Compare):
            yield node, "test", None, node.test, ast.UnaryOp(ast.Not(), node.test)


class Mutant(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the mutated module in place of the file."""

    def __init__(self, name: str, code: Any) -> None:
        self.name, self.code, self.loaded = name, code, False

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.name else None

    def exec_module(self, module: Any) -> None:
        self.loaded = True
        exec(self.code, module.__dict__)


def passes(arguments: list[str]) -> bool:
    quiet = [
        "-x",
        "-q",
        "--no-header",
        "--tb=no",
        "--assert=plain",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:unraisableexception",
    ]
    return pytest.main([*quiet, *arguments]) == pytest.ExitCode.OK


def survives(module: str, code: Any) -> bool:
    """Run in a process of its own: whether all tests pass on this module. Its own tests come first."""
    mutant = Mutant(f"engine.grpo.{module}", code)
    sys.meta_path.insert(0, mutant)
    own = ROOT / f"tests/unit/grpo/test_{module}.py"
    passed = (not own.exists() or passes([str(own)])) and passes(TESTS)
    if passed and not mutant.loaded:
        os._exit(3)
    return passed


def start(module: str, tree: ast.Module) -> int:
    """The process that tries what the tree now says. 0: it survives."""
    if pid := os.fork():
        return pid
    signal.alarm(TIME_LIMIT_S)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        code = compile(ast.fix_missing_locations(tree), f"{module}.py", "exec")
        os._exit(0 if survives(module, code) else 1)
    except BaseException:
        os._exit(1)


def import_what_is_heavy() -> None:
    """Everything the tests import, without the modules under test and those that hold on to them."""
    for path in sorted((ROOT / "tests/reference").glob("test_*.py")):
        importlib.import_module(f"tests.reference.{path.stem}")
    for name in [name for name in sys.modules if name.startswith(("engine.grpo", "engine.train", "tests."))]:
        del sys.modules[name]
    import engine

    for name in ("grpo", "train"):
        delattr(engine, name)


def check_that_the_tests_pass_unchanged(module: str) -> None:
    _, status = os.waitpid(start(module, sites(module)[0]), 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"The tests fail on {module} as it is. Mend that first.")


def run(jobs: int, modules: list[str]) -> tuple[int, list[str]]:
    """How many mutants there were, and the names of those that survived."""
    running: dict[int, str] = {}
    survivors: list[str] = []

    def collect() -> None:
        pid, status = os.wait()
        name, code = running.pop(pid), os.waitstatus_to_exitcode(status)
        if code == 3:
            sys.exit(f"{name}: the mutant was never imported")
        if code == -signal.SIGALRM:
            print(f"out of time, taken as noticed  {name}", flush=True)
        if code == 0:
            survivors.append(name)
            print(f"survives  {name}", flush=True)

    count = 0
    for module in modules:
        tree, found = sites(module)
        for site in found:
            if len(running) >= jobs:
                collect()
            with site.in_place():
                running[start(module, tree)] = site.name
            count += 1
    while running:
        collect()
    return count, survivors


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutants of engine/grpo that no test notices.")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("modules", nargs="*", help="such as masks; all of engine/grpo without")
    options = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    torch.set_num_threads(1)
    names = options.modules or sorted(path.stem for path in SOURCES.glob("*.py") if path.stem != "__init__")
    import_what_is_heavy()
    gc.collect()
    gc.freeze()  # pytest collects garbage at its end, which then need not look at all of torch
    check_that_the_tests_pass_unchanged(names[0])
    began = time.monotonic()
    count, survivors = run(options.jobs, names)
    unexpected = [name for name in survivors if name not in EQUIVALENT]
    stale = [name for name in EQUIVALENT if name.split(":")[0] in names and name not in survivors]
    print(f"{count} mutants, {len(survivors)} survive, {len(unexpected)} unexpected; {time.monotonic() - began:.0f} s")
    for name in stale:
        print(f"in EQUIVALENT, but noticed or gone: {name}")
    return 1 if unexpected or stale else 0


if __name__ == "__main__":
    sys.exit(main())
