"""Kills another process: with kill, through a pidfd, with a queued signal."""

import contextlib
import ctypes
import json
import os
import platform
import signal

with open("targets.json") as file:
    victim = json.load(file)["victim"]

with contextlib.suppress(OSError):
    os.kill(victim, signal.SIGKILL)
with contextlib.suppress(OSError):
    signal.pidfd_send_signal(os.pidfd_open(victim), signal.SIGKILL)
number = 138 if platform.machine() == "aarch64" else 129
ctypes.CDLL(None).syscall(
    ctypes.c_long(number), ctypes.c_long(victim), ctypes.c_long(9), ctypes.create_string_buffer(128)
)
print("TRIED")
