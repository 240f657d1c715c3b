"""What a confined program may use, what came of it, and the errors of the sandbox itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.errors import LabError

MIB = 1 << 20
NOT_SET_UP = "The sandbox could not be set up"  # how a failure begins that this machine's settings may explain


@dataclass(frozen=True)
class Limits:
    """`wall_s`: seconds from the program's first line to its death. `memory_bytes`: address space, Python included.

    `scratch_bytes`: everything it writes to its one directory, which is in memory. `output_bytes`: of standard output
    and of standard error each. `threads`: with the first; there are no further processes.
    """

    wall_s: float = 10.0
    memory_bytes: int = 512 * MIB
    scratch_bytes: int = 16 * MIB
    output_bytes: int = MIB
    threads: int = 32
    open_files: int = 64


@dataclass(frozen=True)
class Outcome:
    """How a program ended. `exit_code`: 128 + n for signal n. `stopped`: which limit the engine ended it for."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    stopped: Literal["time", "output"] | None = None


class SandboxFailed(LabError):
    """The sandbox did not work: nothing can be said of the program that was to run in it."""

    exit_code = 9


class SandboxUnavailable(LabError):
    """No sandbox of this machine withstands its attack suite; `reasons` has a sentence for each that was tried."""

    exit_code = 9

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        lines = " ".join(f"{name}: {reason}" for name, reason in reasons.items())
        super().__init__(
            f"No sandbox works on this machine, so code that a model wrote is not run. {lines}",
            hint="docs/sandbox.md says what each needs; `python -m engine.rewards.sandbox` tries again.",
        )
