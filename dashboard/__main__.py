"""`python -m dashboard`: serve the pages on the loopback address."""

import argparse

from dashboard.serve import serve
from engine.cli import port_number
from engine.runs.paths import runs_root


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dashboard", description=__doc__)
    parser.add_argument("--port", type=port_number, default=None)
    parser.add_argument("--page", default="", help="path and query of the page to open, such as run?run=my-run")
    parser.add_argument("--no-browser", action="store_true")
    options = parser.parse_args()
    serve(options.port, runs_root(), options.page or None, not options.no_browser)


if __name__ == "__main__":
    main()
