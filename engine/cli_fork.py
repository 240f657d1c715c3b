"""`grpo-lab fork` and `grpo-lab tag`: going on from a checkpoint with other settings, and words about a run."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.config_io import parse_config, spelled_out
from engine.config_problems import closest
from engine.errors import CheckpointError, ConfigError, Problem, printable
from engine.runs.checkpoints import saved_steps
from engine.runs.fork import fork_run
from engine.runs.imported import refuse_imported
from engine.runs.naming import names_in_use, next_name
from engine.runs.notes import change_notes, read_notes
from engine.runs.paths import RunPaths, open_run, read_config, runs_root

Follow = Callable[[RunPaths], int]
ReadConfig = Callable[[Path], RunConfig]


def add_fork(parser: argparse.ArgumentParser, follow: Follow, read: ReadConfig) -> None:
    """`follow` prints the progress of a run until it ends; `read` reads a config file."""
    parser.add_argument("run", help="the run to go on from")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--step", type=int, help="the checkpoint of this step (default: the newest); 0: a clone")
    which.add_argument("--best", action="store_true", help="the checkpoint that is kept for its score")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings from this file instead of the parent's")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SETTING=VALUE", dest="settings",
        help="change one setting, such as loss.beta=0.1 or rewards[0].weight=2; may be given again and again",
    )  # fmt: skip
    parser.add_argument("--name", help="what to call the fork (default: the parent's name with the next number)")

    def command(options: argparse.Namespace) -> int:
        return _fork(options, follow, read)

    parser.set_defaults(command=command)


def add_tag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run")
    parser.add_argument("tags", nargs="*", help="tags to add")
    parser.add_argument("--remove", action="append", default=[], metavar="TAG", help="a tag to take away")
    parser.add_argument("--note", help="replace the note")
    pin = parser.add_mutually_exclusive_group()
    pin.add_argument("--pin", action="store_true", default=None, dest="pinned", help="list it first")
    pin.add_argument("--unpin", action="store_false", default=None, dest="pinned")
    parser.set_defaults(command=_tag)


def _fork(options: argparse.Namespace, follow: Follow, read: ReadConfig) -> int:
    root = runs_root()
    parent = open_run(root, options.run)
    refuse_imported(parent)
    step = _chosen_step(parent, options)
    before = read_config(parent)
    config = with_settings(read(options.config) if options.config else before, options.settings)
    if options.name is None and options.config is None:
        config = config.model_copy(update={"name": next_name(before.name, names_in_use(root))})
    elif options.name is not None:
        config = with_settings(config, [f"name={json.dumps(options.name)}"])
    launched = fork_run(root, options.run, step, config)
    words = "started" if launched.created else "already running"
    print(f"{words}: {launched.run_id}, from step {step} of {options.run}", file=sys.stderr)
    return follow(open_run(root, launched.run_id))


def _chosen_step(parent: RunPaths, options: argparse.Namespace) -> int:
    saved = saved_steps(parent)
    if options.step is not None:
        return int(options.step)
    if options.best and saved.best is None:
        raise CheckpointError(
            f"{parent.run_id}: no checkpoint was kept as the best.", hint="--step names another checkpoint."
        )
    step = saved.best.step if options.best and saved.best else saved.nearest(None)
    if step is None:
        raise CheckpointError(
            f"{parent.run_id} has no checkpoint to go on from.", hint="--step 0 trains from the beginning."
        )
    return step


def with_settings(config: RunConfig, settings: list[str]) -> RunConfig:
    """The configuration with each `setting=value` applied: JSON where the value is that, else text.

    Raises ConfigError that names every setting which is none, and every value that does not fit.
    """
    raw = spelled_out(config).model_dump(mode="json")
    problems = [problem for text in settings if (problem := _apply(raw, text))]
    if problems:
        raise ConfigError(problems)
    return parse_config(raw)


def _apply(raw: dict[str, Any], text: str) -> Problem | None:
    setting, equals, value = text.partition("=")
    path = [part for part in setting.strip().replace("[", ".").replace("]", "").split(".") if part]
    if not equals or not path:
        return Problem("--set", f"{text[:60]!r} is no setting with a value.", "Write it as loss.beta=0.1.")
    here: Any = raw
    for place, part in enumerate(path):
        key: Any = int(part) if isinstance(here, list) and part.isdecimal() else part
        known = range(len(here)) if isinstance(here, list) else here if isinstance(here, dict) else ()
        if key not in known:
            return Problem(setting[:80], "is not a setting.", closest(part, map(str, known)))
        if place == len(path) - 1:
            here[key] = _value(value)
        else:
            here = here[key]
    return None


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _tag(options: argparse.Namespace) -> int:
    paths = open_run(runs_root(), options.run)
    notes = read_notes(paths)
    changes: dict[str, Any] = {}
    if options.tags or options.remove:
        changes["tags"] = [tag for tag in (*notes.tags, *options.tags) if tag not in options.remove]
    if options.note is not None:
        changes["note"] = options.note
    if options.pinned is not None:
        changes["pinned"] = options.pinned
    if changes:
        notes = change_notes(paths, **changes)
    print(printable(f"{'pinned, ' if notes.pinned else ''}tags: {', '.join(notes.tags) or 'none'}"))
    if notes.note:
        print(printable(notes.note))
    return 0
