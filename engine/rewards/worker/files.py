"""Reward files on disk: read within limits, saved without losing an earlier content, listed for the page.

A folder of them holds <name>.py, the newest content of each, and versions/<sha256[:16]>.py, every content there was.
"""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine.errors import RewardError
from engine.runs.durable import disk_errors, write_atomic

MAX_BYTES = 2**20
VERSIONS = "versions"
MAX_LISTED = 1000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,59}")


@dataclass(frozen=True)
class RewardFile:
    """One saved file; `changed_at` in seconds since 1970."""

    path: Path
    name: str
    sha256: str
    changed_at: float


def read_reward_file(path: Path) -> bytes:
    """Its bytes. Raises RewardError for what is no readable UTF-8 text of at most 1 MB: a folder, a pipe, a device."""
    hint = "Choose a Python file of at most 1 MB."
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe does not hold us up
    except OSError as error:
        raise RewardError(f"{path}: {error.strerror}.", hint=hint) from error
    except ValueError as error:
        raise RewardError(f"{str(path)!r} is no path: {error}.", hint=hint) from error
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise RewardError(f"{path} is {_kind(found.st_mode)}, not a file.", hint=hint)
        with open(fd, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RewardError(f"{path}: {error.strerror}.", hint=hint) from error
    finally:
        os.close(fd)
    if len(data) > MAX_BYTES:
        raise RewardError(f"{path} has {found.st_size:,} bytes.", hint=hint)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RewardError(f"{path} is not UTF-8 text (byte {error.start:,}).", hint=hint) from error
    return data


def save_reward_file(folder: Path, name: str, text: str) -> Path:
    """Save a file under this name, with or without ".py"; an earlier content of that name stays among the versions.

    Raises RewardError for a name that is none or a text that is too long, LabError when the disk refuses.
    """
    stem = name.removesuffix(".py")
    if not _NAME.fullmatch(stem):
        raise RewardError(
            f"{name[:80]!r} is no name for a reward file.", hint="Use letters, digits, - and _, at most 60 of them."
        )
    data = text.encode("utf-8", "replace")
    if len(data) > MAX_BYTES:
        raise RewardError(f"This text has {len(data):,} bytes.", hint="A reward file has at most 1 MB.")
    path = folder / f"{stem}.py"
    with disk_errors(folder):
        (folder / VERSIONS).mkdir(parents=True, exist_ok=True)
        if path.exists():
            keep_version(folder / VERSIONS, read_reward_file(path))
        keep_version(folder / VERSIONS, data)
        write_atomic(path, data)
    return path


def keep_version(folder: Path, data: bytes) -> Path:
    """The file of this content in `folder`, named by its hash; written if it is not there."""
    path = folder / version_name(hashlib.sha256(data).hexdigest())
    if not path.is_file() or path.read_bytes() != data:
        write_atomic(path, data)
    return path


def version_name(sha256: str) -> str:
    return f"{sha256[:16]}.py"


def list_reward_files(folder: Path) -> list[RewardFile]:
    """The saved files, newest first; what cannot be read, or has a name that is no text, is left out.

    Asked at every redraw of a page: a file is read again only when what the disk says of it has changed.
    """
    found = []
    paths = sorted(folder.glob("*.py"))[:MAX_LISTED] if folder.is_dir() else []
    for path in paths:
        try:
            path.name.encode()
            at = path.stat()
            sha256 = _sha256(path, at.st_ino, at.st_mtime_ns, at.st_ctime_ns, at.st_size)
            found.append(RewardFile(path, path.stem, sha256, at.st_mtime))
        except (RewardError, OSError, UnicodeEncodeError):
            continue
    return sorted(found, key=lambda file: (-file.changed_at, file.name))


@lru_cache(maxsize=4 * MAX_LISTED)
def _sha256(path: Path, inode: int, changed_ns: int, touched_ns: int, size_bytes: int) -> str:
    """Of its content. Beside the time and the size, the inode: a file saved twice within one tick is another one."""
    return hashlib.sha256(read_reward_file(path)).hexdigest()


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((word for test, word in kinds if test(mode)), "a device")
