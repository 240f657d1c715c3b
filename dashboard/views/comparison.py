"""Two completions beside each other: which words differ, and all their numbers with the differences.

What was removed is struck through and what was added underlined, so that colour is not the only mark. Everything that
a model wrote passes through as_html.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard.text import as_html, as_label
from dashboard.views.completion_table import END_WORDS
from dashboard.wording import MISSING, number, signed
from engine.analysis.word_diff import Part, WordDiff, word_diff
from engine.glossary import METRICS

LAYOUTS = {"side": "side by side", "inline": "in one text"}
LAYOUT_KEY = "diff_layout"
TAGS = {"removed": "del", "added": "ins"}
NUMBERS = {  # column of `completions`: label, digits
    "advantage": ("advantage", 3),
    "length": ("tokens", 0),
    "mean_kl": (f"{METRICS['kl'].label}, {METRICS['kl'].unit}", 3),
    "mean_entropy": (f"{METRICS['entropy'].label}, {METRICS['entropy'].unit}", 3),
}


@dataclass(frozen=True)
class Side:
    """A completion and what it is called. `row`: of RunReader.completions, or a sample of an evaluation."""

    label: str
    row: Mapping[str, Any]

    @property
    def text(self) -> str:
        return str(self.row["text"])


def comparison(before: Side, after: Side, *, key: str) -> None:
    """Draw the word diff of two completions, and below it their numbers. key: of this place on the page."""
    diff = word_diff(before.text, after.text)
    if diff.identical:
        st.info(f"{as_label(before.label)} and {as_label(after.label)} say exactly the same.", icon=":material/equal:")
    else:
        layout = st.segmented_control(
            "Show the difference", list(LAYOUTS), key=f"{LAYOUT_KEY}_{key}", default="side", required=True,
            format_func=LAYOUTS.__getitem__, label_visibility="collapsed",
        )  # fmt: skip
        st.html(inline_html(diff, before, after) if layout == "inline" else side_by_side_html(diff, before, after))
    st.html(numbers_html(before, after))
    if diff.identical:
        st.html(f'<div class="lab-diff lab-mono">{_parts_html(diff.parts)}{_cut_words(diff.cut_before)}</div>')


def side_by_side_html(diff: WordDiff, before: Side, after: Side) -> str:
    """The first text with what the second has not struck through, and the second with what is new underlined."""
    columns = (
        _column(before.label, _parts_html(diff.side("removed")), diff.skipped, diff.cut_before),
        _column(after.label, _parts_html(diff.side("added")), diff.skipped, diff.cut_after),
    )
    return f'<div class="lab-scroll"><div class="lab-diff-columns">{"".join(columns)}</div></div>'


def inline_html(diff: WordDiff, before: Side, after: Side) -> str:
    """Both texts in one, each removed stretch before what took its place."""
    heading = f"<del>only in {as_html(before.label)}</del> <ins>only in {as_html(after.label)}</ins>"
    cut = max(diff.cut_before, diff.cut_after)
    body = f"{_skipped_words(diff.skipped)}{_parts_html(diff.parts)}{_cut_words(cut)}"
    return f'<div class="lab-diff-head">{heading}</div><div class="lab-diff lab-mono">{body}</div>'


def numbers_html(before: Side, after: Side) -> str:
    """A table: every number of both, and the second less the first. Rows without a number on either side are left out.

    A reward that is missing on one side has no difference.
    """
    rewards = [name for name in {**before.row["rewards"], **after.row["rewards"]}]
    pairs = [
        ("total reward", before.row.get("total"), after.row.get("total"), 3),
        *((name, before.row["rewards"].get(name), after.row["rewards"].get(name), 3) for name in rewards),
        *((label, before.row.get(column), after.row.get(column), n) for column, (label, n) in NUMBERS.items()),
    ]
    rows = "".join(_number_row(*pair) for pair in pairs if _known(pair[1]) or _known(pair[2]))
    ends = [END_WORDS.get(side.row.get("finish_reason", ""), MISSING) for side in (before, after)]
    if set(ends) != {MISSING}:
        rows += _cells("end", *ends, "")
    heads = "".join(f'<th class="lab-right">{as_html(head)}</th>' for head in (before.label, after.label, "difference"))
    return (
        f'<div class="lab-scroll"><table class="lab-table lab-diff-numbers"><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _number_row(label: str, one: float | None, two: float | None, digits: int) -> str:
    difference = signed(two - one, digits) if _known(one) and _known(two) else MISSING  # type: ignore[operator]
    return _cells(label, number(one, digits), number(two, digits), difference)


def _cells(label: str, *values: str) -> str:
    cells = "".join(f'<td class="lab-right">{value}</td>' for value in values)
    return f"<tr><td>{as_html(label)}</td>{cells}</tr>"


def _known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _column(label: str, body: str, skipped: int, cut: int) -> str:
    text = f"{_skipped_words(skipped)}{body}{_cut_words(cut)}"
    return f'<div><div class="lab-diff-head">{as_html(label)}</div><div class="lab-diff lab-mono">{text}</div></div>'


def _parts_html(parts: Iterable[Part]) -> str:
    return "".join(_part_html(part) for part in parts) or '<span class="lab-muted">(empty)</span>'


def _part_html(part: Part) -> str:
    if part.change == "same":
        return as_html(part.text)
    tag, text = TAGS[part.change], part.text.replace("\n", "⏎\n")  # a changed line break must be seen
    words = text.lstrip(" ") or text
    return f"{text[: len(text) - len(words)]}<{tag}>{as_html(words)}</{tag}>"


def _skipped_words(count: int) -> str:
    return f'<span class="lab-muted">({count:,} characters that are alike) … </span>' if count else ""


def _cut_words(count: int) -> str:
    return f'<span class="lab-muted"> … ({count:,} more characters are not compared)</span>' if count else ""
