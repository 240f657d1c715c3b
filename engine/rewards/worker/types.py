"""What is said about a worker and its calls: what to run, within which limits, and what came of it. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Convention = Literal["trl", "verl", "single"]


BETWEEN = "\n\n"  # the tracebacks of one call


@dataclass(frozen=True)
class FileTarget:
    """A function of the user's file. `function` "": the only one; `sha256` "": whatever the file holds now.

    `shown` is what messages call the file, for a copy under another name. `convention` None: from the signature.
    """

    path: Path
    function: str = ""
    sha256: str = ""
    shown: str = ""
    convention: Convention | None = None


@dataclass(frozen=True)
class LibraryTarget:
    """A reward of the library with its settings, called for one completion after another."""

    function: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DescribeTarget:
    """A file that is only looked at."""

    path: Path
    shown: str


Target = FileTarget | LibraryTarget


@dataclass(frozen=True)
class Limits:
    """`timeout_s`: of one completion where the function takes one at a time, else of one batch. `start_s`: to load it.

    `output_bytes`: how much of what it prints is kept for each call; the rest is read and dropped.
    """

    timeout_s: float = 30.0
    start_s: float = 60.0
    memory_mb: int = 4096
    output_bytes: int = 4096
    open_files: int = 256
    processes: int = 256
    file_mb: int = 64


@dataclass(frozen=True)
class CallResult:
    """What one call brought, for each of its B completions.

    `values` has None where there is none; `reasons` says why, where that is known; `failed` is True where it was not
    meant: a None that the function returned is no failure. `extras` is what it gave to log_extra, lists of B entries,
    `metrics` what it gave to log_metric, `refused` why numbers of these names are not among them. `output` is the first
    part of what it printed, `traceback` its first different errors with BETWEEN between them.
    """

    values: list[float | None]
    reasons: list[str | None]
    failed: list[bool]
    extras: Mapping[str, list[Any]] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    output: str = ""
    traceback: str = ""


@dataclass(frozen=True)
class CallableInfo:
    """One callable of a reward file. `convention` None: none was recognised; `why` says how it was, or why not.

    `columns` are those of the data that it cannot do without, `optional` those that it takes where they are there.
    `reads_all`: it takes whatever columns there are. `completion` is the parameter that gets the completion, where it
    takes one at a time.
    """

    name: str
    signature: str
    convention: Convention | None
    why: str
    is_async: bool = False
    columns: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    reads_all: bool = False
    doc: str = ""
    completion: str = ""


@dataclass(frozen=True)
class FileInfo:
    """What a reward file holds. `problem` says why it cannot be used, with the line where there is one.

    `chosen` is the callable that an empty name means, "" when it must be named.
    """

    callables: tuple[CallableInfo, ...] = ()
    chosen: str = ""
    warnings: tuple[str, ...] = ()
    problem: str = ""
    line: int | None = None
    sha256: str = ""
    traceback: str = ""
    output: str = ""
