"""The completions that a search found as rows: where they are, the phrase in its place, and their numbers.

A row that is clicked opens its group and completion.
"""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard.style import asset
from dashboard.text import one_line
from dashboard.views.completion_table import END_WORDS
from dashboard.wording import MISSING, number, verdict
from engine.runs.hits import EXCERPT, Hit

PROMPT_LIMIT = 90
EXCERPT_LIMIT = 400  # characters of each part of a snippet, of which one may be a long phrase

_rows = st.components.v2.component("grpo_lab.search_rows", js=asset("search_rows.js"), isolate_styles=False)


def search_rows(hits: Sequence[Hit], *, key: str, label: str) -> int | None:
    """Show the rows. Returns the key of the completion whose click caused this run of the script, if any."""
    data = {"label": label, "rows": [_item(hit) for hit in hits]}
    picked = _rows(key=key, data=data, on_picked_change=lambda: None).picked
    return picked if isinstance(picked, int) else None


def _item(hit: Hit) -> dict[str, Any]:
    shape, sign = ("▲", "+") if hit.advantage > 0 else ("▼", "-") if hit.advantage < 0 else ("●", "0")
    text = hit.excerpt
    place = f"{hit.step:,} · {hit.group_index + 1} · {hit.completion_index + 1}"
    return {
        "key": hit.key, "place": place, "prompt": one_line(hit.prompt, PROMPT_LIMIT),
        "title": f"Open completion {hit.completion_index + 1} of group {hit.group_index + 1} in step {hit.step:,}",
        "before": ("… " if text.cut_before else "") + one_line(text.before, EXCERPT_LIMIT),
        "match": one_line(text.match, EXCERPT_LIMIT),
        "after": one_line(text.after, EXCERPT_LIMIT) + (" …" if text.cut_after else "") or _nothing(hit),
        "verdict": _verdict(hit), "total": number(hit.total), "sign": sign,
        "advantage": f"{shape} 0" if sign == "0" else f"{shape} {hit.advantage:+.3f}".replace("-", "−"),
        "length": MISSING if hit.length is None else f"{hit.length:,}",
        "end": END_WORDS.get(hit.finish_reason or "", MISSING),
    }  # fmt: skip


def _verdict(hit: Hit) -> str:
    """Right or wrong, and the answer that was read where it is not the whole text."""
    whole = (hit.excerpt.before + hit.excerpt.match + hit.excerpt.after).strip()
    alike = hit.parsed is None or hit.parsed.strip()[:EXCERPT] == whole[:EXCERPT]
    return " · ".join(
        filter(None, (verdict(hit.passed), "" if alike else f"read as {one_line(hit.parsed or '', PROMPT_LIMIT)}"))
    )


def _nothing(hit: Hit) -> str:
    """What stands in the place of a text without a character."""
    return "" if hit.excerpt.match or hit.excerpt.before else "(empty)"
