"""What a check of a reward found, as plain data with JSON both ways."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["ok", "warning", "failed", "not applicable"]
Outcome = Literal["closed", "hole", "by design", "not applicable"]

MAX_EVIDENCE = 5  # rows of one finding
MAX_SHOWN = 600  # characters of a text in evidence


@dataclass(frozen=True)
class Evidence:
    """One completion that was tried. `where` is the row of the data; `value` None: missing, and `note` says why."""

    where: str
    prompt: str
    completion: str
    reference: str | None
    value: float | None
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """One question to the reward, and the answer in a sentence with numbers."""

    name: str
    label: str
    verdict: Verdict
    text: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class StrategyScore:
    """What one way of writing completions without solving the task earns.

    `mean` over the completions with a value; `share_above` of them above the middle of the range; `golds_above` of
    `golds` distinct reference answers are those of such rows. None where nothing was tried. `text` says what the
    outcome means here.
    """

    name: str
    label: str
    outcome: Outcome
    mean: float | None
    share_above: float | None
    golds_above: int
    golds: int
    tried: int
    missing: int
    text: str = ""
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class RewardCheck:
    """All that was found. `low` to `high` is the range that "half" refers to; None where no value was seen.

    `problem`: why nothing could be checked. `form`: how reference answers were written, in words.
    """

    reward: str
    kind: str = ""
    findings: tuple[Finding, ...] = ()
    board: tuple[StrategyScore, ...] = ()
    low: float | None = None
    high: float | None = None
    form: str = ""
    data: str = ""
    num_calls: int = 0
    num_completions: int = 0
    seconds: float = 0.0
    problem: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        found = {finding.verdict for finding in self.findings}
        if self.problem or "failed" in found:
            return "failed"
        return "warning" if "warning" in found else "ok"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "RewardCheck":
        """Raises ValueError, KeyError or TypeError when the text is not what to_json writes."""
        raw: dict[str, Any] = json.loads(text)
        findings = tuple(Finding(**_with_evidence(one)) for one in raw.pop("findings"))
        board = tuple(StrategyScore(**_with_evidence(one)) for one in raw.pop("board"))
        return cls(findings=findings, board=board, **raw)


@dataclass(frozen=True)
class CheckRequest:
    """Which reward of which configuration. `config` is its JSON; `reward` the name in its list.

    `copies`: the folder with a run's own copies of reward files. `budget_s`: what is not tried by then is left out.
    """

    config: str
    reward: str
    copies: str | None = None
    budget_s: float = 60.0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "CheckRequest":
        """Raises ValueError, KeyError or TypeError when the text is not what to_json writes."""
        return cls(**json.loads(text))


def shown(text: str) -> str:
    """A text short enough to show."""
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(text):,} characters)"


def _with_evidence(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {**raw, "evidence": tuple(Evidence(**one) for one in raw["evidence"])}
