"""A check and a re-score as plain text, for a terminal."""

import textwrap
from collections.abc import Iterator

from engine.analysis.rescored import RewardChange, Summary
from engine.rescore_client import ReadRow, Rescored
from engine.reward_check.types import Evidence, RewardCheck

WIDTH = 100
MARKS = {"ok": "ok", "warning": "WARNING", "failed": "FAILED", "not applicable": "-"}
OUTCOMES = {"closed": "closed", "hole": "HOLE", "by design": "by design", "not applicable": "-"}
SHOWN = 70


def check_lines(found: RewardCheck) -> Iterator[str]:
    """Findings, the board, and for what failed the first rows."""
    span = "" if found.low is None or found.high is None else f", from {found.low:g} to {found.high:g}"
    yield f"{found.reward}: {found.kind} reward{span}; data: {found.data}; answers written {found.form}."
    yield ""
    for finding in found.findings:
        yield from _wrapped(f"{MARKS[finding.verdict]:8} {finding.label:22} ", finding.text)
        if finding.verdict == "failed":
            yield from (f"           {_row(one)}" for one in finding.evidence[:2])
    if found.board:
        yield ""
        yield f"{'strategy':44} {'mean':>7} {'above half':>10}  rows  outcome"
        for score in found.board:
            mean = "-" if score.mean is None else f"{score.mean:.3f}"
            share = "-" if score.share_above is None else f"{score.share_above:.0%}"
            yield f"{score.label:44} {mean:>7} {share:>10}  {score.tried:>4}  {OUTCOMES[score.outcome]}"
    yield ""
    yield (
        f"{found.verdict}: {found.num_completions:,} completions in {found.num_calls:,} calls, {found.seconds:.1f} s"
    )


def rescored_lines(found: Rescored) -> Iterator[str]:
    """The summary, and the completions that change most."""
    if found.summary is None:
        return
    yield f"{found.run_id}: {found.words}, {found.summary.num_completions:,} completions; scored: " + (
        ", ".join(found.scored) or "nothing, all values are as stored"
    )
    yield from _summary_lines(found.summary)
    for title, rows in (("rises most", found.raised), ("falls most", found.lowered)):
        if rows:
            yield ""
            yield f"The total {title}:"
            yield from (_change(row) for row in rows[:5])
    if found.traceback:
        yield from ("", "The first error:", *found.traceback.rstrip().splitlines())
    if found.file:
        yield ""
        yield f"written to {found.file}"


def _summary_lines(summary: Summary) -> Iterator[str]:
    passes = summary.passes
    yield ""
    yield f"{'':22} {'right after':>12} {'wrong after':>12}"
    yield f"{'right before':22} {passes.stays_right:>12,} {passes.becomes_wrong:>12,}"
    yield f"{'wrong before':22} {passes.becomes_right:>12,} {passes.stays_wrong:>12,}"
    if passes.undecided:
        yield f"{passes.undecided:,} are not decided before or after"
    yield ""
    yield (
        f"total: {summary.changed:,} of {summary.num_completions:,} change, mean {_number(summary.mean_before)} → "
        f"{_number(summary.mean_after)}, correlation {_number(summary.correlation)}"
    )
    yield f"advantage: {summary.flipped:,} of {summary.num_signed:,} change sign"
    yield (
        f"groups with signal: {summary.live_before:,} → {summary.live_after:,} of {summary.num_groups:,} "
        f"({summary.gained:,} gain it, {summary.lost:,} lose it)"
    )
    yield from (_reward_line(reward) for reward in summary.rewards)


def _reward_line(reward: RewardChange) -> str:
    line = f"{reward.name}: mean {_number(reward.mean_before)} → {_number(reward.mean_after)}, {reward.changed:,} of "
    line += f"{reward.compared:,} change, missing {reward.missing_before:,} → {reward.missing_after:,}"
    return line + (f" ({reward.reasons_after[0][0]})" if reward.reasons_after else "")


def _change(row: ReadRow) -> str:
    where = f"step {row.step} group {row.group_index + 1} #{row.completion_index + 1}"
    values = f"{_number(row.total_before)} → {_number(row.total_after)}"
    return f"  {where}  {values}  reference {_short(row.reference)}  {_short(row.completion)}"


def _row(one: Evidence) -> str:
    value = "no value" if one.value is None else f"{one.value:g}"
    return f"{one.where}: {_short(one.completion)} for {_short(one.reference)} gets {value}"


def _wrapped(head: str, text: str) -> Iterator[str]:
    lines = textwrap.wrap(text, WIDTH - 32) or [""]
    yield head + lines[0]
    yield from (" " * len(head) + line for line in lines[1:])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _short(text: str | None) -> str:
    if text is None:
        return "no answer"
    shown = repr(text)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
