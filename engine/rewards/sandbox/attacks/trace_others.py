"""Attaches to another process with ptrace, so that it dies with this one."""

import ctypes
import json

SEIZE, EXIT_KILL = 0x4206, 0x100000

with open("targets.json") as file:
    victim = json.load(file)["victim"]

ctypes.CDLL(None).ptrace(ctypes.c_long(SEIZE), ctypes.c_long(victim), ctypes.c_void_p(0), ctypes.c_void_p(EXIT_KILL))
print("TRIED")
