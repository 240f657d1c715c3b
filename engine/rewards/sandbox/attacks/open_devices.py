"""Opens devices that lead to the kernel, the terminal or other programs: those that take no notice of being opened."""

import contextlib
import os

for name in ("mem", "kmsg", "tty", "ptmx", "fuse", "kvm", "net/tun", "uinput", "loop-control", "mapper/control"):
    with contextlib.suppress(OSError):
        os.close(os.open(f"/dev/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY))
        print("CLAIM", f"/dev/{name}")
print("TRIED")
