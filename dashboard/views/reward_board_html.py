"""What a check of a reward found, as HTML. Every text of a model, a row or a file passes through as_html. Pure."""

from collections.abc import Sequence
from typing import Final, Literal

from dashboard.text import as_html
from dashboard.wording import MISSING, number, percent, plural
from engine.reward_check.types import Evidence, Finding, RewardCheck, StrategyScore

SIGNS: Final = {"ok": "✔", "warning": "!", "failed": "✘", "not applicable": "–"}
TONES: Final = {"ok": "lab-pass", "warning": "lab-warn", "failed": "lab-fail", "not applicable": "lab-muted"}
OUTCOMES: Final = {
    "hole": ("✘ hole", "lab-fail"),
    "by design": ("– by design", "lab-muted"),
    "closed": ("✔ closed", "lab-pass"),
    "not applicable": ("– not tried", "lab-muted"),
}


def headline(found: RewardCheck) -> tuple[Literal["ok", "warning", "failed"], str]:
    """How it went: the tone, and one sentence."""
    if found.problem:
        return "failed", found.problem
    holes = [score for score in found.board if score.outcome == "hole"]
    failed = [finding for finding in found.findings if finding.verdict == "failed"]
    if failed:
        paid = f"{plural(len(holes), 'way')} to earn it without solving the task (holes)" if holes else ""
        questions = ", ".join(finding.label for finding in failed if not holes or finding.name != "exploits")
        reasons = "; ".join(filter(None, [paid, f"see {questions} below" if questions else ""]))
        return "failed", f"Not fit to train on yet: {reasons}."
    if holes:
        earned = f"{holes[0].label.lower()} earns {number(holes[0].mean)} on average"
        return "warning", f"{plural(len(holes), 'hole')}: {earned}."
    warned = [finding for finding in found.findings if finding.verdict == "warning"]
    if warned:
        return "warning", f"Usable, with {plural(len(warned), 'remark')}: {warned[0].text}"
    return "ok", "Sound: right answers earn its maximum, and nothing that was tried earns it without one."


def finding_head(finding: Finding) -> str:
    """One question with its answer."""
    return (
        f'<div><span class="{TONES[finding.verdict]}"><b>{SIGNS[finding.verdict]} {as_html(finding.label)}</b> '
        f'({finding.verdict})</span><div style="overflow-wrap:anywhere">{as_html(finding.text)}</div></div>'
    )


def evidence_html(rows: Sequence[Evidence]) -> str:
    """Completions that were tried, with what they earned."""
    heads = ("where", "prompt", "reference", "completion", "value")
    head = "".join(f'<th scope="col"{" class=lab-right" if h == "value" else ""}>{h}</th>' for h in heads)
    return (
        f'<div class="lab-scroll"><table class="lab-table lab-evidence"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(map(_evidence_row, rows))}</tbody></table></div>"
    )


def _evidence_row(row: Evidence) -> str:
    note = f'<div class="lab-small">{as_html(row.note[:500])}</div>' if row.note else ""
    reference = MISSING if row.reference is None else as_html(row.reference[:600])
    return (
        f'<tr><td class="lab-small">{as_html(row.where)}</td><td class="lab-text"><div class="lab-mono">'
        f'{as_html(row.prompt[:600])}</div></td><td class="lab-text"><div class="lab-mono">{reference}</div></td>'
        f'<td class="lab-text">{_completion(row.completion)}{note}</td>'
        f'<td class="lab-right"><b>{number(row.value)}</b></td></tr>'
    )


def _completion(text: str) -> str:
    """A completion; in words where there is nothing to see."""
    if text.strip():
        return f'<div class="lab-mono">{as_html(text)}</div>'
    return f'<span class="lab-muted">({"empty" if not text else plural(len(text), "blank character")})</span>'


def holes_first(board: Sequence[StrategyScore]) -> list[StrategyScore]:
    return sorted(board, key=lambda score: list(OUTCOMES).index(score.outcome))


def board_html(found: RewardCheck) -> str:
    """Every strategy with its mean as a bar over the reward's range, the share that passes, and what that means."""
    low, high = found.low or 0.0, found.high if found.high is not None else 1.0
    heads = (("strategy", ""), ("outcome", ""), ("mean reward", ""), ("above half", "lab-right"),
             ("tried", "lab-right"), ("what it means", ""))  # fmt: skip
    head = "".join(f'<th scope="col" class="{side}">{name}</th>' for name, side in heads)
    rows = "".join(_board_row(score, low, high) for score in holes_first(found.board))
    return (
        '<div class="lab-scroll"><table class="lab-table" aria-label="Ways to earn it without solving the task">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _board_row(score: StrategyScore, low: float, high: float) -> str:
    words, tone = OUTCOMES[score.outcome]
    if score.tried and score.mean is None:  # tried, and nothing came of it
        words = "– no value"
    share = 0.0 if score.mean is None or high <= low else min(1.0, max(0.0, (score.mean - low) / (high - low)))
    colour = "var(--lab-bad)" if score.outcome == "hole" else "var(--lab-blue)"
    bar = f'<span class="lab-rewardbar" aria-hidden="true"><i style="width:{share:.0%};background:{colour}"></i></span>'
    bar = bar if score.mean is not None else ""
    missing = f" ({score.missing:,} missing)" if score.missing else ""
    return (
        f'<tr><td><b>{as_html(score.label)}</b></td><td class="{tone}" style="white-space:nowrap">{words}</td>'
        f'<td><div class="lab-barline">{bar}<span class="lab-num">{number(score.mean)}</span></div></td>'
        f'<td class="lab-right">{percent(score.share_above)}</td><td class="lab-right">{score.tried:,}{missing}</td>'
        f'<td class="lab-text">{as_html(score.text)}</td></tr>'
    )
