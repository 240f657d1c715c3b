"""`grpo-lab preflight config.json`: sample and score a few prompts before training, and say what to expect."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.analysis.forecast import STEPS_AHEAD
from engine.config import RunConfig
from engine.errors import LabError, printable
from engine.preflight.advice import advise
from engine.preflight.folder import MAX_PROMPTS, PROMPTS, cancel_preflight, result_path, start_preflight
from engine.preflight.result import Preflight, read_result
from engine.runs.launch import reap
from engine.runs.paths import RunPaths, runs_root
from engine.runs.status import RunStatus, run_status

POLL_S = 0.2
SAY_EVERY_S = 5.0


def add_preflight(parser: argparse.ArgumentParser, read_config: Callable[[Path], RunConfig]) -> None:
    parser.add_argument("config", type=Path)
    parser.add_argument("--prompts", type=int, default=PROMPTS, help=f"1 to {MAX_PROMPTS} (default: {PROMPTS})")
    parser.add_argument("--json", action="store_true", help="print all that was found as JSON")
    parser.set_defaults(command=lambda options: _preflight(options, read_config(options.config)))


def _preflight(options: argparse.Namespace, config: RunConfig) -> int:
    root = runs_root()
    paths = start_preflight(root, config, prompts=options.prompts)
    try:
        status = _follow(paths)
    except KeyboardInterrupt:
        cancel_preflight(root, paths)
        print("cancelled", file=sys.stderr)
        return 130
    if status.state != "finished":
        raise LabError(f"The pre-flight {status.state}: {status.detail}", hint=f"Its log is {paths.log}.")
    if options.json:
        print(result_path(paths).read_text(), end="")
        return 0
    for line in report(read_result(result_path(paths))):
        print(printable(line))
    return 0


def _follow(paths: RunPaths) -> RunStatus:
    """Print what it does until it ends: each phase, and within one a line now and then."""
    phase, said_at = "", 0.0
    while True:
        status, now = run_status(paths), time.monotonic()
        if not status.is_live:
            reap()
            return status
        beat = status.heartbeat
        if beat and (beat.phase != phase or now - said_at >= SAY_EVERY_S):
            print(printable(f"{beat.phase}: {beat.detail}"), file=sys.stderr)
            phase, said_at = beat.phase, now
        time.sleep(POLL_S)


def report(result: Preflight) -> Iterator[str]:
    """What was found, in lines for a terminal; the advice first."""
    yield advise(result).sentence
    yield ""
    yield f"{len(result.prompts)} prompts × {result.group_size} completions, {result.mean_length:.0f} tokens on average"
    if result.pass_rate is not None:
        yield f"right by {result.pass_reward}: {result.pass_rate:.0%}"
    yield f"cut off at {result.limit:,} tokens: {result.truncated} of {result.completions}"
    for reward in result.rewards:
        mean = "no value" if reward.mean is None else f"mean {reward.mean:.3f}"
        yield f"reward {reward.name} × {reward.weight:g}: {mean}, {reward.missing} missing"
        yield from (f"    {count} times: {reason}" for reason, count in reward.reasons)
    if result.forecast is not None:
        yield f"groups without signal at first, with 95 % intervals for the first {STEPS_AHEAD} steps:"
        for size, share in result.forecast.shares.items():
            chosen = "  (chosen)" if size == result.group_size else ""
            yield f"    G = {size:<3} {share.value:4.0%}  ({share.low:.0%} to {share.high:.0%}){chosen}"
    parts = ", ".join(f"{phase} {result.costs.seconds[phase]:.2f} s" for phase in ("rollout", "reward", "update"))
    yield f"a step: {result.costs.step_seconds:.2f} s ({parts}); memory {result.costs.peak_bytes / 2**20:,.0f} MB"
