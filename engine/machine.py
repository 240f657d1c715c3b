"""What this machine has to offer: memory that is free now, and whether there may be a GPU. Linux; light."""

from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")  # version 2: the limits of the container that this process is in
NVIDIA = Path("/dev/nvidia0")


def free_memory_bytes() -> int | None:
    """What processes can still take without swapping, within the limit of a container; None where it is not told."""
    free = [size for size in (_available(), _left_in_container()) if size is not None]
    return min(free, default=None)


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
