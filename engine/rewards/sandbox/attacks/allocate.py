"""Allocates 4 GB, after trying to raise the limit; the memory is not touched, so that success hurts nobody."""

import contextlib
import mmap
import resource

with contextlib.suppress(OSError, ValueError):
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
with contextlib.suppress(OSError):
    print("CLAIM", len(mmap.mmap(-1, 4 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)), "bytes")
print("TRIED")
