"""The sandboxes that there are: namespaces of our own making, and bubblewrap. Both end in the same locks (inside/)."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Protocol

from engine.rewards.sandbox.limits import Limits, Outcome, SandboxFailed
from engine.rewards.sandbox.paths import INSIDE, interpreter, python_paths
from engine.rewards.sandbox.process import Confined

_START = "import sys; sys.path.insert(0, sys.argv[1]); from inside.start import main; main()"
_SCRATCH = "/scratch"  # as in inside/namespaces.py


class Sandbox(Protocol):
    """Runs programs that nobody has looked at.

    The program is the file main.py of `files` {name: text}, run by this machine's Python with its standard library.
    """

    name: str

    def start(self, files: Mapping[str, str], limits: Limits) -> Confined:
        """Begin it, to be talked to. Raises SandboxFailed."""
        ...


def run(sandbox: Sandbox, files: Mapping[str, str], stdin: bytes = b"", limits: Limits | None = None) -> Outcome:
    """Run a program to its end, or to the limit that ends it. Raises SandboxFailed when the sandbox does not work."""
    with sandbox.start(files, limits or Limits()) as confined:
        return confined.finish(stdin)


class Namespaces:
    """User, pid, network, mount, IPC and UTS namespaces of our own, made by a helper process.

    When the helper is told to end, or the thread that started it dies, it kills the program, which is the first process
    of its pid namespace: the kernel then ends whatever else is in there. If the helper is killed, so is the program.
    """

    name = "namespaces"

    def start(self, files: Mapping[str, str], limits: Limits) -> Confined:
        return Confined(self._command, files, limits)

    @staticmethod
    def _command(request_fd: int, status_fd: int, run_id: str) -> Sequence[str]:
        return (*_python(), "own", str(request_fd), str(status_fd), run_id)


class Bubblewrap:
    """The namespaces of bubblewrap, a small program that is widely installed and allowed to make them."""

    name = "bubblewrap"

    def start(self, files: Mapping[str, str], limits: Limits) -> Confined:
        program = shutil.which("bwrap")
        if program is None:
            raise SandboxFailed("The program bwrap is not installed; most systems have it as the package bubblewrap.")

        def command(request_fd: int, status_fd: int, run_id: str) -> Sequence[str]:
            inner = (*_python(), "bubblewrap", str(request_fd), str(status_fd), run_id)
            return (program, *_walls(limits.scratch_bytes), "--", *inner)

        return Confined(command, files, limits)


def _python() -> tuple[str, ...]:
    return (interpreter(), "-I", "-S", "-B", "-X", "utf8", "-c", _START, str(INSIDE.parent))


def _folders_above(paths: Sequence[str]) -> list[str]:
    """Every folder that leads to one of the paths, each after the one it is in."""
    found = {str(parent) for path in paths for parent in PurePath(path).parents}
    return sorted(found - {"/"})


def _walls(scratch_bytes: int) -> list[str]:
    """Options of bwrap. As root it makes no user namespace: the helper then becomes a user that nobody is (lock.py)."""
    spaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    if os.geteuid() == 0:
        spaces += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        spaces = ["--unshare-all"]
    walls = [*spaces, "--die-with-parent", "--new-session"]
    for folder in _folders_above((*python_paths(), str(INSIDE), "/dev/null")):
        walls += ["--dir", folder]  # made on the way to a mount they would be closed to all but root
    for path in (*python_paths(), str(INSIDE)):
        kind = ["--symlink", os.readlink(path)] if os.path.islink(path) else ["--ro-bind", path]
        walls += [*kind, path]
    for device in ("/dev/null", "/dev/zero", "/dev/urandom"):
        walls += ["--dev-bind", device, device]
    return [*walls, "--size", str(scratch_bytes), "--tmpfs", _SCRATCH, "--remount-ro", "/", "--chdir", _SCRATCH]
