"""Requests to the engine, as files in control/: one file a request, so that nobody but the engine writes run.db.

The dashboard and the command line ask; the engine looks between micro-batches. "stop" is the first request; another
one is another file name.
"""

from engine.runs.durable import write_atomic
from engine.runs.paths import RunPaths

STOP = "stop"


def request_stop(paths: RunPaths) -> None:
    """Ask the engine to save a checkpoint and end."""
    _request(paths, STOP)


def stop_requested(paths: RunPaths) -> bool:
    return (paths.control / STOP).is_file()


def clear_requests(paths: RunPaths) -> None:
    """Withdraw every request: they were meant for an engine which has ended."""
    if paths.control.is_dir():
        for entry in paths.control.iterdir():
            if entry.is_file():  # a folder there is no request
                entry.unlink(missing_ok=True)


def _request(paths: RunPaths, name: str) -> None:
    paths.control.mkdir(exist_ok=True)
    write_atomic(paths.control / name, b"")
