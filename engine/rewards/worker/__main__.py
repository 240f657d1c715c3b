"""`python -m engine.rewards.worker`: the guard and its worker, started by process.py with one JSON argument."""

import json
import sys
from pathlib import Path

from engine.rewards.worker.guard import guard
from engine.rewards.worker.serve import serve


def main() -> None:
    started = json.loads(sys.argv[1])
    folder = Path(started["folder"])
    requests, answers = started["requests"], started["answers"]
    guard(
        started["control"], started["status"], (requests, answers), folder,
        lambda: serve(requests, answers, folder, started["limits"], started["target"]),
    )  # fmt: skip


if __name__ == "__main__":
    main()
