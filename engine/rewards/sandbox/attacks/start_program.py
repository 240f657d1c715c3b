"""Starts another program: a shell, or this Python again."""

import contextlib
import os
import subprocess
import sys

for command in (["/bin/sh", "-c", "echo CLAIM a shell"], [sys.executable, "-c", "print('CLAIM another Python')"]):
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(command, timeout=5, check=False)
with contextlib.suppress(OSError):
    os.posix_spawn("/bin/sh", ["/bin/sh", "-c", "echo CLAIM a spawned shell"], {})
print("TRIED", flush=True)
with contextlib.suppress(OSError):
    os.execv("/bin/sh", ["/bin/sh", "-c", "echo CLAIM a shell in its place"])
