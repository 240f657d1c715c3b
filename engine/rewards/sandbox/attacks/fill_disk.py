"""Writes more than it may, as several files, wherever it can."""

import contextlib
import os

MIB = 1 << 20
written, made = 0, []
for folder in (".", "/tmp", "/var/tmp", "/dev/shm"):
    for number in range(4):
        with contextlib.suppress(OSError):
            made.append(f"{folder}/grpo-lab-fill-{os.getpid()}-{number}")
            with open(made[-1], "wb", buffering=0) as file:
                for _ in range(8):
                    written += file.write(bytes(MIB))
for path in made:
    with contextlib.suppress(OSError):
        os.unlink(path)
print("CLAIM" if written > 20 * MIB else "only", written, "bytes")
print("TRIED")
