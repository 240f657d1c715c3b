"""Running a confined program: what goes in, what comes out, which limit ends it, and what a failing sandbox says."""

from collections.abc import Mapping

import pytest

from engine.rewards.sandbox import Confined, Limits, Outcome, SandboxFailed, run
from tests.unit.rewards.sandbox.offered import offered


def outcomes(program: str, stdin: bytes = b"", limits: Limits | None = None, **files: str) -> list[Outcome]:
    """What came of it in each sandbox that there is."""
    return [run(sandbox, {"main.py": program, **files}, stdin, limits) for sandbox in offered()]


def test_a_program_gets_its_input_and_gives_its_outputs_and_its_end() -> None:
    program = "import sys; print(sys.stdin.read().upper()); print('no', file=sys.stderr); sys.exit(3)"
    for outcome in outcomes(program, b"abc"):
        assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (3, b"ABC\n", b"no\n")
        assert outcome.stopped is None


def test_a_large_input_and_output_pass_at_the_same_time() -> None:
    text = b"0123456789" * 50_000  # more than the pipes hold
    program = "import sys\nfor line in sys.stdin: sys.stdout.write(line)"
    assert all(outcome.stdout == text for outcome in outcomes(program, text))


def test_a_program_that_does_not_read_its_input_ends_all_the_same() -> None:
    assert all(outcome.exit_code == 0 for outcome in outcomes("pass", b"x" * 1_000_000))


def test_a_program_sees_its_files_an_empty_environment_and_nothing_else_of_its_own() -> None:
    program = "import os, words; print(words.TEXT, sorted(os.environ), sorted(os.listdir()), os.getppid() < 2)"
    for outcome in outcomes(program, **{"words.py": "TEXT = 'é'"}):
        assert outcome.stdout.decode().startswith("é ['LC_CTYPE'")
        assert "['main.py', 'words.py'] True" in outcome.stdout.decode()


def test_time_ends_a_program() -> None:
    for outcome in outcomes("print('begun', flush=True)\nwhile True: pass", limits=Limits(wall_s=0.1)):
        assert (outcome.stopped, outcome.stdout) == ("time", b"begun\n")


def test_too_much_output_ends_a_program_and_the_beginning_is_kept() -> None:
    for outcome in outcomes("while True: print('x' * 99)", limits=Limits(output_bytes=1000)):
        assert outcome.stopped == "output" and len(outcome.stdout) == 1000


def test_memory_beyond_the_limit_is_an_error_in_the_program() -> None:
    for outcome in outcomes("bytearray(1 << 30)", limits=Limits(memory_bytes=256 << 20)):
        assert outcome.exit_code == 1 and outcome.stderr.endswith(b"MemoryError\n")


def test_a_crash_is_told_by_its_signal() -> None:
    assert all(outcome.exit_code == 128 + 11 for outcome in outcomes("import ctypes; ctypes.string_at(0)"))


def test_code_that_is_not_text_is_the_programs_fault() -> None:
    assert all(b"SyntaxError" in outcome.stderr for outcome in outcomes("x = '\ud800'"))


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["/bin/sh", "-c", "echo failed: enter: not permitted >/dev/fd/$1", "sh"], "failed: enter: not permitted"),
        (["/bin/sh", "-c", "echo the walls are wet >&2; exit 1", "sh"], "the walls are wet"),
        (["/bin/sh", "-c", "exit 1", "sh"], "it ended without a word"),
        (["/nowhere/python"], "No such file"),
    ],
)
def test_a_sandbox_that_cannot_be_set_up_says_why(command: list[str], reason: str) -> None:
    class Failing:
        name = "failing"

        def start(self, files: Mapping[str, str], limits: Limits) -> Confined:
            return Confined(lambda request, status, run_id: [*command, str(status)], files, limits)

    with pytest.raises(SandboxFailed, match=reason):
        run(Failing(), {"main.py": ""})
