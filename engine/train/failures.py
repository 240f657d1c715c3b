"""When rewards fail too often: a warning for a step, and an end for a run that would learn from what is left over.

A missing value costs its completion its part in the group's comparison; with many of them the groups shrink, and those
that stay are not a fair sample: what is hard to judge fails more often.
"""

import sys
from collections import deque
from dataclasses import dataclass, field

from engine.errors import RewardError, printable
from engine.rewards.score import Scores
from engine.rewards.worker.raised import place
from engine.rewards.worker.types import BETWEEN
from engine.runs.records import Event

WARN_SHARE = 0.05  # of a reward's values in one step
STOP_SHARE = 0.20  # of its values in the last STEPS steps
STEPS = 5
MIN_STEPS = 3  # one bad step may be a network that was away for a moment
SHOWN = 3  # different errors in the message that ends the run
MAX_LOGGED = 20  # different tracebacks in the log of one attempt
MAX_SHOWN = 1000  # characters of each


@dataclass
class FailureWatch:
    """The failures of each reward in the last steps: {reward: (failed, values) of each step}."""

    recent: dict[str, deque[tuple[int, int]]] = field(default_factory=dict)
    errors: dict[str, dict[str, str]] = field(default_factory=dict)  # the first of each reward, by their place
    logged: set[str] = field(default_factory=set)

    def note(self, step: int, scores: Scores) -> list[Event]:
        """What there is to say about the scores of a step. Raises RewardError when there were too many failures.

        A run ends when more than STOP_SHARE of a reward's values of STEPS steps failed, seen in at least MIN_STEPS, or
        when all of them failed two steps in a row: then there is nothing to learn from any more.
        """
        self.log(scores)
        events = []
        for name in scores.names:
            failed = sum(name in row for row in scores.failed)
            steps = self.recent.setdefault(name, deque(maxlen=STEPS))
            steps.append((failed, len(scores.values)))
            if failed > WARN_SHARE * len(scores.values):
                reason = next(
                    errors[name] for errors, row in zip(scores.errors, scores.failed, strict=True) if name in row
                )
                message = f"{name} failed for {failed} of {len(scores.values)} completions; the first: {reason}"
                events.append(Event("reward-missing", message[:1000], "warning", step))
        for name, steps in self.recent.items():
            if _too_many(list(steps)):
                raise self._error(name, step)
        return events

    def log(self, scores: Scores) -> None:
        """Write what was raised and printed to the engine's log, each once; keep the first errors for the end."""
        for note in scores.notes:
            for one in note.traceback.split(BETWEEN) if note.traceback else ():
                self._write(place(one), f"Reward {note.name}:\n{one}")
                self._keep(note.name, one)
            if note.output:  # of that the first is enough
                self._write(f"printed by {note.name}", f"Reward {note.name} printed:\n{note.output}")
        for errors, row in zip(scores.errors, scores.failed, strict=False):
            for name in row:
                if not any(note.name == name and note.traceback for note in scores.notes):
                    self._keep(name, f"{errors[name]}.")

    def _write(self, what: str, text: str) -> None:
        if what not in self.logged and len(self.logged) < MAX_LOGGED:
            self.logged.add(what)
            sys.stderr.write(printable(text.rstrip()) + "\n")

    def _keep(self, name: str, text: str) -> None:
        kept = self.errors.setdefault(name, {})
        if len(kept) < SHOWN:
            kept.setdefault(place(text), text[:MAX_SHOWN].rstrip())

    def _error(self, name: str, step: int) -> RewardError:
        steps = self.recent[name]
        failed, values = (sum(column) for column in zip(*steps, strict=True))
        shown = "\n\n".join(self.errors.get(name, {}).values())
        return RewardError(
            f"Step {step}: reward '{name}' failed for {failed:,} of {values:,} completions of the last {len(steps)} "
            f"steps. Correct it, then clone or fork the run. Its first errors:\n\n{shown}"
        )


def _too_many(steps: list[tuple[int, int]]) -> bool:
    """Steps that were not yet taken count as good ones: a single bad one is never enough."""
    shares = [failed / values for failed, values in steps if values]
    if len(shares) >= MIN_STEPS and sum(shares) > STOP_SHARE * STEPS:
        return True
    return len(shares) >= 2 and min(shares[-2:]) == 1
