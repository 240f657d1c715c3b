"""`python -m engine.preflight DIRECTORY PROMPTS`: one pre-flight in this process. folder.py starts it."""

import os
import signal
import sys
from pathlib import Path

from engine.errors import LabError
from engine.runs.paths import RunPaths


def main(arguments: list[str]) -> int:
    """Exit codes: 0 finished or cancelled; those of engine/errors.py otherwise; 1 for anything unforeseen."""
    if len(arguments) != 2 or not arguments[1].isdigit():
        print("usage: python -m engine.preflight DIRECTORY PROMPTS", file=sys.stderr)
        return 2
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as engine/__main__.py, before torch is imported
    signal.signal(signal.SIGTERM, _stop)
    try:
        from engine.preflight.child import run  # torch: seconds to import, and a wrong argument should answer at once

        run(RunPaths(Path(arguments[0]).resolve()), int(arguments[1]))
    except LabError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:  # before it had begun
        return 0
    return 0


def _stop(_signum: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
