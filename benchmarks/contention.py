"""What a busy neighbour costs the engine: `python benchmarks/contention.py [PAIRS]`.

Multiplies matrices of a small model's size on two threads, with OpenMP threads that spin while they wait (the default)
and with threads that sleep (OMP_WAIT_POLICY=PASSIVE, which the engine sets), in turn, PAIRS times (default 5): alone,
and beside up to eight processes that keep a core busy each. Prints passes a second and the median ratio.
"""

import os
import statistics
import subprocess
import sys

WORK = """
import time, torch
torch.set_num_threads(2)
x, weights = torch.randn(64, 576), [torch.randn(576, 1536) for _ in range(20)]
passes, started = 0, time.monotonic()
while time.monotonic() - started < 4:
    for w in weights:
        (x @ w).relu_()
    passes += 1
print(passes / 4)
"""
BUSY = "while True: pass"


def main(pairs: int) -> int:
    for neighbours in (0, 1, 2, 4, 8):
        busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(neighbours)]
        try:
            found = [(passes("ACTIVE"), passes("PASSIVE")) for _ in range(pairs)]
        finally:
            for process in busy:
                process.kill()
                process.wait()
        spinning, sleeping = (statistics.median(column) for column in zip(*found, strict=True))
        ratio = statistics.median(passive / active for active, passive in found)
        print(
            f"{neighbours} neighbours: spinning {spinning:6.1f}, sleeping {sleeping:6.1f} a second, ratio {ratio:.2f}"
        )
    return 0


def passes(policy: str) -> float:
    """Passes a second. ACTIVE stands for the default: the variable is not set then."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if policy == "PASSIVE":
        environment["OMP_WAIT_POLICY"] = policy
    done = subprocess.run([sys.executable, "-c", WORK], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
