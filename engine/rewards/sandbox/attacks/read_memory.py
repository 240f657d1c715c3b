"""Reads the memory of another process: with process_vm_readv, and through /proc."""

import contextlib
import ctypes
import json
import os
import platform

with open("targets.json") as file:
    targets = json.load(file)
victim, address, size = targets["victim"], targets["victim_address"], targets["victim_size"]

buffer = ctypes.create_string_buffer(size)
local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), size)
remote = (ctypes.c_size_t * 2)(address, size)
number = 270 if platform.machine() == "aarch64" else 310
ctypes.CDLL(None).syscall(
    ctypes.c_long(number), ctypes.c_long(victim), local, ctypes.c_long(1), remote, ctypes.c_long(1), ctypes.c_long(0)
)
print(buffer.raw)
with contextlib.suppress(OSError):
    memory = os.open(f"/proc/{victim}/mem", os.O_RDONLY)
    print(os.pread(memory, size, address))
print("TRIED")
