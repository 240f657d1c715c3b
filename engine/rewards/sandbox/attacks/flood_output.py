"""Writes much more to its standard output than anybody wants to read."""

import json
import os

with open("targets.json") as file:
    left = json.load(file)["flood_bytes"]

os.write(1, b"TRIED\n")
while left > 0:
    left -= os.write(1, b"x" * 65536)
