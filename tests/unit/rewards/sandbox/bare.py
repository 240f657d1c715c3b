"""No sandbox at all, with the interface of one: a program runs as the tester, so that attacks on it succeed.

Only for the attacks of the suite, which aim at what belongs to their test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from engine.rewards.sandbox.limits import MIB, Limits
from engine.rewards.sandbox.paths import interpreter
from engine.rewards.sandbox.process import Confined

# Writes the files, says that it is ready, and waits for the program, which it has forked.
_STARTER = """
import json, os, sys
request_fd, status_fd, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[4]
request = json.load(os.fdopen(request_fd))
os.chdir(folder)
for name, text in request["files"].items():
    with open(name, "w") as file:
        file.write(text)
os.set_inheritable(os.open(json.loads(request["files"]["targets.json"])["secret"], os.O_RDONLY), True)
os.write(status_fd, b"ready\\n")
os.close(status_fd)
child = os.fork()
if child == 0:
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-B", "main.py", sys.argv[3]])
os.closerange(0, 3)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256)
"""


class Bare:
    """Runs in `folder`, lets it write 100 MB, and leaves it an open descriptor of the secret."""

    name = "bare"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, files: Mapping[str, str], limits: Limits) -> Confined:
        return Confined(self._command, files, replace(limits, output_bytes=100 * MIB))

    def _command(self, request_fd: int, status_fd: int, run_id: str) -> Sequence[str]:
        python = (interpreter(), "-I", "-S", "-B", "-c", _STARTER)
        return (*python, str(request_fd), str(status_fd), run_id, str(self._folder))
