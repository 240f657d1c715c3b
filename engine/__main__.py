"""`python -m engine runs/<id>`: train one run in this process. The dashboard and the command line start it."""

import os
import sys
from pathlib import Path

from engine.errors import LabError
from engine.runs.paths import RunPaths


def main(arguments: list[str]) -> int:
    """Exit codes: 0 finished or stopped on request; those of engine/errors.py otherwise; 1 for anything unforeseen."""
    if len(arguments) != 1:
        print("usage: python -m engine RUN_DIRECTORY", file=sys.stderr)
        return 2
    # OpenMP threads that spin while they wait starve each other when other programs want the cores: asleep, they ran
    # matrix products of a small model 1.2 to 3.4 times as fast beside 1 to 8 busy neighbours, and no slower alone
    # (benchmarks/contention.py). Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from engine.train.loop import run_engine  # torch: seconds to import, and a wrong argument should answer at once

    try:
        outcome = run_engine(RunPaths(Path(arguments[0]).resolve()))
    except LabError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{outcome}: {arguments[0]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
