"""What this machine has to offer: memory that is free now, and whether there may be a GPU. Linux; light."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")  # version 2: the limits of the container that this process is in
STATUS = Path("/proc/self/status")
NVIDIA = Path("/dev/nvidia0")


def free_memory_bytes() -> int | None:
    """What processes can still take without swapping, within the limit of a container; None where it is not told."""
    free = [size for size in (_available(), _left_in_container()) if size is not None]
    return min(free, default=None)


@contextmanager
def memory_limit(extra_bytes: int) -> Iterator[None]:
    """Raises MemoryError inside the block, in any thread, for what goes beyond what the process has now by this much.

    Does nothing where the system does not say what the process has, or has a lower limit already.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    now = _own_data_bytes()
    wanted = None if now is None else now + extra_bytes
    if wanted is None or 0 <= soft < wanted or 0 <= hard < wanted:  # −1 is no limit
        yield
        return
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _own_data_bytes() -> int | None:
    """Private memory of this process, as RLIMIT_DATA counts it."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    found = next((line.split() for line in lines if line.startswith("VmData:")), [])
    return int(found[1]) * 1024 if len(found) == 3 and found[1].isdigit() else None


def may_have_gpu() -> bool:
    """Whether there is an NVIDIA device; torch alone can say whether it can be used."""
    return NVIDIA.exists()


def _available() -> int | None:
    try:
        lines = MEMINFO.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == "MemAvailable" and value.strip().removesuffix(" kB").isdigit():
            return int(value.strip().removesuffix(" kB")) * 1024
    return None


def _left_in_container() -> int | None:
    """The limit less what is taken, of which pages of files count as free; None without a limit."""
    try:
        limit = (CGROUP / "memory.max").read_text().strip()
        taken = int((CGROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    if not limit.isdigit():  # "max"
        return None
    return max(0, int(limit) - taken + int(stat.get("inactive_file", "0")))
