"""What a reward file is said to hold. Each is loaded in a child."""

from pathlib import Path

from engine.rewards.worker.client import FileInfo, Limits, describe_file

FILES = Path(__file__).parents[3] / "reward_files"
ALL_KINDS = '''
"""Not a reward."""
import functools, re, socket
from os.path import join

def plain(completion, answer):
    """First line.

    More."""

async def slow(completions, **kwargs): ...

class Judge:
    def __call__(self, completions, level, **kwargs): ...

class NeedsAnArgument:
    def __init__(self, model): ...
    def __call__(self, completions): ...

class NotCallable: ...

judge = Judge()
strict = functools.partial(plain, answer="4")
def _private(completion): ...
def helper(a, b): eval(a)
constant = 3
'''


def describe(folder: Path, source: str) -> FileInfo:
    (folder / "mine.py").write_text(source)
    return describe_file(folder / "mine.py", limits=Limits(start_s=20))


def test_callables_are_functions_objects_partials_and_classes_without_arguments(tmp_path: Path) -> None:
    info = describe(tmp_path, ALL_KINDS)
    assert {one.name: one.convention for one in info.callables} == {
        "plain": "single", "slow": "trl", "Judge": "trl", "judge": "trl", "strict": "single", "helper": None,
    }  # fmt: skip
    found = {one.name: one for one in info.callables}
    assert found["plain"].doc == "First line." and found["plain"].signature == "(completion, answer)"
    assert found["slow"].is_async and not found["plain"].is_async
    assert found["judge"].columns == ("level",)
    assert info.chosen == "" and info.problem == ""
    assert info.warnings == ("line 3: uses the network (socket)", "line 25: uses eval")


def test_one_batch_function_among_helpers_is_chosen() -> None:
    info = describe_file(FILES / "verl_style.py")
    assert {one.name: one.convention for one in info.callables} == {
        "extract_solution": "single",
        "compute_score": "verl",
    }
    assert info.chosen == "compute_score"


def test_of_several_none_is_chosen() -> None:
    info = describe_file(FILES / "trl_style.py")
    assert [one.name for one in info.callables] == ["format_reward_func", "accuracy_reward", "length_reward"]
    assert all(one.convention == "trl" for one in info.callables) and info.chosen == "" and info.problem == ""
    assert info.callables[1].columns == ("answer",)


def test_a_syntax_error_has_its_line(tmp_path: Path) -> None:
    info = describe(tmp_path, "x = 1\ndef reward(:\n")
    assert (info.problem, info.line) == ("mine.py cannot be read: invalid syntax (line 2).", 2)


def test_an_error_on_loading_has_its_line_and_traceback(tmp_path: Path) -> None:
    info = describe(tmp_path, "print('hello')\nimport nothing_of_this_name\n")
    assert info.line == 2 and "ModuleNotFoundError" in info.problem and info.output == "hello\n"
    assert info.traceback.startswith('Traceback (most recent call last):\n  File "mine.py", line 2, in <module>')


def test_what_ends_the_child_is_a_problem_and_no_more(tmp_path: Path) -> None:
    assert describe(tmp_path, "import os; os._exit(5)\n").problem == (
        "mine.py cannot be loaded: it ended its process with exit code 5."
    )
    assert describe_file(tmp_path / "none.py").problem.endswith("Choose a Python file of at most 1 MB.")
    assert describe(tmp_path, "x = 1\n").problem.startswith(
        "mine.py has no function that can be a reward. Write one with"
    )
