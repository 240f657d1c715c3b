"""Makes or joins namespaces, changes its root directory, mounts: the ways out of a directory tree."""

import contextlib
import ctypes
import os

libc = ctypes.CDLL(None)
for name, flags in (("user", 0x10000000), ("mount", 0x20000), ("user and mount", 0x10020000), ("network", 0x40000000)):
    if libc.unshare(ctypes.c_int(flags)) == 0:
        print("CLAIM a", name, "namespace")
with contextlib.suppress(OSError):
    os.mkdir("away")
    os.chroot("away")
    print("CLAIM another root directory")
if libc.mount(b"none", b"away", b"tmpfs", ctypes.c_ulong(0), None) == 0:
    print("CLAIM a mount")
for namespace in ("mnt", "net", "pid"):
    with contextlib.suppress(OSError):
        if libc.setns(os.open(f"/proc/1/ns/{namespace}", os.O_RDONLY), 0) == 0:
            print("CLAIM the", namespace, "namespace of process 1")
print("TRIED")
