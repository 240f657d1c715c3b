"""Connects to a TCP port of this machine: plainly, by fast open, by multipath TCP."""

import contextlib
import json
import socket

with open("targets.json") as file:
    address = ("127.0.0.1", json.load(file)["tcp_port"])

with contextlib.suppress(OSError), socket.create_connection(address, 0.2) as plain:
    plain.sendall(b"hello")
with contextlib.suppress(OSError), socket.socket() as fast:
    fast.settimeout(0.2)
    fast.sendto(b"hello", socket.MSG_FASTOPEN, address)
with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as multipath:
    multipath.settimeout(0.2)
    multipath.connect(address)
print("TRIED")
