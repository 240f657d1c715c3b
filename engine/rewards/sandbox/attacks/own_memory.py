"""Opens its own memory as a file, with which read-only pages can be written."""

import contextlib
import os

for path in ("/proc/self/mem", f"/proc/{os.getpid()}/mem", "/proc/thread-self/mem"):
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDWR))
        print("CLAIM", path)
print("TRIED")
