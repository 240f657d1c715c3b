"""Writes files outside: by path, through links, in shared memory."""

import contextlib
import json
import os

with open("targets.json") as file:
    paths = json.load(file)["write"]

for number, path in enumerate(paths):
    for way in (path, f"link{number}"):
        with contextlib.suppress(OSError):
            if way != path:
                os.symlink(path, way)
            with open(way, "a") as outside:
                outside.write("written from inside")
with contextlib.suppress(OSError):
    os.mkdir(paths[0] + ".folder")
print("TRIED")
