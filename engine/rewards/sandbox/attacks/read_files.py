"""Reads a file outside: by its path, through links, through /proc, and upwards from the working directory."""

import contextlib
import json
import os

with open("targets.json") as file:
    secret = json.load(file)["secret"]

with contextlib.suppress(OSError):
    os.symlink(secret, "link")
with contextlib.suppress(OSError):
    os.link(secret, "hard")
with contextlib.suppress(OSError):
    os.symlink("/", "root")
for path in (
    secret,
    "link",
    "hard",
    "root" + secret,
    "/proc/self/root" + secret,
    "/proc/1/root" + secret,
    "../" * 40 + secret,
):
    with contextlib.suppress(OSError), open(path) as found:
        print(found.read())
print("TRIED")
