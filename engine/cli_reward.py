"""`grpo-lab check-reward` and `grpo-lab rescore`: what a reward says before a run, and of a run that is stored."""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from engine.child_task import ChildTask
from engine.config import RewardSpec, RunConfig
from engine.config_io import dump_config, parse_config, pass_reward
from engine.errors import LabError, RewardError, printable
from engine.presets import LEARN_TO_ADD as DEMO
from engine.rescore_client import Rescored, RescoreRequest, start_rescore, stored_rescore
from engine.reward_check.client import CheckRequest, start_check
from engine.reward_check.table import check_lines, rescored_lines
from engine.rewards.python_file import NAME as PYTHON_FILE
from engine.rewards.registry import function_of
from engine.runs.paths import RunPaths, open_run, read_config, runs_root

POLL_S = 0.1
T = TypeVar("T")


def add_check_reward(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reward", help="a Python file, a reward of the library, or the name of one in --run")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--data", help="try it on the rows of this file (default: sums)")
    source.add_argument("--run", help="try it on the data of this run, with its settings")
    _add_reward_options(parser)
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.set_defaults(command=_check_reward)


def add_rescore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run")
    parser.add_argument("--reward", required=True, help="a Python file, a reward of the library, or one of the run")
    parser.add_argument("--replace", metavar="NAME", help="the reward of the run whose place it takes")
    parser.add_argument("--add", action="store_true", help="put it beside the others, with weight 1")
    parser.add_argument("--newest", action="store_true", help="the newest steps (default: evenly spaced ones)")
    parser.add_argument("--completions", type=int, default=4000, metavar="N", help="about so many (default: 4000)")
    parser.add_argument("--recompute", action="store_true", help="call the unchanged rewards again too")
    _add_reward_options(parser)
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.set_defaults(command=_rescore)


def _add_reward_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--function", default="", help="which function of the file")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the reward, such as extract=tag",
    )


def _check_reward(options: argparse.Namespace) -> int:
    paths = open_run(runs_root(), options.run) if options.run else None
    config = _config_to_try(options, paths)
    spec = reward_spec(options.reward, config, options.function, options.param)
    others = [one for one in config.rewards if one.name != spec.name]
    rewards = [one.model_dump(mode="json") for one in (spec, *(others if paths else ()))]
    raw = {**config.model_dump(mode="json"), "rewards": rewards}
    raw["evaluation"]["pass_reward"] = None
    copies = None if paths is None else str(paths.rewards)
    found = _followed(start_check(CheckRequest(dump_config(parse_config(raw)), spec.name, copies)))
    if options.json:
        print(found.to_json())
    elif not found.problem:
        for line in check_lines(found):
            print(printable(line))
    if found.problem:
        raise RewardError(found.problem)
    return RewardError.exit_code if found.verdict == "failed" else 0


def _config_to_try(options: argparse.Namespace, paths: RunPaths | None) -> RunConfig:
    if paths is not None:
        return read_config(paths)
    raw = DEMO.model_dump(mode="json")
    if options.data is not None:
        raw["data"] = {"source": str(Path(options.data).resolve()), "held_out": 1}
    return parse_config(raw)


def reward_spec(wanted: str, config: RunConfig, function: str, params: Sequence[str]) -> RewardSpec:
    """A file, a reward of the config's list, or one of the library, with these settings. Raises LabError for NAME=VALUE
    that is none.
    """
    settings = dict(_setting(text) for text in params)
    path = Path(wanted)
    if path.suffix == ".py" or path.is_file():
        own: dict[str, Any] = {"path": str(path.resolve()), "callable": function}
        return RewardSpec(name=path.stem[:80], function=PYTHON_FILE, params=own | settings)
    known = next((spec for spec in config.rewards if spec.name == wanted), RewardSpec(name=wanted))
    return known.model_copy(update={"params": {**known.params, **settings}})


def _setting(text: str) -> tuple[str, Any]:
    """NAME=VALUE; the value as JSON where it is some, else as text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise LabError(f"--param {text[:80]!r} is not NAME=VALUE.", hint="Write, say, --param extract=tag.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _rescore(options: argparse.Namespace) -> int:
    paths = open_run(runs_root(), options.run)
    config = read_config(paths)
    spec = reward_spec(options.reward, config, options.function, options.param)
    request = RescoreRequest(
        str(paths.root.resolve()), changed_list(config, spec, options.replace, add=options.add),
        "newest" if options.newest else "spread", max(options.completions, 1), options.recompute,
    )  # fmt: skip
    found: Rescored = stored_rescore(request) or _followed(start_rescore(request))
    if found.problem:
        raise RewardError(found.problem)
    if options.json:
        print(found.to_json())
        return 0
    for line in rescored_lines(found):
        print(printable(line))
    return 0


def changed_list(
    config: RunConfig, spec: RewardSpec, replace: str | None, *, add: bool = False
) -> tuple[Mapping[str, Any], ...]:
    """The run's rewards with this one added, or in the place of another: the one named, the one of its name, or the one
    that decides right and wrong. There it is called as that one, with its weight, limits and gate, so that its values
    stand beside the stored ones. Raises LabError for a name that is not there.
    """
    names = [one.name for one in config.rewards]
    if add:
        return tuple(one.model_dump(mode="json") for one in (*config.rewards, spec))
    target = replace or (spec.name if spec.name in names else pass_reward(config) or names[0])
    if target not in names:
        raise LabError(f"The run has no reward {target[:80]!r}.", hint=f"It has {', '.join(names)}.")
    changed = {"function": function_of(spec), "params": spec.params}
    return tuple(
        (one.model_copy(update=changed) if one.name == target else one).model_dump(mode="json")
        for one in config.rewards
    )  # fmt: skip


def _followed(task: ChildTask[T]) -> T:
    """Progress on standard error until the child has ended; Ctrl-C ends it."""
    said = ""
    try:
        while not task.finished:
            progress = task.progress
            line = f"{progress.done} of {progress.total}: {progress.doing}" if progress.total else ""
            if line != said and line and sys.stderr.isatty():
                print(f"\r\x1b[K{printable(line)}", end="", file=sys.stderr, flush=True)
                said = line
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        task.cancel()
        raise
    if said:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return task.result()
