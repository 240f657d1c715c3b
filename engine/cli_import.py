"""`grpo-lab import-run`: a run that TRL recorded becomes one of ours, to be looked at."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from engine.config_text import read_mapping
from engine.errors import printable
from engine.runs.paths import runs_root
from engine.trl.import_run import import_run

ReadFile = Callable[[Path], bytes]


def add_import_run(parser: argparse.ArgumentParser, read: ReadFile) -> None:
    """`read` reads a config file within its size limit."""
    parser.add_argument("folder", type=Path, help="output folder of TRL's GRPOTrainer, with log_completions=True")
    parser.add_argument("--name", default="", help="what to call the run (default: the folder's name)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TRL's config of this run, JSON or YAML")
    parser.add_argument("--again", action="store_true", help="make a second run of files that are one already")

    def command(options: argparse.Namespace) -> int:
        config = read_mapping(read(options.config)) if options.config else None
        report = import_run(runs_root(), options.folder, name=options.name, config=config, again=options.again)
        for heading, lines in (("recorded", report.notes), ("not recorded", report.missing)):
            for line in lines:
                print(printable(f"{heading}: {line}"), file=sys.stderr)
        print(report.run_id)
        return 0

    parser.set_defaults(command=command)
