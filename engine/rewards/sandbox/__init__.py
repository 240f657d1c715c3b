"""Runs programs that nobody has looked at, such as code that a model wrote, where they reach nothing and end in time.

`choose_sandbox()` gives one that has withstood its attacks on this machine. docs/sandbox.md says what it is made of.
"""

from engine.rewards.sandbox.backends import Sandbox, run
from engine.rewards.sandbox.choose import Report, choose_sandbox, sandbox_report, why_unavailable
from engine.rewards.sandbox.limits import Limits, Outcome, SandboxFailed, SandboxUnavailable
from engine.rewards.sandbox.process import Confined

__all__ = [
    "Confined", "Limits", "Outcome", "Report", "Sandbox", "SandboxFailed", "SandboxUnavailable", "choose_sandbox",
    "run", "sandbox_report", "why_unavailable",
]  # fmt: skip
