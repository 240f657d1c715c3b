"""How well and how fast the demo learns, seed by seed: `python benchmarks/demo_seeds.py [SEED ...]` (default 0 to 4).

Trains each in turn with the command that a user would type, and prints what that command reports. Goal: held-out
pass@1 from at most 45 % to at least 90 % in at most 90 s of training on 2 cores, on every seed.
"""

import json
import os
import subprocess
import sys
import tempfile

GOAL = {"before": 0.45, "after": 0.90, "seconds": 90.0}


def main(seeds: list[int]) -> int:
    reached = True
    print(f"{'seed':>4} {'before':>7} {'after':>7} {'train s':>8}")
    for seed in seeds:
        found = train(seed)
        print(
            f"{seed:>4} {found['eval_before']:>7.3f} {found['eval_after']:>7.3f} {found['train_seconds']:>8.1f}",
            flush=True,
        )
        reached &= found["eval_before"] <= GOAL["before"] and found["eval_after"] >= GOAL["after"]
        reached &= found["train_seconds"] <= GOAL["seconds"]
    print("every seed reached the goal" if reached else "the goal was missed")
    return 0 if reached else 1


def train(seed: int) -> dict[str, float]:
    command = [sys.executable, "-m", "engine.cli", "demo", "--headless", "--seed", str(seed)]
    with tempfile.TemporaryDirectory() as runs:
        environment = {**os.environ, "GRPO_LAB_RUNS": runs}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    sys.exit(main([int(argument) for argument in sys.argv[1:]] or [0, 1, 2, 3, 4]))
