"""Forks until it is stopped, at most 200 times; each child waits to be ended."""

import contextlib
import os
import signal
import time

children = []
with contextlib.suppress(OSError):
    for _ in range(200):
        child = os.fork()
        if child == 0:
            time.sleep(10)
            os._exit(0)
        children.append(child)
print("CLAIM" if len(children) > 32 else "only", len(children), "further processes")
for child in children:
    os.kill(child, signal.SIGKILL)
print("TRIED")
