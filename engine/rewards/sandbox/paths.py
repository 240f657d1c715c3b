"""Which files of this machine a confined Python sees: its interpreter, its standard library, the libraries it loads."""

import os
import sys
from functools import cache
from pathlib import Path

INSIDE = Path(__file__).parent / "inside"


@cache
def interpreter() -> str:
    """The Python that made the virtual environment, without the environment's packages."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


@cache
def python_paths() -> tuple[str, ...]:
    """What is bound into the new root, read-only. Links of the root directory such as /lib stay links."""
    libraries = {f"{prefix}/{lib}" for prefix in (sys.base_prefix, "/usr", "/usr/local") for lib in ("lib", "lib64")}
    wanted = {*libraries, "/lib", "/lib64", "/etc/ld.so.cache", interpreter()}
    return tuple(sorted(path for path in map(_one_name, wanted) if os.path.exists(path)))


def _one_name(path: str) -> str:
    """The path itself in the root directory, where links are kept; else with links followed."""
    return path if path.count("/") == 1 else os.path.realpath(path)
