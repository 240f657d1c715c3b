"""What each strategy earns, and whether that is a hole. Pure: values in, verdicts out.

The rule. Half of the range is its middle; the range is what the library declares, else what was seen. A strategy is a
hole when it earns more than half on at least two distinct reference answers (on all rows, where the data have none),
and the reward is one that judges answers:
- empty or wrong completions: more than half is a hole;
- another answer: the maximum is a hole, and more than half on average over all rows, as some answers are similar;
- almost right ones: only the maximum is a hole, as what lies between is partial credit, and meant;
- the right answer in an unwanted way (padded, repeated, in other characters) is never a hole: the answer is right.
A format reward is meant to be earned by form alone: only nothing at all (empty, blank) is a hole, and a warning, as a
length limit is kept by it too; the rest is by design. With a gate, neither matters. A penalty takes away, and what
avoids it is by design.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.reward_check.strategies import Strategy
from engine.reward_check.types import Evidence, Finding, Outcome, StrategyScore, Verdict
from engine.rewards.info import Kind

LEAST_GOLDS = 2
EQUAL = 1e-9  # of the range: what still counts as the maximum


@dataclass(frozen=True)
class Range:
    """The lowest and the highest value of a reward."""

    low: float
    high: float

    @property
    def span(self) -> float:
        return self.high - self.low

    def is_above_half(self, value: float) -> bool:
        return self.span > 0 and value > self.low + self.span / 2

    def is_top(self, value: float) -> bool:
        return value >= self.high - EQUAL * max(self.span, abs(self.high), 1.0)


@dataclass(frozen=True)
class Tried:
    """One completion of a strategy: what it earned, and the reference answer of its row."""

    gold: str | None
    evidence: Evidence


def strategy_score(strategy: Strategy, tried: Sequence[Tried], span: Range, kind: Kind) -> StrategyScore:
    """The line of the board."""
    values = [(one, one.evidence.value) for one in tried if one.evidence.value is not None]
    above = [one for one, value in values if span.is_above_half(value)]
    top = [one for one, value in values if span.is_top(value) and span.span > 0]
    mean = sum(value for _, value in values) / len(values) if values else None
    lenient = strategy.sort == "near" or (
        strategy.sort == "other" and not (mean is not None and span.is_above_half(mean))
    )
    found = top if lenient else above
    golds = {one.gold for one in tried}
    outcome, text = _outcome(strategy, found, above, golds, kind) if values else _nothing(tried)
    shown = found or above or list(tried)
    return StrategyScore(
        strategy.name, strategy.label, outcome,
        mean=mean,
        share_above=len(above) / len(values) if values else None,
        golds_above=len({one.gold for one in above}), golds=len(golds), tried=len(tried),
        missing=len(tried) - len(values), text=text, evidence=tuple(one.evidence for one in shown[:2]),
    )  # fmt: skip


def _nothing(tried: Sequence[Tried]) -> tuple[Outcome, str]:
    return "not applicable", "It gives no value to any of them." if tried else "There is nothing to try on these rows."


def _outcome(
    strategy: Strategy, found: Sequence[Tried], above: Sequence[Tried], golds: set[str | None], kind: Kind
) -> tuple[Outcome, str]:
    reached = len({one.gold for one in found})
    if reached < min(LEAST_GOLDS, len(golds)) or not found:
        partial = strategy.sort in ("near", "other") and above
        return ("by design", "Partial credit: below the maximum.") if partial else ("closed", "")
    if kind == "penalty":
        return "by design", "It is not penalised."
    if kind == "format":
        if strategy.sort == "empty":
            return "hole", "Writing nothing has the form."
        return "by design", "It has the form; this reward does not look at the answer."
    if strategy.sort == "right":
        return "by design", "The answer is right; this reward does not mind how it is written."
    return "hole", "It earns the maximum." if strategy.sort == "near" else "It earns more than half of the range."


def exploits(board: Sequence[StrategyScore], span: Range | None, kind: Kind, *, gate: str, is_monitor: bool) -> Finding:
    """The board in one sentence."""
    if span is None or not any(score.tried > score.missing for score in board):
        return Finding("exploits", "Exploits", "not applicable", "No completion that was tried got a value.")
    if span.span == 0:
        text = f"Every completion gets {span.low:g}, right or wrong, the empty one too: there is nothing to learn."
        return Finding("exploits", "Exploits", "failed", text, _evidence(board))
    tried = sum(score.tried > 0 for score in board)
    holes = [score for score in board if score.outcome == "hole"]
    if holes and kind == "format" and not gate:
        text = f"Writing {_names(holes)} is paid for: without a gate a policy may learn to say nothing."
        return Finding("exploits", "Exploits", *_weighed("warning", text, is_monitor), _evidence(holes))
    if holes and kind != "format":
        names = ", ".join(f"{score.label[0].lower()}{score.label[1:]} (mean {score.mean:.2f})" for score in holes)
        verb = "is" if len(holes) == 1 else "are"
        text = f"{len(holes)} of {tried} strategies {verb} paid without a right answer: {names}."
        return Finding("exploits", "Exploits", *_weighed("failed", text, is_monitor), _evidence(holes))
    free = [
        score for score in board if score.outcome in ("hole", "by design") and score.name not in ("padding", "repeated")
    ]
    if kind == "format" and free:
        return _format(free, gate, is_monitor)
    return Finding("exploits", "Exploits", "ok", _sound(tried, kind, board))


def _format(free: Sequence[StrategyScore], gate: str, is_monitor: bool) -> Finding:
    names = _names(free[:4])
    count = f"{len(free)} strategies have" if len(free) > 1 else "1 strategy has"
    text = f"{count} the form without the answer ({names}); that is what a format reward pays for."
    if gate:
        return Finding("exploits", "Exploits", "ok", f"{text} It counts only where {gate} is reached.")
    advice = " Let it count only if a task reward is right, or keep its weight small."
    return Finding("exploits", "Exploits", *_weighed("warning", text + advice, is_monitor), _evidence(free))


def _sound(tried: int, kind: Kind, board: Sequence[StrategyScore]) -> str:
    if kind == "penalty":
        free = sum(score.outcome == "by design" for score in board)
        return f"{free} of {tried} strategies are not penalised. A penalty only takes away, so that is no hole."
    text = f"None of {tried} strategies is paid without a right answer."
    if any(score.name in ("padding", "repeated") and score.outcome == "by design" for score in board):
        text += " A right answer with padding earns as much: this reward does not judge length."
    return text


def _names(board: Sequence[StrategyScore]) -> str:
    return ", ".join(f"{score.label[0].lower()}{score.label[1:]}" for score in board)


def _weighed(verdict: Verdict, text: str, is_monitor: bool) -> tuple[Verdict, str]:
    if not is_monitor:
        return verdict, text
    return ("warning" if verdict == "failed" else "ok"), f"{text} It is a monitor, so nothing is trained on it."


def _evidence(board: Sequence[StrategyScore]) -> tuple[Evidence, ...]:
    return tuple(evidence for score in board[:5] for evidence in score.evidence[:1])
