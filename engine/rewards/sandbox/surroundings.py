"""What the attacks aim at: a secret, listening sockets, another process; what was done to them, seen from outside."""

import contextlib
import os
import secrets
import select
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.rewards.sandbox.paths import interpreter

# Keeps a secret in its environment and in its memory, allows everybody who may to trace it, and waits for its end.
_VICTIM = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(0x59616d61, ctypes.c_ulong(0xFFFFFFFFFFFFFFFF))
memory = ctypes.create_string_buffer(os.environ["SECRET"].encode())
print(ctypes.addressof(memory), flush=True)
sys.stdin.read()
"""


class Surroundings:
    """Targets on this machine that hurt nobody when they are hit. `targets` is what attacks read."""

    def __init__(self) -> None:
        self.secret = f"secret-{secrets.token_hex(16)}"
        self._cleanup = contextlib.ExitStack()
        folder = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="grpo-lab-attacks-")))
        name = folder.name
        (folder / "secret").write_text(self.secret)
        self._written = [folder / "written", Path("/dev/shm") / name, Path("/var/tmp") / name]
        self._descriptor = os.open(folder / "secret", os.O_RDONLY)
        os.set_inheritable(self._descriptor, True)
        self._cleanup.callback(os.close, self._descriptor)
        self._sockets = {
            "TCP port": self._listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "UDP port": self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "unix socket with a path": self._listen(socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "socket")),
            "unix socket with a name": self._listen(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{name}"),
        }
        self._victim = self._start_victim()
        assert self._victim.stdout is not None
        self.targets: dict[str, Any] = {
            "secret": str(folder / "secret"),
            "write": [str(path) for path in self._written],
            "tcp_port": self._sockets["TCP port"].getsockname()[1],
            "udp_port": self._sockets["UDP port"].getsockname()[1],
            "unix_path": str(folder / "socket"),
            "unix_name": name,
            "victim": self._victim.pid,
            "victim_address": int(self._victim.stdout.readline()),
            "victim_size": len(self.secret),
            "flood_bytes": 1 << 30,
        }

    def __enter__(self) -> "Surroundings":
        return self

    def __exit__(self, *_: object) -> None:
        for path in self._written:
            path.unlink(missing_ok=True)
        self._cleanup.close()

    def victim_is_alive(self) -> bool:
        return self._victim.poll() is None

    def written(self) -> list[str]:
        """Files and folders that appeared outside."""
        places = [*self._written, Path(f"{self._written[0]}.folder")]
        return [str(path) for path in places if path.exists()]

    def reached(self) -> list[str]:
        """Which of the listening sockets somebody has connected or sent to."""
        ready, _, _ = select.select(list(self._sockets.values()), [], [], 0)
        return [name for name, listener in self._sockets.items() if listener in ready]

    def _listen(self, family: int, kind: int, address: Any) -> socket.socket:
        listener = self._cleanup.enter_context(socket.socket(family, kind))
        listener.bind(address)
        if kind == socket.SOCK_STREAM:
            listener.listen(8)
        return listener

    def _start_victim(self) -> subprocess.Popen[bytes]:
        victim = subprocess.Popen(
            [interpreter(), "-I", "-S", "-B", "-c", _VICTIM],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={"SECRET": self.secret},
        )  # fmt: skip
        self._cleanup.callback(victim.wait)
        self._cleanup.callback(victim.kill)
        for pipe in (victim.stdin, victim.stdout):
            if pipe is not None:
                self._cleanup.callback(pipe.close)
        return victim


def processes_of(run_id: str) -> list[int]:
    """The processes on this machine that carry this word in their command line."""
    return list(_with_word(run_id.encode()))


def _with_word(word: bytes) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if word in (folder / "cmdline").read_bytes():
                    yield int(folder.name)
