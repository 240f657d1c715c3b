"""The reward python_tests: code that the model wrote, judged by the unit tests of its dataset row, in sandboxes.

Shapes of a row that are understood: HumanEval's (`test` with check(candidate), `entry_point`), MBPP's (`test_list`, a
list of assertions, with `test_imports` and `test_setup_code`), a column of plain assertions, and pairs of standard
input and output.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from engine.config_section import Section, knob
from engine.rewards.extract import stated_answer
from engine.rewards.info import Example, RewardInfo
from engine.rewards.protocol import MISSING, Completion, Missing, RewardFunction, completion_text
from engine.rewards.sandbox import Sandbox, SandboxFailed, SandboxUnavailable, choose_sandbox
from engine.rewards.sandbox.choose import why_unavailable
from engine.rewards.sandbox.judge.relay import BrokenTests, Judgement, judge_calls, judge_programs

_MIB = 1 << 20
_MAX_CODE = 200_000  # characters; longer text is not the answer to any of these problems
_MAX_TESTS = 100  # pairs of input and output in one row
_FENCE = re.compile(r"^[ \t]*```[ \t]*(?:python[0-9.]*|py)?[ \t]*\n(.*?)(?:^[ \t]*```|\Z)", re.M | re.S | re.I)


class PythonTestsParams(Section):
    tests_column: str = knob(
        "test",
        "Dataset column with the tests: HumanEval has test, MBPP has test_list.",
        label="Tests column",
        min_length=1,
        max_length=200,
    )
    tests: Literal["asserts", "stdin_stdout"] = knob(
        "asserts",
        "What the tests are.",
        label="Tests",
        words={
            "asserts": "Python assertions about a function",
            "stdin_stdout": "JSON pairs of standard input and output of a program",
        },
    )
    code_in: Literal["whole", "fence", "tag"] = knob(
        "fence",
        "Where the code is in the completion.",
        label="Code is",
        words={
            "whole": "the whole completion",
            "fence": "in the last ``` block",
            "tag": "in the last <answer> tag",
        },
    )
    prompt_prefix: bool = knob(
        False,
        "Put the prompt before the code, for datasets whose prompt is the beginning of a function, as in HumanEval.",
        label="Code continues the prompt",
    )
    credit: Literal["all", "fraction"] = knob(
        "all",
        "What passing some of the tests is worth.",
        label="Credit",
        words={"all": "nothing: all tests have to pass", "fraction": "the share of tests that pass"},
    )
    timeout_s: float = knob(5.0, "Time that the model's code has for each test.", label="Time", unit="s", ge=0.1, le=60)
    memory_mb: int = knob(512, "Memory that the model's code has.", label="Memory", unit="MB", ge=128, le=8192)
    workers: int = knob(
        2, "How many completions are tested at the same time.", label="At once", ge=1, le=64, advanced=True
    )


def python_tests(params: PythonTestsParams, choose: Callable[[], Sandbox] = choose_sandbox) -> RewardFunction:
    """1 when the code passes its tests, or the share that it passes; else 0.

    Missing for a row whose tests cannot be run, and when there is no sandbox or it fails; never because of what the
    model's code does.
    """

    def reward(
        *,
        completions: Sequence[Completion],
        prompts: Sequence[Completion] = (),
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        reasons: list[str | None]
        try:
            sandbox = choose()
        except SandboxUnavailable as error:
            values: list[float | None] = [None] * len(completions)
            reasons = [str(error)] * len(completions)
        else:

            def one(index: int) -> tuple[float | None, str | None]:
                row = {name: column[index] for name, column in columns.items() if _is_column(column, len(completions))}
                prompt = _last_message(prompts[index]) if index < len(prompts) else ""
                return _value(params, sandbox, completion_text(completions[index]), prompt, row)

            with ThreadPoolExecutor(params.workers) as pool:
                pairs = list(pool.map(one, range(len(completions))))
            values, reasons = [value for value, _ in pairs], [reason for _, reason in pairs]
        if log_extra is not None:
            log_extra(MISSING, reasons)
        return values

    return reward


def code_of(params: PythonTestsParams, completion: str) -> str | None:
    """The code that the completion states; None when there is none where it is looked for."""
    if params.code_in == "whole":
        return completion
    if params.code_in == "tag":
        inside = stated_answer(completion, "tag")
        return inside if inside is None or "```" not in inside else _last_fence(inside)
    return _last_fence(completion)


def judge(
    params: PythonTestsParams, sandbox: Sandbox, completion: str, prompt: str, row: Mapping[str, Any]
) -> Judgement:
    """How many of the row's tests the completion's code passes. Raises Missing for a row without usable tests."""
    tests = row.get(params.tests_column)
    if tests is None or tests == "":
        raise Missing(f"this row has no tests in column '{params.tests_column}'")
    pairs = _pairs(tests) if params.tests == "stdin_stdout" else None
    wanted = _assertions(params, tests, prompt, row) if pairs is None else None
    code = code_of(params, completion)
    if code is None:
        return Judgement(0, 1, "the completion has no code where it should be")
    if len(code) > _MAX_CODE:
        return Judgement(0, 1, f"its code is longer than {_MAX_CODE:,} characters")
    if params.prompt_prefix:
        code = f"{prompt}{code}" if _continues(code) else f"{prompt}\n\n{code}"
    memory = params.memory_mb * _MIB
    if pairs is None:
        assert wanted is not None
        return judge_calls(sandbox, code, wanted, timeout_s=params.timeout_s, memory_bytes=memory)
    stop = params.credit == "all"
    return judge_programs(sandbox, code, pairs, timeout_s=params.timeout_s, memory_bytes=memory, stop_at_failure=stop)


def _value(
    params: PythonTestsParams, sandbox: Sandbox, completion: str, prompt: str, row: Mapping[str, Any]
) -> tuple[float | None, str | None]:
    """(value, None), or (None, why it is missing)."""
    try:
        result = judge(params, sandbox, completion, prompt, row)
    except Missing as error:
        return None, str(error)
    except BrokenTests as error:
        return None, f"the tests of this row cannot be used: {error}"
    except SandboxFailed as error:
        return None, str(error)
    if params.credit == "all":
        return float(result.passed == result.total), None
    return result.passed / result.total, None


def _assertions(params: PythonTestsParams, tests: Any, prompt: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """What tests_program.py reads."""
    entry = row.get("entry_point")
    names = [entry] if isinstance(entry, str) and entry.isidentifier() else None
    tests = _from_json(tests)
    if isinstance(tests, str):
        source = tests
    elif isinstance(tests, Sequence) and tests and all(isinstance(test, str) for test in tests):
        source = "\n".join([*_texts(row.get("test_imports")), *_texts(row.get("test_setup_code")), *tests])
    else:
        raise Missing(f"column '{params.tests_column}' holds neither a text nor a list of texts")
    check = bool(re.search(r"^def check\(", source, re.M))
    if check and names is None:
        raise Missing("the tests define check(candidate), and column 'entry_point' does not name the function")
    return {"tests": source, "context": prompt, "names": names, "check": check, "all": params.credit == "all"}


def _pairs(tests: Any) -> list[tuple[str, str]]:
    """(standard input, standard output) from [{"input", "output"}, …] or {"inputs": […], "outputs": […]}."""
    data = _from_json(tests)
    if isinstance(data, Mapping) and _are_lists(data.get("inputs"), data.get("outputs")):
        found = list(zip(data["inputs"], data["outputs"], strict=True))
    elif isinstance(data, Sequence) and not isinstance(data, str) and all(isinstance(case, Mapping) for case in data):
        found = [(case.get("input"), case.get("output")) for case in data]
    else:
        raise Missing(
            'the tests are not JSON of the form [{"input": …, "output": …}] or {"inputs": […], "outputs": […]}'
        )
    pairs = [(_joined(given), _joined(wanted)) for given, wanted in found]
    if not 1 <= len(pairs) <= _MAX_TESTS:
        raise Missing(f"the row has {len(pairs)} pairs of input and output; 1 to {_MAX_TESTS} can be used")
    texts = [(given, wanted) for given, wanted in pairs if given is not None and wanted is not None]
    if len(texts) < len(pairs):
        raise Missing("an input or output of the tests is not a text")
    return texts


def _joined(value: Any) -> str | None:
    """A text, or a list of lines."""
    if isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return value if isinstance(value, str) else None


def _are_lists(inputs: Any, outputs: Any) -> bool:
    return isinstance(inputs, list) and isinstance(outputs, list) and len(inputs) == len(outputs)


def _from_json(value: Any) -> Any:
    """What a text that looks like JSON says; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _texts(value: Any) -> list[str]:
    value = _from_json(value)
    return [value] if isinstance(value, str) else [text for text in value or () if isinstance(text, str)]


def _last_fence(text: str) -> str | None:
    """The inside of the last ``` block of Python or of no named language; to the end where it is not closed."""
    blocks = [match[1] for match in _FENCE.finditer(text)]
    return blocks[-1] if blocks else None


def _continues(code: str) -> bool:
    """Whether it goes on with the prompt's last line: it is indented, or begins in the middle of one."""
    return code[:1] in (" ", "\t", "\n", "")


def _last_message(prompt: Completion) -> str:
    if isinstance(prompt, str):
        return prompt
    users = [message for message in prompt if message.get("role") == "user"]
    return str((users or [{}])[-1].get("content") or "")


def _is_column(column: Any, length: int) -> bool:
    return isinstance(column, Sequence) and not isinstance(column, str) and len(column) == length


_ROW = {"test": ["assert add(2, 3) == 5", "assert add(-1, 1) == 0"]}
INFOS = (
    RewardInfo(
        "python_tests",
        "Python unit tests",
        "1 when the code in the completion passes the unit tests of its row, else 0.",
        "task",
        PythonTestsParams,
        python_tests,
        needs_answer=False,
        parse=lambda params, text: code_of(params, text),
        tries_machine=True,
        unavailable=why_unavailable,
        explanation=(
            "The code is taken from where the setting says and run in a sandbox; the tests of the row run in another, "
            "and only plain values cross between them, so nothing but a right result can pass. Tests are assertions "
            "(HumanEval: column test with entry_point; MBPP: column test_list) or pairs of standard input and output. "
            "A wrong value, an error, a crash or no end in time is 0. A row whose tests cannot be used, and a sandbox "
            "that fails, give a missing value with the reason. The code can use Python's standard library and cannot "
            "start processes."
        ),
        examples=(
            Example("```python\ndef add(a, b):\n    return a + b\n```", 1.0, columns=_ROW),
            Example("```python\ndef add(a, b):\n    return 5\n```", 0.0, columns=_ROW),
            Example("```python\ndef add(a, b):\n    return 5\n```", 0.5, params={"credit": "fraction"}, columns=_ROW),
            Example("```python\nimport sys\nsys.exit(0)\n```", 0.0, columns=_ROW),
        ),
    ),
)
