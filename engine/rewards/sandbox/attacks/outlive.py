"""Does not end when its time is over: ignores signals, wants no signal when its parent dies, lets go of all pipes."""

import contextlib
import ctypes
import os
import signal
import time

for number in range(1, 65):
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_IGN)
ctypes.CDLL(None).prctl(1, ctypes.c_ulong(0))  # PR_SET_PDEATHSIG
with contextlib.suppress(OSError):
    os.setsid()
print("TRIED", flush=True)
for descriptor in (0, 1, 2):
    os.close(descriptor)
time.sleep(60)
