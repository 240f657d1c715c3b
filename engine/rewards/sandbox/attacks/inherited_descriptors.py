"""Reads whatever it has inherited an open descriptor of."""

import contextlib
import os

for descriptor in range(3, 1024):
    with contextlib.suppress(OSError):
        print(os.pread(descriptor, 4096, 0))
print("TRIED")
