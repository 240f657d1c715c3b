"""One question, one answer, and what is known of a child that gives none."""

from pathlib import Path

import pytest

from engine.child_answer import ChildAnswer, ask_child
from tests.waiting import wait_until


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Asks a child with this program."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def ask(program: str, question: str = "", timeout_s: float = 60.0) -> ChildAnswer:
        (tmp_path / "answering.py").write_text(program)
        return ask_child("answering", question, timeout_s=timeout_s, cwd=tmp_path)

    return ask


def test_the_question_goes_in_and_the_answer_comes_out(asked) -> None:  # type: ignore[no-untyped-def]
    program = "import sys\nsys.stdout.write(sys.stdin.read().upper())\n"
    assert asked(program, "höher") == ChildAnswer("HÖHER", "", 0)


def test_of_a_child_that_fails_the_last_words_are_known(asked) -> None:  # type: ignore[no-untyped-def]
    assert asked("raise ValueError('of this')\n") == ChildAnswer("", "ValueError: of this", 1)


def test_a_child_that_takes_too_long_is_ended_with_all_it_started(  # type: ignore[no-untyped-def]
    asked, tmp_path: Path
) -> None:
    program = "import os, time\nchild = os.fork()\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    answer = asked(program, timeout_s=1.0)
    assert not answer.in_time and answer.output == ""
    stat = Path(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    wait_until(lambda: is_gone(stat), "the end of the child's child")  # a killed process takes its moment to go


def is_gone(stat: Path) -> bool:
    """Whether a process has ended, waited for by its parent or not."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True
