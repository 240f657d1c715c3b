"""`grpo-lab`: everything that the browser can do, from a terminal.

grpo-lab                       open the dashboard
grpo-lab demo [--headless]     start the demo run, and open the dashboard on it (or train it here)
grpo-lab train config.json     start a run and follow it
grpo-lab preflight config.json sample and score a few prompts first, and say what to expect
grpo-lab import-trl FILE       turn a GRPOConfig or a YAML file of `trl grpo` into a config of ours
grpo-lab eval RUN              evaluate a checkpoint of a run, and print JSON
grpo-lab fork RUN --set loss.beta=0.1   go on from a checkpoint with other settings
grpo-lab tag RUN TAG ...       tags, a note or a pin for a run
grpo-lab search RUN PHRASE     find completions of a run, and write them as JSONL, CSV or Parquet
grpo-lab check-reward FILE     try a reward: the convention, right answers, exploits, time
grpo-lab rescore RUN --reward FILE   score the stored completions of a run with another reward
grpo-lab resume RUN · stop RUN · runs · doctor
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from engine import __version__
from engine.check_client import check_in_child
from engine.cli_fork import add_fork, add_tag
from engine.cli_import import add_import_run
from engine.cli_reward import add_check_reward, add_rescore
from engine.config import RunConfig
from engine.config_advice import advice
from engine.config_io import dump_config, parse_config, spelled_out
from engine.config_text import read_mapping
from engine.errors import ConfigError, LabError, Problem, printable
from engine.preflight_command import add_preflight
from engine.presets import LEARN_TO_ADD as DEMO
from engine.runs.durable import disk_errors, write_atomic
from engine.runs.launch import is_live, reap, resume_run, start_run, stop_run
from engine.runs.paths import MAX_CONFIG_BYTES, RunPaths, list_runs, open_run, runs_root
from engine.runs.reader import RunReader
from engine.runs.status import LIVE_STATES, run_status
from engine.search_command import add_search
from engine.trl.config import import_trl, looks_like_trl, report_lines

POLL_S = 0.5
CHECK_TIMEOUT_S = 600.0  # a GGUF file may have to be converted first


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is 0, or that of the error in engine/errors.py that ended it."""
    options = _parser().parse_args(arguments)
    try:
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except LabError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="grpo-lab", description="GRPO experiments on your own machine.")
    parser.add_argument("--version", action="version", version=f"grpo-lab {__version__}")
    parser.add_argument(
        "--port", type=port_number, default=None, help="port of the dashboard (default: a free one from 8501)"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    parser.set_defaults(command=_dashboard)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    demo = commands.add_parser("demo", help="start the demo run and open the dashboard on it")
    demo.add_argument("--headless", action="store_true", help="train here, and end with one line of JSON")
    demo.add_argument("--seed", type=int, default=0)
    demo.set_defaults(command=_demo)
    train = commands.add_parser("train", help="start a run from a config file and follow it")
    train.add_argument("config", type=Path)
    train.set_defaults(command=_train)
    add_preflight(commands.add_parser("preflight", help="sample and score a few prompts before training"), _read_config)
    trl = commands.add_parser("import-trl", help="turn a TRL config, JSON or YAML, into a config file")
    trl.add_argument("file", type=Path)
    trl.add_argument("--out", type=Path, help="where to write the config (default: to standard output)")
    trl.add_argument("--base", type=Path, help="config to take from what TRL's does not say (default: the demo's)")
    trl.set_defaults(command=_import_trl)
    add_import_run(commands.add_parser("import-run", help="import a run that TRL recorded, to look at"), _read_file)
    for name, command, text in (
        ("resume", _resume, "continue a run from its newest checkpoint"),
        ("stop", _stop, "ask a run to save a checkpoint and stop"),
    ):
        sub = commands.add_parser(name, help=text)
        sub.add_argument("run")
        sub.set_defaults(command=command)
    _add_eval(commands.add_parser("eval", help="evaluate a checkpoint on the held-out examples, and print JSON"))
    add_fork(commands.add_parser("fork", help="start a run from a checkpoint of another one"), _follow, _read_config)
    add_tag(commands.add_parser("tag", help="show or change the tags, the note and the pin of a run"))
    add_search(commands)
    add_check_reward(commands.add_parser("check-reward", help="try a reward before it is trained on"))
    add_rescore(commands.add_parser("rescore", help="score the completions of a run with another reward"))
    commands.add_parser("runs", help="list all runs").set_defaults(command=_runs)
    commands.add_parser("doctor", help="show versions, devices and what is missing").set_defaults(command=_doctor)
    return parser


def port_number(text: str) -> int:
    """A number that a port can have; 0 lets the system choose. Raises ArgumentTypeError, which argparse tells."""
    if not text.isascii() or not text.isdigit() or int(text[:6]) > 65535:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no port: should be at least 0 and at most 65535")
    return int(text)


def _add_eval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--step", type=_whole(0), help="the checkpoint of this step; 0: before training")
    which.add_argument("--best", action="store_true", help="the best checkpoint (default: the newest)")
    parser.add_argument("--num-generations", type=_whole(1, 256), metavar="N", help="completions per prompt")
    parser.add_argument("--num-prompts", type=_whole(1, 10_000), metavar="N", help="held-out examples that are asked")
    parser.set_defaults(command=_eval)


def _whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """A whole number within bounds, as an argument."""

    def parse(text: str) -> int:
        value = int(text)
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"{value} is not {f'from {low} to {high}' if high else f'{low} or more'}")
        return value

    parse.__name__ = "whole number"  # argparse names the type so when the text is none
    return parse


def _dashboard(options: argparse.Namespace, page: str = "") -> NoReturn:
    """The dashboard is a program of its own: nothing here imports it."""
    command = [sys.executable, "-m", "dashboard", "--page", page]
    if options.port is not None:
        command += ["--port", str(options.port)]
    if options.no_browser:
        command.append("--no-browser")
    os.execv(sys.executable, command)  # in this process's place, so that ending one ends the other


def _demo(options: argparse.Namespace) -> int:
    launched = start_run(runs_root(), parse_config({**DEMO.model_dump(mode="json"), "seed": options.seed}))
    if not options.headless:
        return _dashboard(options, page=f"run?run={launched.run_id}")
    code = _follow(open_run(runs_root(), launched.run_id))
    print(json.dumps(_headline(open_run(runs_root(), launched.run_id))))
    return code


def _train(options: argparse.Namespace) -> int:
    config = _read_config(options.config)
    check = check_in_child(config, timeout_s=CHECK_TIMEOUT_S)
    if check.problems:
        raise ConfigError(list(check.problems))
    for warning in check.remarks():
        print(f"warning: {printable(warning)}", file=sys.stderr)
    launched = start_run(runs_root(), config)
    print(f"{'started' if launched.created else 'already running'}: {launched.run_id}", file=sys.stderr)
    return _follow(open_run(runs_root(), launched.run_id))


def _resume(options: argparse.Namespace) -> int:
    launched = resume_run(runs_root(), options.run)
    return _follow(open_run(runs_root(), launched.run_id))


def _stop(options: argparse.Namespace) -> int:
    paths = open_run(runs_root(), options.run)
    if not is_live(paths):
        print(f"{options.run} is not running.", file=sys.stderr)
        return 1
    stop_run(paths)
    print(f"asked {options.run} to stop; it saves a checkpoint first")
    return 0


def _eval(options: argparse.Namespace) -> int:
    from engine.train.evaluate_checkpoint import evaluate_checkpoint  # torch: seconds to import

    said = ""

    def progress(phase: str, detail: str) -> None:
        nonlocal said
        if (line := f"{phase}: {detail}") != said:
            print(line, file=sys.stderr)
            said = line

    found = evaluate_checkpoint(
        open_run(runs_root(), options.run), step=options.step, best=options.best,
        num_generations=options.num_generations, num_prompts=options.num_prompts, progress=progress,
    )  # fmt: skip
    if found["note"]:
        print(found["note"], file=sys.stderr)
    print(json.dumps(found))
    return 0


def _runs(_: argparse.Namespace) -> int:
    for paths in list_runs(runs_root()):
        try:
            status = run_status(paths)
        except LabError as error:
            print(f"{'unreadable':12} {paths.run_id}: {error}")
        else:
            print(f"{status.state:12} step {status.step:>6} of {status.goal:<6} {paths.run_id}")
    return 0


def _doctor(_: argparse.Namespace) -> int:
    """What a bug report needs: versions, devices, models and rewards that can be picked, and why others cannot."""
    import sqlite3
    from importlib.metadata import PackageNotFoundError, version

    from engine.models.catalog import list_models
    from engine.rewards.registry import REWARDS
    from engine.rewards.sandbox.choose import why_unavailable

    print(f"grpo-lab {__version__}, Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}")
    for package in ("torch", "transformers", "peft", "streamlit", "plotly", "gguf"):
        try:
            print(f"  {package} {version(package)}")
        except PackageNotFoundError:
            print(f"  {package} is not installed")
    print(f"{os.cpu_count()} CPU cores; runs in {runs_root()}")
    for model in list_models():
        print(printable(f"  model {model.label}: {'ready' if model.available else model.reason}"))
    for reward in REWARDS.values():
        if reason := reward.unavailable():
            print(printable(f"  reward {reward.name}: {reason}"))
    sandbox = (
        "withstands its attacks" if why_unavailable() is None else "none; `python -m engine.rewards.sandbox` says why"
    )
    print(f"  sandbox for code that a model wrote: {sandbox}")
    return 0


def _import_trl(options: argparse.Namespace) -> int:
    """What became of TRL's settings goes to standard error, the config to --out or standard output."""
    base = _read_config(options.base) if options.base else DEMO
    theirs = read_mapping(_read_file(options.file))
    if not looks_like_trl(theirs):
        ours = "a config of GRPO Lab" if "model" in theirs else "not a TRL config: it has no field of GRPOConfig"
        raise ConfigError([Problem("config", f"{options.file} is {ours}.", "Start ours with `grpo-lab train`.")])
    result = import_trl(theirs, spelled_out(base).model_dump(mode="json"))
    for line in report_lines(result):
        print(printable(line), file=sys.stderr)
    config = parse_config(result.settings)
    for one in advice(config):
        print(f"warning: {printable(str(one))}", file=sys.stderr)
    if options.out is None:
        print(dump_config(config), end="")
    elif options.out.exists():
        raise LabError(f"{options.out} exists.", hint="Name another file, or delete this one.")
    else:
        with disk_errors(options.out):
            write_atomic(options.out, dump_config(config).encode())
        print(f"wrote {options.out}", file=sys.stderr)
    return 0


def _read_config(path: Path) -> RunConfig:
    return parse_config(_read_file(path))


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise LabError(
            f"{path}: {error.strerror}.", hint="Name a config file, as exported by the New run page."
        ) from None
    if len(text) > MAX_CONFIG_BYTES:
        raise LabError(f"{path} has more than {MAX_CONFIG_BYTES:,} bytes, so it is no config file.")
    return text


def _follow(paths: RunPaths) -> int:
    """Print progress until the run ends. Ctrl-C asks it to stop; a second one only stops following."""
    reader, printed, asked = RunReader(paths.db), 0, False
    while True:
        try:
            status = run_status(paths)
            printed = _print_new_steps(reader, printed)
            if status.state not in LIVE_STATES:
                break
            time.sleep(POLL_S)
        except KeyboardInterrupt:
            if asked:
                raise
            print("stopping with a checkpoint; Ctrl-C again leaves it to itself", file=sys.stderr)
            stop_run(paths)
            asked = True
    reap()
    print(printable(f"{status.state}: {paths.run_id}{': ' + status.detail if status.detail else ''}"), file=sys.stderr)
    return 0 if status.state in ("finished", "stopped") else 1


def _print_new_steps(reader: RunReader, printed: int) -> int:
    frame = reader.steps(after=printed, columns=("reward", "kl", "completions/mean_length", "step_time"))
    for row in frame.to_dict("records"):
        values = "  ".join(f"{key} {row[key]:.4g}" for key in row if key != "step" and row[key] == row[key])
        print(f"step {row['step']}  {values}", file=sys.stderr)
    return int(frame["step"].max()) if len(frame) else printed


def _headline(paths: RunPaths) -> dict[str, object]:
    """The demo in four numbers. train_seconds: from the start of step 1 to the end of the last one."""
    reader = RunReader(paths.db)
    rates, steps = reader.pass_rates(), reader.steps(columns=("finished_at", "step_time"))
    return {
        "run": paths.run_id,
        "eval_before": rates[0] if rates else None,
        "eval_after": rates[-1] if rates else None,
        "train_seconds": round(
            float(steps["finished_at"].iloc[-1] - steps["finished_at"].iloc[0] + steps["step_time"].iloc[0]), 1
        )
        if len(steps)
        else None,
    }


if __name__ == "__main__":
    raise SystemExit(main())
