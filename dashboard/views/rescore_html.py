"""What a re-score found, in words and as HTML. Every text of a model, a row or a file passes through as_html. Pure."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from dashboard.text import as_html, one_line
from dashboard.wording import MISSING, number, plural, signed, verdict
from engine.analysis.rescored import Passes, RewardChange, Summary
from engine.config import RunConfig
from engine.config_io import default_params
from engine.rescore_client import ReadRow
from engine.rewards.python_file import NAME as PYTHON_FILE

AS_THEY_WERE: Final = "The rewards as they were"
SHOWN: Final = 600  # characters of a text in the table
HIDDEN: Final = ("path", "sha256")  # of a file, which is named instead
SHAPES: Final = ("weight", "final_weight", "gate", "gate_at", "clip_low", "clip_high")


def sentence(found: Summary) -> str:
    """What the other rewards change, in one sentence."""
    if not found.changed and not found.flipped and not found.passes.becomes_right + found.passes.becomes_wrong:
        return f"Nothing changes: all {plural(found.num_completions, 'completion')} keep their total reward."
    parts = [f"{found.changed:,} of {plural(found.num_completions, 'completion')} get another total reward"]
    if turned := found.passes.becomes_right + found.passes.becomes_wrong:
        parts.append(
            f"{turned:,} change their verdict ({found.passes.becomes_right:,} become right, "
            f"{found.passes.becomes_wrong:,} wrong)"
        )
    parts.append(f"{found.flipped:,} of {plural(found.num_signed, 'advantage')} change their sign")
    words = f"{', '.join(parts[:-1])}, and {parts[-1]}."
    lost = newly_missing(found)
    return words if lost is None else f"{words} {lost.name} is missing for {lost.missing_after:,} of them."


def newly_missing(found: Summary) -> RewardChange | None:
    """The reward that misses most values that it had before, if one does."""
    more = [one for one in found.rewards if one.missing_after > one.missing_before]
    return max(more, key=lambda one: one.missing_after - one.missing_before, default=None)


def signal_words(found: Summary) -> str:
    """Groups that gain or lose signal."""
    return (
        f"Groups with signal: {found.live_before:,} before, {found.live_after:,} after, of {found.num_groups:,}; "
        f"{found.gained:,} gain it and {found.lost:,} lose it."
    )


def list_change(rewards: Sequence[Mapping[str, Any]], config: RunConfig) -> str:
    """In what this list of rewards differs from that of the run."""
    before = {spec.name: spec.model_dump(mode="json") for spec in config.rewards}
    after = {str(spec.get("name")): spec for spec in rewards}
    parts = [
        f"{name}: {words}" for name, spec in after.items() if name in before and (words := _change(before[name], spec))
    ]
    parts += [f"{name} added: {_function(spec)}" for name, spec in after.items() if name not in before]
    parts += [f"{name} left out" for name in before if name not in after]
    return "; ".join(parts) or AS_THEY_WERE


def _change(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    old, new = _function(before), _function(after)
    if old != new:
        return f"{old} → {new}"
    settings = [(key, _params(before).get(key), value) for key, value in _params(after).items() if key not in HIDDEN]
    settings += [(key, before.get(key), after[key]) for key in SHAPES if key in after]
    changed = [f"{key} {_short(was)} → {_short(now)}" for key, was, now in settings if was != now]
    if not changed and _params(before).get("sha256") != _params(after).get("sha256"):
        return f"another content of {new}"
    return ", ".join(changed)


def _function(spec: Mapping[str, Any]) -> str:
    """What it is: the reward of the library, or the file and the function in it."""
    name = str(spec.get("function") or spec.get("name"))
    if name != PYTHON_FILE:
        return name
    params = _params(spec)
    return " ".join(filter(None, [PurePath(str(params.get("path", ""))).name, str(params.get("callable") or "")]))


def _params(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {**default_params(str(spec.get("function") or spec.get("name"))), **(spec.get("params") or {})}


def _short(value: Any) -> str:
    return one_line(MISSING if value is None or value == "" else str(value), 30)


def passes_html(found: Passes, before: str | None, after: str | None) -> str:
    """Right and wrong before and after, two by two; those that change in bold. before, after: the deciding reward."""
    if not any((found.stays_right, found.becomes_right, found.becomes_wrong, found.stays_wrong)):
        words = f"Right or wrong: no completion is decided both before and after. {_decided(before, after)}"
        return f'<div class="lab-muted">{words}</div>'
    rows = (("✔ right before", found.stays_right, found.becomes_wrong, False),
            ("✘ wrong before", found.becomes_right, found.stays_wrong, True))  # fmt: skip
    body = "".join(
        f'<tr><th scope="row">{head}</th><td class="lab-right">{_cell(right, first)}</td>'
        f'<td class="lab-right">{_cell(wrong, not first)}</td></tr>'
        for head, right, wrong, first in rows
    )
    open_ones = f" {found.undecided:,} completions are not decided in both." if found.undecided else ""
    return (
        '<table class="lab-table" aria-label="Right and wrong, before and after"><thead><tr><th></th>'
        '<th scope="col" class="lab-right">✔ right after</th><th scope="col" class="lab-right">✘ wrong after</th>'
        f"</tr></thead><tbody>{body}</tbody></table>"
        f'<div class="lab-small">{_decided(before, after)}{open_ones}</div>'
    )


def _decided(before: str | None, after: str | None) -> str:
    """Which reward decides, and whether it is another one after."""
    first, then = (f"by {as_html(name)}" if name else "by no reward" for name in (before, after))
    return f"Decided {first}." if first == then else f"Decided {first} before, and {then} after."


def _cell(count: int, changes: bool) -> str:
    return f'<b class="lab-warn">{count:,}</b>' if changes and count else f"{count:,}"


def rewards_html(rewards: Sequence[RewardChange], scored: Sequence[str]) -> str:
    """Every reward before and after: its mean, how many values differ, what is missing and why."""
    heads = (("reward", ""), ("mean", "lab-right"), ("changed", "lab-right"), ("missing", "lab-right"),
             ("why missing after", ""))  # fmt: skip
    head = "".join(f'<th scope="col" class="{side}">{name}</th>' for name, side in heads)
    body = "".join(_reward_row(one, one.name in scored) for one in rewards)
    return (
        '<div class="lab-scroll"><table class="lab-table" aria-label="Each reward, before and after">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _reward_row(one: RewardChange, scored: bool) -> str:
    reasons = "<br>".join(f"{count:,} × {as_html(one_line(reason, 200))}" for reason, count in one.reasons_after)
    what = "called again" if scored else "as stored"
    changed = f"{one.changed:,} of {one.compared:,}" if one.compared else MISSING
    is_told = one.changed and one.correlation is not None
    alike = f'<div class="lab-small">correlation {number(one.correlation, 2)}</div>' if is_told else ""
    return (
        f'<tr><td><b>{as_html(one.name)}</b><div class="lab-small">{what}</div></td>'
        f'<td class="lab-right">{arrow(number(one.mean_before), number(one.mean_after))}</td>'
        f'<td class="lab-right">{changed}{alike}</td>'
        f'<td class="lab-right">{arrow(f"{one.missing_before:,}", f"{one.missing_after:,}")}</td>'
        f'<td class="lab-text lab-small">{reasons or MISSING}</td></tr>'
    )


def arrow(before: str, after: str) -> str:
    """Before → after; once when they look the same."""
    return before if before == after else f'<span class="lab-muted">{before} →</span> <b>{after}</b>'


def read_html(rows: Sequence[ReadRow], label: str) -> str:
    """Completions side by side with all that is said of them before and after."""
    heads = (("#", "lab-right"), ("prompt", ""), ("reference", ""), ("completion", ""), ("rewards", ""),
             ("total", "lab-right"), ("advantage", "lab-right"))  # fmt: skip
    head = "".join(f'<th scope="col" class="{side}">{name}</th>' for name, side in heads)
    body = "".join(_read_row(place, row) for place, row in enumerate(rows, start=1))
    return (
        f'<div class="lab-scroll"><table class="lab-table lab-read" aria-label="{as_html(label)}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _read_row(place: int, row: ReadRow) -> str:
    return (
        f'<tr><td class="lab-right">{place}</td>{_text(row.prompt)}'
        f"{_text(row.reference)}{_text(row.completion)}"
        f'<td class="lab-small">{_values(row)}{_verdict(row)}</td>'
        f'<td class="lab-right">{arrow(number(row.total_before), number(row.total_after))}</td>'
        f'<td class="lab-right">{arrow(*map(_advantage, (row.advantage_before, row.advantage_after)))}'
        f"{_flip(row)}</td></tr>"
    )


def _text(text: str | None) -> str:
    shown = MISSING if text is None else as_html(text[:SHOWN]) or "(empty)"
    return f'<td class="lab-text"><div class="lab-mono">{shown}</div></td>'


def _values(row: ReadRow) -> str:
    """The rewards whose value is another one, or missing, with the reason."""
    names = list(dict.fromkeys([*row.values_before, *row.values_after]))
    lines = []
    for name in names:
        before, after = row.values_before.get(name), row.values_after.get(name)
        reason = row.reasons_after.get(name)
        if before != after or reason:
            why = f" (missing: {as_html(one_line(reason, 200))})" if reason else ""
            lines.append(f"<div>{as_html(name)} {arrow(number(before), number(after))}{why}</div>")
    return "".join(lines)


def _verdict(row: ReadRow) -> str:
    """Whether it becomes right or wrong; empty where it stays as it was."""
    if row.passed_before == row.passed_after:
        return ""
    before, after = (verdict(passed) or MISSING for passed in (row.passed_before, row.passed_after))
    return f"<div>{arrow(before, after)}</div>"


def _advantage(value: float | None) -> str:
    return "0" if value == 0 else signed(value, 3)


def _flip(row: ReadRow) -> str:
    flips = (row.advantage_before or 0.0) * (row.advantage_after or 0.0) < 0
    return '<span class="lab-flip" title="the sign changes">⇄</span>' if flips else ""
