"""What the worker costs: trivial calls a second, one completion and 64 a call, and how soon it is back after a hang.

    python -m benchmarks.reward_worker

Bar: 1,000 calls of one completion a second; ready again within 2 s.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.rewards.worker.client import FileTarget, Limits, RewardWorker

SECONDS = 2.0
ROUNDS = 5
SOURCE = """
def batch(completions, answer, **kwargs):
    return [1.0 if completion == truth else 0.0 for completion, truth in zip(completions, answer)]

def single(completion, answer):
    while completion == "hang":
        pass
    return 1.0 if completion == answer else 0.0
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.py"
        path.write_text(SOURCE)
        for name in ("batch", "single"):
            for size in (1, 64):
                call = call_of(size)
                with RewardWorker(FileTarget(path, name)) as worker:
                    assert worker.start() is None
                    report(f"worker, {name}", size, lambda worker=worker, call=call: worker.call(call))  # type: ignore[misc]
        scope: dict[str, Any] = load(path)
        for size in (1, 64):
            call = call_of(size)
            report("in process, batch", size, lambda call=call: scope["batch"](**call))  # type: ignore[misc]
        report_return(path)


def call_of(size: int) -> dict[str, Any]:
    return {
        "prompts": ["47+38="] * size, "completions": ["85"] * size, "completion_ids": [[10, 7, 1]] * size,
        "answer": ["85"] * size, "trainer_state": {"global_step": 1, "max_steps": 2, "epoch": None},
    }  # fmt: skip


def load(path: Path) -> dict[str, Any]:
    import runpy

    return runpy.run_path(str(path))


def report(what: str, size: int, function: Callable[[], Any]) -> None:
    """The median of some rounds, and the slowest and fastest of them."""
    rates = []
    for _ in range(ROUNDS):
        started, calls = time.perf_counter(), 0
        while time.perf_counter() - started < SECONDS / ROUNDS:
            function()
            calls += 1
        rates.append(calls / (time.perf_counter() - started))
    median = statistics.median(rates)
    spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
    print(f"{what:18} {size:3} a call: {median:10,.0f} calls/s ({spread}), {median * size:12,.0f} completions/s")


def report_return(path: Path) -> None:
    """How soon the worker is ready after a call that had to be ended, and what that call took beyond its limit."""
    limit, after, beyond = 0.2, [], []
    with RewardWorker(FileTarget(path, "single"), Limits(timeout_s=limit)) as worker:
        worker.start()
        for _ in range(ROUNDS):
            started = time.perf_counter()
            worker.call({**call_of(1), "completions": ["hang"]})
            ended = time.perf_counter()
            worker.start()
            after.append(time.perf_counter() - ended)
            beyond.append(ended - started - limit)
    print(f"ready again after {max(after):.2f} s at most; a hang takes {max(beyond):.2f} s beyond its limit at most")


if __name__ == "__main__":
    main()
