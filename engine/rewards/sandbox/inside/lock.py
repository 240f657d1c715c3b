"""What the confined process gives up, last before the program runs: resources, identity, capabilities, system calls."""

import math
import os
import resource
import select
import signal

from . import kernel, landlock, seccomp

# User ids that nobody has, above the ranges of /etc/subuid and of systemd's dynamic users. Each confined process of
# root gets one of its own, so that no two count against one limit of threads, nor may do anything to each other.
_FIRST_UID = 2_000_000_000
_NOBODY = 65534


def become_nobody(number: int) -> None:
    """For root: take the user id of this number, which no file and no other process has."""
    os.setgroups([])
    for uid in (_FIRST_UID + number, _NOBODY):
        try:
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            return
        except OSError:  # an id that this container does not map
            continue
    raise PermissionError("root could not become another user")


def die_with(parent_is_there: int) -> None:
    """Be killed when the parent is. `parent_is_there`: a pipe whose other end only it holds; closed, it is too late."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if select.select([parent_is_there], [], [], 0)[0]:
        os._exit(1)


def limit(limits: dict[str, float]) -> None:
    """Resource limits, soft and hard: those of Limits, and no core file, locked memory or message queue."""
    cpu_s = math.ceil(limits["wall_s"]) + 1
    for kind, value in (
        (resource.RLIMIT_AS, int(limits["memory_bytes"])),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, int(limits["scratch_bytes"])),
        (resource.RLIMIT_NPROC, int(limits["threads"])),
        (resource.RLIMIT_NOFILE, int(limits["open_files"])),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        _, highest = resource.getrlimit(kind)
        value = value if highest == resource.RLIM_INFINITY else min(value, highest)
        resource.setrlimit(kind, (value, value))


def lock(readable: list[str], writable: list[str]) -> int:
    """No capabilities and no way to gain any, Landlock, the seccomp filter. Returns the ABI of Landlock, 0 for none."""
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    version = landlock.restrict(readable, writable)
    seccomp.install()
    return version
