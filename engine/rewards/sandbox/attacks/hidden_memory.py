"""Asks for memory that its limit does not count: files in memory, System V segments, larger pipes."""

import contextlib
import ctypes
import fcntl
import os

with contextlib.suppress(OSError):
    os.memfd_create("more")
    print("CLAIM a file in memory")
if (segment := ctypes.CDLL(None).shmget(0, ctypes.c_size_t(1 << 20), 0o1600)) >= 0:
    print("CLAIM a shared memory segment")
    ctypes.CDLL(None).shmctl(segment, 0, None)
with contextlib.suppress(OSError):
    fcntl.fcntl(os.pipe()[1], fcntl.F_SETPIPE_SZ, 1 << 20)
    print("CLAIM a pipe of 1 MB")
print("TRIED")
