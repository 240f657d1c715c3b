"""Every error a user may meet, as one tree: what happened, where, which value, and what to do next.

LabError
├── ConfigError       a run's settings do not fit together, or a value is out of bounds
├── DatasetError      a file, row or column of the data cannot be used
├── ModelError        a model or tokenizer cannot be loaded
├── RewardError       a reward function breaks the calling convention
├── StoreError        run.db is missing, from another version, or damaged
├── CheckpointError   a checkpoint is missing or does not verify
├── RunBusyError      another engine process holds the run
└── RunNotFoundError  no run of that name
"""

from dataclasses import dataclass

MAX_PROBLEMS = 50  # of one configuration: a page shows each of them


def printable(text: str) -> str:
    """The text with control characters written as escapes: what a file or a name holds must not steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


class LabError(Exception):
    """Base of every error whose text is meant for the user.

    `message` says what happened and where; `hint` says what to do next; `field` is the setting to change, such as
    "data.answer_column", where there is one.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", field: str = "") -> None:
        self.message = printable(message)
        self.hint = printable(hint)
        super().__init__(self.message)
        self.field = field

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration: `field` is its dotted path, such as "rollout.num_generations"."""

    field: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return printable(f"{self.field}: {self.message} {self.hint}".rstrip())


class ConfigError(LabError):
    """All problems of a configuration, reported together; of very many the first, and a count."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        rest = len(problems) - MAX_PROBLEMS
        more = [Problem("config", f"has {rest:,} more problems.", "Correct these first.")] if rest > 0 else []
        self.problems = problems[:MAX_PROBLEMS] + more
        super().__init__("\n".join(str(problem) for problem in problems))


class DatasetError(LabError):
    """A file, row or column of the data cannot be used."""

    exit_code = 3


class ModelError(LabError):
    """A model or tokenizer cannot be loaded."""

    exit_code = 4


class RewardError(LabError):
    """A reward function breaks the calling convention."""

    exit_code = 5


class StoreError(LabError):
    """run.db is missing, from another version, or damaged."""

    exit_code = 6


class CheckpointError(LabError):
    """A checkpoint is missing or does not verify."""

    exit_code = 7


class RunBusyError(LabError):
    """Another engine process holds the run."""

    exit_code = 75  # EX_TEMPFAIL: the same command may work later


class RunNotFoundError(LabError):
    """No run of that name."""

    exit_code = 8
