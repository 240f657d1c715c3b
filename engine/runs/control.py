"""Requests to the engine, as files in control/: one file a request, so that nobody but the engine writes run.db.

The dashboard and the command line ask; the engine looks between micro-batches. "stop" is the first request; another
one is another file name.
"""

import math

from engine.runs.durable import write_atomic
from engine.runs.paths import RunPaths

STOP = "stop"


def request_stop(paths: RunPaths) -> None:
    """Ask the engine to save a checkpoint and end."""
    _request(paths, STOP)


def stop_requested(paths: RunPaths) -> bool:
    return (paths.control / STOP).is_file()


def clear_requests(paths: RunPaths, made_before: float = math.inf) -> None:
    """Withdraw the requests that were meant for an engine which has ended: all, or those made before a moment.

    An engine passes the moment of its own start (seconds since 1970), so that a stop which was asked for while it was
    still loading counts.
    """
    if paths.control.is_dir():
        for entry in paths.control.iterdir():
            if entry.is_file() and entry.stat().st_mtime < made_before:  # a folder there is no request
                entry.unlink(missing_ok=True)


def _request(paths: RunPaths, name: str) -> None:
    paths.control.mkdir(exist_ok=True)
    write_atomic(paths.control / name, b"")
