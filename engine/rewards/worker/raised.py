"""What reward code raised: one line that names the place in the user's file, and the traceback from there on."""

import traceback
from dataclasses import dataclass

MAX_REASON = 400
MAX_TRACEBACK = 4000


class Raised(Exception):
    """Raised by the worker itself about reward code; its text is the whole reason."""


@dataclass(frozen=True)
class RaisedWords:
    reason: str
    traceback: str = ""


def place(text: str) -> str:
    """What two errors of one kind at one place have in common: the traceback without its last line, the message."""
    return text.rstrip().rpartition("\n")[0] or text


def raised_by(error: BaseException, shown: str) -> RaisedWords:
    """`shown` is the name of the user's file, as tracebacks have it. Never raises, whatever the error does."""
    if isinstance(error, Raised):
        return RaisedWords(str(error)[:MAX_REASON])
    name = type(error).__name__
    try:
        text = str(error)[:MAX_REASON]
    except BaseException:  # an error may say itself whatever it likes
        text = ""
    try:
        frames = traceback.extract_tb(error.__traceback__)
        own = next((at for at, frame in enumerate(frames) if frame.filename == shown), len(frames) - 1)
        line = next((frame.lineno for frame in reversed(frames) if frame.filename == shown), None)
        if isinstance(error, SyntaxError) and error.filename == shown:
            line, text = error.lineno, error.msg
        lines = ["Traceback (most recent call last):\n", *traceback.StackSummary.from_list(frames[own:]).format()]
        lines += traceback.format_exception_only(error)
        written = "".join(lines)[:MAX_TRACEBACK]
    except BaseException:
        line, written = None, ""
    where = f" ({shown}, line {line})" if line else f" ({shown})"
    return RaisedWords(f"raised {name}{': ' if text else ''}{text}{where}", written)
