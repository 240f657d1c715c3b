"""Which checkpoints a run has: from the names of their folders and best.json alone, so at no cost and without torch.

Whether one is whole is checked when it is used.
"""

from dataclasses import dataclass
from pathlib import Path

from engine.runs.best import Best, read_best
from engine.runs.durable import numbered
from engine.runs.paths import RunPaths

PREFIX = "step-"
LONGEST_NUMBER = 9  # digits of a step; a longer number is nobody's step


@dataclass(frozen=True)
class Saved:
    """The steps whose checkpoints are there, in order, and what is known of the best of them."""

    steps: tuple[int, ...]
    best: Best | None

    def nearest(self, step: int | None) -> int | None:
        """The newest step at or below this one, else the oldest; None asks for the newest. None when there is none."""
        if not self.steps:
            return None
        below = [saved for saved in self.steps if step is None or saved <= step]
        return below[-1] if below else self.steps[0]


def saved_steps(paths: RunPaths) -> Saved:
    """The checkpoints of a run, which its engine may be adding to and deleting from. Nothing of them is read."""
    try:
        found = numbered(paths.checkpoints, PREFIX)
    except OSError:
        found = []
    steps = tuple(step_of(path) for path in found if len(path.name) <= len(PREFIX) + LONGEST_NUMBER and path.is_dir())
    best = read_best(paths.checkpoints)
    return Saved(steps, best if best is not None and best.step in steps else None)


def checkpoint_name(step: int) -> str:
    return f"{PREFIX}{step:06d}"


def step_of(path: Path) -> int:
    """The step after which a checkpoint was made, from its name."""
    return int(path.name.removeprefix(PREFIX))
