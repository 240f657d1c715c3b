"""The sandboxes that can be tried on the machine that runs the tests: there may be none, in some containers."""

from functools import cache

from engine.rewards.sandbox import Sandbox, SandboxFailed, run
from engine.rewards.sandbox.choose import BACKENDS


@cache
def offered() -> tuple[Sandbox, ...]:
    return tuple(sandbox for sandbox in BACKENDS if _runs(sandbox))


def _runs(sandbox: Sandbox) -> bool:
    try:
        return run(sandbox, {"main.py": ""}).exit_code == 0
    except SandboxFailed:
        return False
