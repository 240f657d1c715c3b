"""When rewards fail too often: a warning for a step, and an end for a run that would learn from what is left over.

A missing value costs its completion its part in the group's comparison; with many of them the groups shrink, and those
that stay are not a fair sample: what is hard to judge fails more often. Nothing is learned from a monitor, so one that
fails too often is said once, and the run goes on.
"""

import sys
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from engine.errors import RewardError, printable
from engine.rewards.score import Scores
from engine.rewards.worker.raised import place
from engine.rewards.worker.types import BETWEEN
from engine.runs.records import MONITOR_FAILS, Event

WARN_SHARE = 0.05  # of a reward's values in one step
STOP_SHARE = 0.20  # of its values in the last STEPS steps
STEPS = 5
MIN_STEPS = 3  # one bad step may be a network that was away for a moment
SHOWN = 3  # different errors in the message that ends the run
MAX_LOGGED = 20  # different tracebacks in the log of one attempt
MAX_SHOWN = 1000  # characters of each
MAX_MESSAGE = 1000  # characters of a warning
_MONITOR = "The monitor '{}' failed for "


@dataclass
class FailureWatch:
    """The failures of each reward in the last steps: {reward: (failed, values) of each step}."""

    recent: dict[str, deque[tuple[int, int]]] = field(default_factory=dict)
    deciding: set[str] = field(default_factory=set)  # the rewards that the last step's training depended on
    given_up: set[str] = field(default_factory=set)  # the monitors that failed too often
    errors: dict[str, dict[str, str]] = field(default_factory=dict)  # the first of each reward, by their place
    logged: set[str] = field(default_factory=set)

    def note(self, step: int, scores: Scores, decides: Collection[str]) -> list[Event]:
        """What there is to say about the scores of a step. Raises RewardError when there were too many failures.

        A run ends when more than STOP_SHARE of a reward's values of STEPS steps failed, seen in at least MIN_STEPS, or
        when all of them failed two steps in a row: then there is nothing to learn from any more. `decides`: the rewards
        that the training of this step depends on. Of any other one so many failures are an event, and after it silence.
        """
        self.log(scores)
        events = []
        for name in scores.names:
            failed, first = _failures(scores, name)
            steps = self._counted(name, decides)
            steps.append((failed, len(scores.values)))
            too_many = _too_many(list(steps))
            if too_many and name in decides:
                raise self._error(name, step)
            if too_many and name not in self.given_up:
                self.given_up.add(name)
                events.append(Event(MONITOR_FAILS, self._given_up(name, first), "warning", step))
            elif failed > WARN_SHARE * len(scores.values) and (name in decides or name not in self.given_up):
                message = f"{name} failed for {failed} of {len(scores.values)} completions; the first: {first}"
                events.append(Event("reward-missing", message[:MAX_MESSAGE], "warning", step))
        self.deciding = set(decides)
        return events

    def _counted(self, name: str, decides: Collection[str]) -> deque[tuple[int, int]]:
        """Its last steps. They begin anew where a monitor becomes trained: nothing was learned beside its failures."""
        if (name in decides) != (name in self.deciding):
            self.recent.pop(name, None)
        return self.recent.setdefault(name, deque(maxlen=STEPS))

    def told_before(self, names: Iterable[str], messages: Sequence[str]) -> None:
        """Those of these rewards that earlier events of a resumed run have given up are not given up again."""
        self.given_up |= {name for name in names if any(one.startswith(_MONITOR.format(name)) for one in messages)}

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
        shown = "\n\n".join(self.errors.get(name, {}).values())
        return RewardError(
            f"Step {step}: reward '{name}' failed for {self._how_often(name)}. Correct it, then clone or fork the run. "
            f"Its first errors:\n\n{shown}"
        )

    def _given_up(self, name: str, reason: str) -> str:
        told = f"{_MONITOR.format(name)}{self._how_often(name)}. It is not trained on, so the run goes on; "
        return f"{told}further failures stand beside the completions alone. The first: {reason}"[:MAX_MESSAGE]

    def _how_often(self, name: str) -> str:
        steps = self.recent[name]
        failed, values = (sum(column) for column in zip(*steps, strict=True))
        return f"{failed:,} of {values:,} completions of the last {len(steps)} steps"


def _failures(scores: Scores, name: str) -> tuple[int, str]:
    """For how many completions a reward failed, and the reason of the first; "" without any."""
    reasons = [errors[name] for errors, row in zip(scores.errors, scores.failed, strict=False) if name in row]
    return len(reasons), reasons[0] if reasons else ""


def _too_many(steps: list[tuple[int, int]]) -> bool:
    """Steps that were not yet taken count as good ones: a single bad one is never enough."""
    shares = [failed / values for failed, values in steps if values]
    if len(shares) >= MIN_STEPS and sum(shares) > STOP_SHARE * STEPS:
        return True
    return len(shares) >= 2 and min(shares[-2:]) == 1
