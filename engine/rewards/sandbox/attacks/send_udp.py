"""Sends a datagram to a UDP port of this machine."""

import contextlib
import json
import socket

with open("targets.json") as file:
    port = json.load(file)["udp_port"]

with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.sendto(b"hello", ("127.0.0.1", port))
print("TRIED")
