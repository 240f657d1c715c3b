"""Which numbers that reward functions log are stored: a few names of each reward, the same ones all through a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.rewards.score import Scores
from engine.rewards.worker.values import MAX_METRICS
from engine.runs.records import Event

MAX_SHOWN = 400  # characters of a refusal


@dataclass
class LoggedNames:
    """The names of each reward so far, and what was said of those that are left out."""

    known: dict[str, set[str]] = field(default_factory=dict)
    told: dict[str, set[str]] = field(default_factory=dict)

    def take(self, step: int, scores: Scores) -> tuple[dict[str, dict[str, float]], list[Event]]:
        """{reward: {name: mean over the step's completions}}, and an event for each name of which something is not.

        A reward has MAX_METRICS names, counted anew where a run is resumed: names that differ from step to step would
        be a curve each.
        """
        kept: dict[str, dict[str, float]] = {}
        refused = {reward: dict(reasons) for reward, reasons in scores.refused.items()}
        for reward, metrics in scores.metrics.items():
            kept[reward] = self._known(reward, metrics)
            late = metrics.keys() - kept[reward].keys()
            refused.setdefault(reward, {}).update(dict.fromkeys(sorted(late), _TOO_MANY))
        return kept, [event for reward, reasons in refused.items() for event in self._events(step, reward, reasons)]

    def _known(self, reward: str, metrics: Mapping[str, float]) -> dict[str, float]:
        known = self.known.setdefault(reward, set())
        for name in metrics:
            if len(known) < MAX_METRICS:
                known.add(name)
        return {name: value for name, value in metrics.items() if name in known}

    def _events(self, step: int, reward: str, reasons: Mapping[str, str]) -> list[Event]:
        told = self.told.setdefault(reward, set())
        events = []
        for name, reason in reasons.items():
            if name not in told and len(told) < MAX_METRICS:
                told.add(name)
                message = f"{reward} gave '{name}' to log_metric a value that is left out: {reason}"
                events.append(Event("metric-refused", message[:MAX_SHOWN], "warning", step))
        return events


_TOO_MANY = f"a reward can log at most {MAX_METRICS} names in a run"
