"""The table of a what-if: each completion of a group with its total, advantage and weight per token, before and after.

Pure: from arrays to HTML.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dashboard.text import as_html, one_line
from dashboard.wording import MISSING, number, signed
from engine.analysis.what_if import Judged
from engine.glossary import TERMS

TEXT_LENGTH = 48
FLIP = '<span class="lab-flip" title="the sign changes">⇄</span>'


@dataclass(frozen=True)
class Pair:
    """Numbers of one group before and after, [G] each; NaN where there is none."""

    before: NDArray[np.float64]
    after: NDArray[np.float64]

    def flips(self) -> NDArray[np.bool_]:
        """[G]: where the sign changes."""
        flips: NDArray[np.bool_] = self.before * self.after < 0
        return flips


@dataclass(frozen=True)
class GroupChange:
    """One group under two settings."""

    totals: Pair
    advantages: Pair
    push: Pair

    @classmethod
    def of(cls, before: Judged, after: Judged, index: int, size: int) -> "GroupChange":
        """The group at this place of a step with groups of `size` completions."""
        own = slice(index * size, (index + 1) * size)
        pairs = (Pair(getattr(before, n)[own], getattr(after, n)[own]) for n in ("totals", "advantages", "push"))
        return cls(*pairs)


def what_if_table(texts: list[str], change: GroupChange) -> str:
    """Completions with the best total first, as the table above it; texts [G] in the order of sampling."""
    order = np.argsort(-np.nan_to_num(change.totals.before, nan=-math.inf), kind="stable")
    flips = change.advantages.flips()
    rows = "".join(
        f'<tr><td class="lab-right">{place + 1}</td>'
        f'<td class="lab-mono lab-what-if-text">{as_html(one_line(texts[place], TEXT_LENGTH)) or "(empty)"}</td>'
        f'<td class="lab-right">{_change(change.totals, place, number)}</td>'
        f'<td class="lab-right">{_change(change.advantages, place, _advantage)}{FLIP if flips[place] else ""}</td>'
        f'<td class="lab-right">{_change(change.push, place, _push)}</td></tr>'
        for place in order.tolist()
    )
    weight = TERMS["token_weight"].label.lower()
    heads = ("#", "completion", "total", "advantage", weight)
    sides = ("lab-right", "", "lab-right", "lab-right", "lab-right")
    headings = "".join(f'<th class="{side}">{head}</th>' for head, side in zip(heads, sides, strict=True))
    return (
        '<div class="lab-scroll"><table class="lab-table lab-what-if" aria-label="Completions before and after">'
        f"<thead><tr>{headings}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _change(pair: Pair, place: int, shown: Callable[[float], str]) -> str:
    """Before → after; a single value when they look the same."""
    before, after = shown(float(pair.before[place])), shown(float(pair.after[place]))
    return before if before == after else f'<span class="lab-muted">{before} →</span> <b>{after}</b>'


def _advantage(value: float) -> str:
    if math.isnan(value):
        return MISSING
    shape, sign = ("▲", "+") if value > 0 else ("▼", "-") if value < 0 else ("●", "0")
    text = "0" if value == 0 else signed(value, 3)
    return f'<span class="lab-advantage" data-sign="{sign}">{shape} {text}</span>'


def _push(value: float) -> str:
    return "0" if value == 0 else signed(value, 4)
