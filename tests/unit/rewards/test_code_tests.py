"""The reward that runs unit tests: which code it takes, what it credits, what is missing, and who cannot be fooled."""

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

from engine.rewards.code_tests import PythonTestsParams, code_of, python_tests
from engine.rewards.sandbox import Sandbox, SandboxFailed, SandboxUnavailable
from engine.rewards.sandbox.limits import Limits
from engine.rewards.sandbox.process import Confined
from tests.unit.rewards.sandbox.offered import offered

CHECK = """
def check(candidate):
    assert candidate([1, 2, 3]) == 6
    assert candidate([]) == 0
    assert candidate([2.5]) == 2.5, "one number"
    assert True, "says nothing"
"""
GOOD = "def total(numbers):\n    return sum(numbers)\n"
NO_FLOATS = "def total(numbers):\n    return int(sum(numbers))\n"


def choose() -> Sandbox:
    if not offered():
        raise SandboxUnavailable({"namespaces": "Not here."})
    return offered()[0]


def scored(completions: list[str], **columns: Any) -> tuple[list[float | None], list[str | None]]:
    """(values, None where missing, and reasons) of completions of one row; what is a setting is taken as one."""
    settings = {name: columns.pop(name) for name in list(columns) if name in PythonTestsParams.model_fields}
    params = PythonTestsParams(**{"code_in": "whole", "timeout_s": 1.0, **settings})
    rows = {name: [value] * len(completions) for name, value in columns.items()}
    extra: dict[str, list[Any]] = {}
    values = python_tests(params, choose)(
        completions=completions, completion_ids=[[1]] * len(completions), log_extra=extra.__setitem__, **rows
    )
    return [None if value is None or math.isnan(value) else value for value in values], extra["missing"]  # type: ignore[arg-type]


def same(found: tuple[list[float | None], list[str | None]], wanted: list[float]) -> bool:
    """Whether these are the values, or all are missing for want of a sandbox."""
    values, reasons = found
    return values == wanted if offered() else values == [None] * len(wanted) and "Not here." in str(reasons)


def test_all_tests_have_to_pass() -> None:
    assert same(scored([GOOD, NO_FLOATS, "", "def total("], test=CHECK, entry_point="total"), [1.0, 0.0, 0.0, 0.0])


def test_a_fraction_counts_every_assertion_but_those_that_say_nothing() -> None:
    found = scored([GOOD, NO_FLOATS, "def total(n): return 0"], test=CHECK, entry_point="total", credit="fraction")
    assert same(found, [1.0, 2 / 3, 1 / 3])


def test_a_call_that_ends_or_runs_out_of_time_fails_its_own_test_alone() -> None:
    tests = ["assert f(1) == 1", "assert f(2) == 2", "assert f(3) == 3", "assert f(4) == 4"]
    code = "import os\ndef f(x):\n    if x == 2: os._exit(0)\n    while x == 3: pass\n    return x\n"
    assert same(scored([code], tests_column="test_list", test_list=tests, credit="fraction", timeout_s=0.3), [0.5])


def test_mbpps_list_names_the_function_and_brings_its_imports() -> None:
    found = scored(
        ["def area(r): return 3.14159265 * r * r", "def area(r): return r"],
        tests_column="test_list", test_list=["assert math.isclose(area(2), 4 * math.pi, rel_tol=1e-6)"],
        test_imports=["import math"], test_setup_code="",
    )  # fmt: skip
    assert same(found, [1.0, 0.0])


def test_a_list_may_be_written_as_json() -> None:
    assert same(scored([GOOD], test=json.dumps(["assert total([1]) == 1"])), [1.0])


def test_helpers_of_the_prompt_are_the_datasets_not_the_models() -> None:
    """As in HumanEval/32, whose tests call a function that the prompt defines: redefining it changes nothing."""
    prompt = "def double(x):\n    return 2 * x\n\ndef half(x):\n    '''double(half(x)) == x'''\n"
    row = {"test": "def check(f):\n    assert double(f(6)) == 6\n", "entry_point": "half", "prompts": prompt}
    cheat = "    return 0\ndef double(x):\n    return 6\n"
    assert same(scored(["    return x / 2\n", cheat], prompt_prefix=True, **row), [1.0, 0.0])


def test_the_prompt_of_a_chat_is_its_last_question() -> None:
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "def one():\n"}]
    row = {"test": ["assert one() == 1"], "prompts": prompt}
    assert same(scored(["    return 1\n", "def one():\n    return 1\n"], prompt_prefix=True, **row), [1.0, 0.0])


def test_the_function_under_test_is_the_models_where_the_prompt_has_a_stub_of_it() -> None:
    row = {"test": ["assert one() == 1"], "entry_point": "one", "prompts": "def one():\n    '''One.'''\n"}
    assert same(scored(["    return 1\n", "    return 2\n"], prompt_prefix=True, **row), [1.0, 0.0])


def test_an_exception_that_a_test_expects_is_a_result() -> None:
    test = """
def check(f):
    try:
        f(0)
    except ZeroDivisionError:
        raised = True
    else:
        raised = False
    assert raised
"""
    assert same(scored(["def f(x): return 1 / x", "def f(x): return 0"], test=test, entry_point="f"), [1.0, 0.0])


def test_running_out_of_time_is_no_exception_that_a_test_may_expect() -> None:
    test = "def check(f):\n    try:\n        f()\n    except Exception:\n        pass\n    assert f\n"
    found = scored(["def f():\n    while True: pass\n"], test=test, entry_point="f", timeout_s=0.2)
    assert same(found, [0.0])


def test_a_test_that_swallows_everything_does_not_pass_what_gave_no_result() -> None:
    test = "def check(f):\n    try:\n        f()\n    except:\n        pass\n    assert f\n"
    found = scored(["import os\ndef f(): os._exit(0)", "def f(): pass"], test=test, entry_point="f")
    assert same(found, [0.0, 1.0])


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ("def check(f):\n    assert f(1) ==\n", "SyntaxError"),
        ("import nothing_like_it\ndef check(f):\n    assert f(1)\n", "ModuleNotFoundError"),
        ("def check(f):\n    assert f(1) == undefined\n", "name 'undefined' is not defined"),
        ("def check(f):\n    assert 1 + 1 == 2\n", "never call the function under test"),
        ("def check(f):\n    assert f(object())\n", "passes a value of type object to f"),
        ("import os\nos._exit(0)\ndef check(f):\n    assert f(1)\n", "they end, or take very long"),
        ("def check(f):\n    1 / 0\n", "they fail before they call anything: ZeroDivisionError"),
    ],
)
def test_tests_that_cannot_judge_make_the_value_missing(test: str, reason: str) -> None:
    values, reasons = scored(["def f(x): return x", "def f(x): return 1"], test=test, entry_point="f")
    assert values == [None, None]
    assert all((reason if offered() else "Not here.") in str(text) for text in reasons)


def test_code_cannot_make_its_tests_look_broken() -> None:
    """A missing value costs a completion nothing: wrong code must not be able to get one instead of a 0."""
    test = "def check(f):\n    for item in f(3):\n        last = item\n    assert last == 2\n"
    results = ["[]", "(i for i in iter(int, 1))", "object()", "[" * 90 + "]" * 90, "'x' * 10_000_000", "10 ** 300_000"]
    errors = ["NameError('x', name='nothing')", "ImportError", "SyntaxError", "SystemExit"]
    codes = [*(f"def f(n): return {result}" for result in results), *(f"def f(n): raise {error}" for error in errors)]
    codes += ["raise SystemExit", "def f(", "while True: pass"]
    assert same(scored(codes, test=test, entry_point="f", timeout_s=0.2), [0.0] * len(codes))


def test_programs_are_judged_by_their_output_alone() -> None:
    cases = [{"input": "1 2\n", "output": "3"}, {"input": "5 5", "output": ["10", ""]}]
    good = "print(sum(map(int, input().split())), '')\nprint()"
    codes = [good, "print(3)", "print(3); raise SystemExit(1)", "while True: pass"]
    row = {"tests": "stdin_stdout", "test": json.dumps(cases), "timeout_s": 0.5}
    assert same(scored(codes[:3], **row), [1.0, 0.0, 0.0])
    assert same(scored(codes, credit="fraction", **row), [1.0, 0.5, 0.0, 0.0])


def test_pairs_may_be_two_lists() -> None:
    pairs = json.dumps({"inputs": ["a\n"], "outputs": ["A\n"]})
    assert same(scored(["print(input().upper())"], tests="stdin_stdout", test=pairs), [1.0])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "no tests in column 'test'"),
        ({"test": ""}, "no tests in column 'test'"),
        ({"test": 5}, "neither a text nor a list of texts"),
        ({"test": CHECK}, "column 'entry_point' does not name the function"),
        ({"test": "[1", "tests": "stdin_stdout"}, "the tests are not JSON"),
        ({"test": "[]", "tests": "stdin_stdout"}, "0 pairs"),
        ({"test": '[{"input": "1"}]', "tests": "stdin_stdout"}, "is not a text"),
    ],
)
def test_a_row_without_usable_tests_is_missing(row: dict[str, Any], reason: str) -> None:
    values, reasons = scored([GOOD], **row)
    assert values == [None] and (reason if offered() else "Not here.") in str(reasons)


class Broken:
    """A sandbox that cannot be set up."""

    name = "broken"

    def start(self, files: Mapping[str, str], limits: Limits) -> Confined:
        raise SandboxFailed("The sandbox could not be set up: no memory.")


def test_a_sandbox_that_fails_is_a_failure_and_a_row_without_tests_is_none() -> None:
    extra: dict[str, list[Any]] = {}
    reward = python_tests(PythonTestsParams(code_in="whole"), Broken)
    values = reward(completions=[GOOD, GOOD], test=["assert total([]) == 0", None], log_extra=extra.__setitem__)
    assert math.isnan(values[0]) and values[1] is None  # type: ignore[arg-type]
    assert extra["missing"] == ["The sandbox could not be set up: no memory.", "this row has no tests in column 'test'"]


def test_without_a_sandbox_every_value_fails_and_says_why() -> None:
    def none() -> Sandbox:
        raise SandboxUnavailable({"namespaces": "User namespaces are switched off."})

    extra: dict[str, list[Any]] = {}
    values = python_tests(PythonTestsParams(), none)(completions=[GOOD], test=[CHECK], log_extra=extra.__setitem__)
    assert math.isnan(values[0])  # type: ignore[arg-type]
    assert "User namespaces are switched off." in extra["missing"][0]


@pytest.mark.parametrize(
    ("code_in", "completion", "code"),
    [
        ("whole", "x = 1", "x = 1"),
        ("fence", "First\n```python\nx = 1\n```\nbetter\n```py\nx = 2\n```\nDone.", "x = 2\n"),
        ("fence", "```\nx = 1\n```\n```bash\nls\n```", "x = 1\n"),
        ("fence", "```python\nx = 1", "x = 1"),
        ("fence", "x = 1", None),
        ("tag", "<answer>x = 1</answer>", "x = 1"),
        ("tag", "<answer>\n```python\nx = 1\n```\n</answer>", "x = 1\n"),
        ("tag", "x = 1", None),
    ],
)
def test_code_is_looked_for_where_it_should_be(code_in: Any, completion: str, code: str | None) -> None:
    assert code_of(PythonTestsParams(code_in=code_in), completion) == code
