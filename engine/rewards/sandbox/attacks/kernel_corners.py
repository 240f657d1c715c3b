"""Asks for parts of the kernel that plain programs do not need and where its faults have been."""

import ctypes
import platform

CALLS = {  # x86_64, aarch64, arguments
    "io_uring_setup": (425, 425, (1, ctypes.create_string_buffer(256))),
    "userfaultfd": (323, 282, (1,)),
    "perf_event_open": (298, 241, (ctypes.create_string_buffer(b"\0\0\0\0\x80", 256), 0, -1, -1, 0)),
    "keyctl": (250, 219, (0, -3, 1)),
    "add_key": (248, 217, (b"user", b"grpo-lab", b"x", 1, -3)),
    "bpf": (321, 280, (0, ctypes.create_string_buffer(b"\2\0\0\0\4\0\0\0\4\0\0\0\1", 128), 128)),
    "personality": (135, 92, (0x40000,)),
    "setpriority": (141, 140, (0, 0, 5)),
    "swapoff": (168, 225, (b"",)),
}
libc = ctypes.CDLL(None)
for name, (x86, arm, arguments) in CALLS.items():
    number = arm if platform.machine() == "aarch64" else x86
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    if libc.syscall(ctypes.c_long(number), *words) >= 0:
        print("CLAIM", name)
print("TRIED")
