"""Asks a child process to check a reward. Light: no torch, and no reward runs here.

task = start_check(CheckRequest(dump_config(config), "exact_match"))
while not task.finished: show(task.progress)     # or task.cancel()
found = task.result()
"""

from pathlib import Path

from engine.child_task import ChildTask, Progress
from engine.reward_check.types import CheckRequest, Evidence, Finding, RewardCheck, StrategyScore

__all__ = [
    "CheckRequest", "ChildTask", "Evidence", "Finding", "Progress", "RewardCheck", "StrategyScore", "check_reward",
    "start_check",
]  # fmt: skip

SPARE_S = 60.0  # beyond the budget: loading the data, and the calls under way when the budget ends


def start_check(request: CheckRequest, *, cwd: Path | None = None) -> ChildTask[RewardCheck]:
    """Begin. Relative paths begin at `cwd`, or where this process works. The result never raises: `problem` says it."""
    return ChildTask(
        "engine.reward_check", request.to_json(), RewardCheck.from_json,
        lambda why: RewardCheck(request.reward, problem=f"The check has no result: {why}."),
        timeout_s=request.budget_s + SPARE_S, cwd=cwd,
    )  # fmt: skip


def check_reward(request: CheckRequest, *, cwd: Path | None = None) -> RewardCheck:
    """Check, and wait for the result."""
    return start_check(request, cwd=cwd).result()
