"""Stands in for `python -m engine` where the process matters and not the training: the same files, locks and signals.

usage: stub_engine.py RUN_DIRECTORY BEHAVIOUR
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from engine.runs.control import stop_requested
from engine.runs.lease import Lease
from engine.runs.paths import RunPaths
from engine.runs.store import StoreWriter


def main(directory: str, behaviour: str) -> int:
    paths = RunPaths(Path(directory))
    if behaviour == "crash":
        print("one\ntwo\nModelError: no such model", file=sys.stderr)
        return 4
    if behaviour == "show":
        print(json.dumps({"env": dict(os.environ), "cwd": os.getcwd(), "sid": os.getsid(0), "pid": os.getpid()}))
        return 0
    if behaviour == "hang":  # before it takes the lease
        sys.stdout.flush()
        signal.pause()
    with Lease(paths.lock):
        return work(paths, behaviour)


def work(paths: RunPaths, behaviour: str) -> int:
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number) if behaviour == "train" else None)
    store = StoreWriter(paths.db)
    store.begin_attempt(store.last_step(), {})
    store.beat(0, "rollout")
    if behaviour == "stubborn-with-helper":
        helper = subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()"])
        print(f"helper {helper.pid}", flush=True)
    while behaviour != "finish" and not stop_requested(paths) and not asked:
        time.sleep(0.01)
    store.end_attempt("finished" if behaviour == "finish" else "stopped")
    store.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
