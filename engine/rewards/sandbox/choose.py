"""Which sandbox this machine offers: the first that withstands every attack, tried when it is first asked for."""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.rewards.sandbox.backends import Bubblewrap, Namespaces, Sandbox
from engine.rewards.sandbox.inside.seccomp import MACHINES
from engine.rewards.sandbox.limits import NOT_SET_UP, SandboxFailed, SandboxUnavailable
from engine.rewards.sandbox.suite import Result, run_suite

BACKENDS: tuple[Sandbox, ...] = (Namespaces(), Bubblewrap())
_LOCK = threading.Lock()
_CHOSEN: list[Sandbox | SandboxUnavailable] = []


@dataclass(frozen=True)
class Report:
    """What one sandbox did under attack. `reason` is why it is not used: a sentence, empty when it withstood all."""

    name: str
    results: Sequence[Result]
    reason: str
    seconds: float


def choose_sandbox() -> Sandbox:
    """The sandbox to use, found once for this process. Raises SandboxUnavailable, which says why there is none."""
    with _LOCK:
        if not _CHOSEN:
            _CHOSEN.append(_first_that_holds(BACKENDS))
    if isinstance(_CHOSEN[0], SandboxUnavailable):
        raise _CHOSEN[0]
    return _CHOSEN[0]


def why_unavailable() -> str | None:
    """Why no sandbox can be used here, None when one withstands its attacks. Takes a second when first asked."""
    try:
        choose_sandbox()
    except SandboxUnavailable as error:
        return str(error)
    return None


def sandbox_report(backends: Sequence[Sandbox] = BACKENDS) -> list[Report]:
    """Attack every sandbox, also those after the first that holds: for people who want to know."""
    return [examine(sandbox) for sandbox in backends]


def examine(sandbox: Sandbox) -> Report:
    """Run the suite against one sandbox, if it can be here at all."""
    started = time.perf_counter()
    results: list[Result] = []
    reason = _impossible()
    if not reason:
        try:
            results = run_suite(sandbox)
            reason = " ".join(f"{r.title}: {r.detail}." for r in results if not r.withstood)
        except SandboxFailed as error:
            reason = f"{error.message} {_advice()}".strip() if error.message.startswith(NOT_SET_UP) else error.message
    return Report(sandbox.name, results, reason, time.perf_counter() - started)


def _first_that_holds(backends: Sequence[Sandbox]) -> Sandbox | SandboxUnavailable:
    reasons = {}
    for sandbox in backends:
        report = examine(sandbox)
        if not report.reason:
            return sandbox
        reasons[report.name] = report.reason
    return SandboxUnavailable(reasons)


def _impossible() -> str:
    """Why not even to try, empty when there is no such reason."""
    if sys.platform != "linux":
        return "It needs Linux."
    if os.uname().machine not in MACHINES:
        return f"Its filter of system calls knows {' and '.join(MACHINES)}, and this machine is {os.uname().machine}."
    return ""


_RULES: tuple[tuple[Callable[[], bool], str], ...] = (
    (
        lambda: _setting("kernel/apparmor_restrict_unprivileged_userns") == "1",
        "AppArmor forbids user namespaces to programs without a profile (sysctl"
        " kernel.apparmor_restrict_unprivileged_userns is 1): install bubblewrap with its profile, or allow them.",
    ),
    (
        lambda: _setting("kernel/unprivileged_userns_clone") == "0",
        "User namespaces are switched off (sysctl kernel.unprivileged_userns_clone is 0).",
    ),
    (
        lambda: _setting("user/max_user_namespaces") == "0",
        "User namespaces are switched off (sysctl user.max_user_namespaces is 0).",
    ),
    (
        lambda: os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"),
        "This is a container: it has to be started with the right to make namespaces"
        " (with Docker: --security-opt seccomp=unconfined, or --cap-add SYS_ADMIN).",
    ),
)


def _advice() -> str:
    """What on this machine may be in the way, and what to do."""
    return " ".join(text for applies, text in _RULES if applies())


def _setting(name: str) -> str:
    try:
        with open(f"/proc/sys/{name}") as file:
            return file.read().strip()
    except OSError:
        return ""
