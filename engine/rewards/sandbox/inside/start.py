"""The helper that confines itself and then runs a program: its arguments are WAY REQUEST_FD STATUS_FD RUN_ID.

It is started by exec, so that nothing of the engine is in its memory, and reads what to do as JSON from one descriptor:
{"files": {name: text}, "limits": {...}, "paths": [...], "number": n}. On the other it writes one line: "ready ..." when
all walls are up and the program is about to begin, or "failed: " and why. RUN_ID only makes its processes recognisable
from outside.

WAY own: make the namespaces here. WAY bubblewrap: bwrap has made them already.
"""

import builtins
import json
import os
import select
import signal
import sys
from _sitebuiltins import Quitter
from importlib.machinery import SourceFileLoader
from types import ModuleType

from . import kernel, lock, namespaces

MAIN = "main.py"  # the file that is run, as __main__


def main() -> None:
    way, request_fd, status_fd = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with os.fdopen(request_fd, "rb") as pipe:
        request = json.load(pipe)
    try:
        if way == "own":
            _own_namespaces(request, status_fd)
        else:
            os.chmod(namespaces.SCRATCH, 0o777)
            _confine(request, status_fd, _always_there(), is_root=os.geteuid() == 0)
    except Exception as error:
        os.write(status_fd, f"failed: {_step(error)}: {error}\n".encode(errors="replace"))
        os._exit(1)
    os.closerange(3, 1 << 16)
    _run_program()


def _own_namespaces(request: dict, status_fd: int) -> None:  # type: ignore[type-arg]
    """Returns in the confined child only. This process waits for it and ends as it ended; told to end, it kills it."""
    children: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: _end(children))
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)
    reader = select.poll()
    reader.register(status_fd, 0)
    if reader.poll(0):  # the engine has died meanwhile
        os._exit(1)
    is_root = namespaces.enter()
    namespaces.confine_files(request["paths"], request["limits"]["scratch_bytes"])
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(there)
        os.setsid()  # its process group would else be this one's: kill(0) reaches across a pid namespace
        _confine(request, status_fd, here, is_root)
        return
    children.append(child)
    for descriptor in (0, 1, 2, here):
        os.close(descriptor)
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) % 256 if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def _end(children: list[int]) -> None:
    """Kill the first process of the namespace, with which the kernel ends all others in it."""
    for child in children:
        os.kill(child, signal.SIGKILL)
    os._exit(128 + signal.SIGKILL)


def _confine(request: dict, status_fd: int, parent_is_there: int, is_root: bool) -> None:  # type: ignore[type-arg]
    if is_root:
        lock.become_nobody(request["number"])
    lock.die_with(parent_is_there)
    os.chdir(namespaces.SCRATCH)
    for name, text in request["files"].items():
        with open(name, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
            file.write(text)
    lock.limit(request["limits"])
    version = lock.lock(_existing([*request["paths"], *namespaces.DEVICES]), [namespaces.SCRATCH, "/dev/null"])
    os.write(status_fd, f"ready landlock={version}\n".encode())


def _run_program() -> None:
    """Run MAIN as __main__ of this interpreter: with fork and execve gone there is no other."""
    sys.argv[:] = [MAIN]
    sys.path[0] = namespaces.SCRATCH  # in place of the folder that this package was found in
    builtins.exit = Quitter("exit", "Ctrl-D")  # what the module site would have put there
    builtins.quit = Quitter("quit", "Ctrl-D")
    module = sys.modules["__main__"] = ModuleType("__main__")
    module.__file__ = MAIN
    SourceFileLoader("__main__", MAIN).exec_module(module)


def _always_there() -> int:
    """A pipe that never ends, for where bwrap takes care that the process dies with its parent."""
    here, _ = os.pipe()
    return here


def _existing(paths: list[str]) -> list[str]:
    return [path for path in paths if os.path.exists(path) and not os.path.islink(path)]


def _step(error: BaseException) -> str:
    """The function that failed, above the mere system call: enter, confine_files, become_nobody, limit, install."""
    step, trace = "start", error.__traceback__
    while trace is not None:
        if os.path.basename(trace.tb_frame.f_code.co_filename) != "kernel.py":
            step = trace.tb_frame.f_code.co_name
        trace = trace.tb_next
    return step
