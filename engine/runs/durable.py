"""The one place that writes files so that they survive a crash or a power cut: complete, or as they were before; and
that reads small ones which anybody may have put there.

The recipe: write beside the target, fsync the data, rename, fsync the directory. A directory of files counts as
complete when its manifest.json, which is written last, names every file with its size and sha256.
"""

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.errors import CheckpointError, LabError

MANIFEST = "manifest.json"
BLOCK = 1 << 20


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn what the system says about a file (full, read-only, missing) into a LabError that names it."""
    try:
        yield
    except OSError as error:
        raise LabError(
            f"{error.filename or place}: {error.strerror or error}.", hint="The folder must be writable and have room."
        ) from error


def read_small_json(path: Path, limit: int) -> Any:
    """The content of a small JSON file; None when there is none, it is too large, no file, or no JSON."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
            return None
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def fsync_dir(path: Path) -> None:
    """Make the names in a directory durable."""
    _fsync(path, os.O_RDONLY | os.O_DIRECTORY)


def fsync_file(path: Path) -> None:
    """Make the content of a file durable."""
    _fsync(path, os.O_RDONLY)


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file by `data`: readers, and a crash at any moment, see the old bytes or the new ones, all of them."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_dir(path.parent)


def commit_directory(temp_dir: Path, final_dir: Path) -> None:
    """Turn a finished temporary directory into `final_dir`, durably and at once.

    Writes manifest.json into it: {"files": {name: {"size": bytes, "sha256": hex}}}. Both directories must be on one
    file system. Raises CheckpointError if `final_dir` exists.
    """
    if final_dir.exists():
        raise CheckpointError(f"{final_dir} exists already.", hint="Remove it first, if it is not wanted.")
    files = {}
    for path in _files(temp_dir):
        fsync_file(path)
        files[path.relative_to(temp_dir).as_posix()] = {"size": path.stat().st_size, "sha256": _sha256(path)}
    for directory in (path for path in temp_dir.rglob("*") if path.is_dir()):
        fsync_dir(directory)
    write_atomic(temp_dir / MANIFEST, (json.dumps({"files": files}, indent=2) + "\n").encode())
    os.rename(temp_dir, final_dir)
    fsync_dir(final_dir.parent)


def verify_directory(path: Path) -> dict[str, Any]:
    """The manifest of a committed directory, after every file was compared with it.

    Raises CheckpointError that names the file which is missing, added, cut or changed.
    """
    manifest = _manifest(path)
    files: dict[str, Any] = manifest["files"]
    present = {file.relative_to(path).as_posix() for file in _files(path)} - {MANIFEST}
    for name in sorted(present - files.keys()):
        raise _broken(path / name, "is not in the manifest")
    for name, entry in files.items():
        if name not in present:
            raise _broken(path / name, "is missing")
        size = (path / name).stat().st_size
        if size != entry["size"]:
            raise _broken(path / name, f"has {size} bytes, its manifest says {entry['size']}")
        if _sha256(path / name) != entry["sha256"]:
            raise _broken(path / name, "does not have the content that its manifest names")
    return manifest


def numbered(parent: Path, prefix: str) -> list[Path]:
    """What is called `prefix` and a number, in order of the number. A copy beside them, step-000050-best, is not."""
    names = [entry.name for entry in os.scandir(parent)] if parent.is_dir() else []
    numbers = {name: name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    ours = {int(number): name for name, number in numbers.items() if number.isascii() and number.isdigit()}
    return [parent / ours[number] for number in sorted(ours)]


def newest_valid(parent: Path, prefix: str) -> tuple[Path | None, list[str]]:
    """The last directory of `numbered` that verifies, and one message for each newer one that does not."""
    problems: list[str] = []
    for path in reversed(numbered(parent, prefix)):
        try:
            verify_directory(path)
        except (CheckpointError, OSError) as error:
            problems.append(str(error))
        else:
            return path, problems
    return None, problems


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        entries = manifest["files"].values()
        well_formed = all(isinstance(e["size"], int) and isinstance(e["sha256"], str) for e in entries)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _broken(path / MANIFEST, f"cannot be read ({type(error).__name__}: {error})") from error
    if not well_formed:
        raise _broken(path / MANIFEST, "does not list sizes and checksums")
    return dict(manifest)


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in sorted(directory.rglob("*")) if path.is_file() or path.is_symlink())


def _broken(path: Path, what: str) -> CheckpointError:
    return CheckpointError(f"{path} {what}.", hint="An older checkpoint may be whole.")


def _sha256(path: Path) -> str:
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            sha.update(block)
    return sha.hexdigest()


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
