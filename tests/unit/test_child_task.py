"""A child that says how far it is, can be ended, and whose end without an answer is a sentence."""

from pathlib import Path

import pytest

from engine.child_task import ChildTask, Progress
from tests.waiting import wait_until

HEAD = "import time\nfrom engine.child_task import serve\n"
ANSWER = """def work(request, tell):
    print('noise')
    tell(1, 2, 'half')
    return request
serve(work)
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Starts a child with this program."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(program: str, timeout_s: float = 60.0) -> ChildTask[str]:
        (tmp_path / "the_child.py").write_text(HEAD + program)
        return ChildTask("the_child", "request", str.upper, lambda why: f"no: {why}", timeout_s=timeout_s)

    return make


def test_the_request_goes_in_and_the_answer_comes_out(start) -> None:  # type: ignore[no-untyped-def]
    task = start(ANSWER)
    assert task.result() == "REQUEST" and task.finished and task.progress == Progress(1, 2, "half")


def test_a_child_that_fails_says_its_last_words(start) -> None:  # type: ignore[no-untyped-def]
    assert start("raise ValueError('of this')\n").result() == "no: it ended with exit code 1: ValueError: of this"


def test_a_child_that_takes_too_long_is_ended(start) -> None:  # type: ignore[no-untyped-def]
    task = start("serve(lambda request, tell: time.sleep(600))\n", timeout_s=0.5)
    assert task.result() == "no: it took longer than 0.5 s"


def test_a_cancelled_child_is_gone_when_cancel_returns(start) -> None:  # type: ignore[no-untyped-def]
    task = start("serve(lambda request, tell: tell(1, 9, 'going') or time.sleep(600))\n")
    wait_until(lambda: task.progress.done == 1, "its first word")
    task.cancel()
    assert task.finished and task.result() == "no: it was cancelled" and task._child.poll() is not None
