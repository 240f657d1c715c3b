"""Leaves a grandchild in a session of its own, which holds nothing that leads back to it."""

import contextlib
import os
import time

print("TRIED", flush=True)
with contextlib.suppress(OSError):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for descriptor in (0, 1, 2):
                os.close(descriptor)
            time.sleep(60)
        os._exit(0)
