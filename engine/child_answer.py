"""One question to a child process, one answer: for work that may hang, or load what its caller must not.

The child reads the question from standard input and writes the answer to standard output. It can be ended at any time,
with all that it started, such as a conversion.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.child_environment import child_environment

LAST_WORDS = 300  # characters of the last line that a child wrote to standard error


@dataclass(frozen=True)
class ChildAnswer:
    """`output` is the answer as far as there is one. `exit_code` None: the child took too long and was ended."""

    output: str
    last_words: str
    exit_code: int | None

    @property
    def in_time(self) -> bool:
        return self.exit_code is not None


def ask_child(module: str, question: str, *, timeout_s: float, cwd: Path | None = None) -> ChildAnswer:
    """Run `python -m module` with this question. Relative paths begin at `cwd`, or where this process works."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=child_environment(), start_new_session=True, cwd=cwd,
    ) as child:  # fmt: skip
        try:
            output, errors = child.communicate(question.encode("utf-8", "surrogatepass"), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return ChildAnswer("", "", None)
        finally:
            if child.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
    return ChildAnswer(output.decode(errors="replace"), last_line(errors), child.returncode)


def last_line(errors: bytes) -> str:
    """The last line that a child wrote to standard error: of a traceback, what went wrong."""
    return errors.decode(errors="replace").strip().rpartition("\n")[2][:LAST_WORDS]
