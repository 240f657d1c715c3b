"""How a reward of the library works: its rule, and examples with their values. All of it as text."""

import json
from collections.abc import Iterator
from typing import Any

import streamlit as st

from dashboard.text import as_html, one_line
from engine.rewards.info import Example, RewardInfo

SHOWN = 120  # characters of a completion or of a row


def draw_help(info: RewardInfo) -> None:
    """A button that opens the rule and the examples of a reward."""
    with st.popover("How it works", icon=":material/help:", type="tertiary"):
        st.html(f'<div style="max-width:36rem">{rule(info)}{examples(info)}</div>')


def rule(info: RewardInfo) -> str:
    low, high = info.value_range
    span = "any number" if high == float("inf") else f"{low:g} to {high:g}"
    needs = "It needs a reference answer." if info.needs_answer else "It needs no reference answer."
    return f'<p>{as_html(info.explanation or info.help)}</p><p class="lab-muted">Values: {span}. {needs}</p>'


def examples(info: RewardInfo) -> str:
    """The examples as a table; nothing where there are none."""
    if not info.examples:
        return ""
    rows = "".join(
        f"<tr><td>{as_html(one_line(example.completion, SHOWN) or '(empty)')}</td>"
        f'<td class="lab-muted">{as_html(one_line("; ".join(circumstances(example)), SHOWN))}</td>'
        f'<td class="lab-right">{value_in_words(example)}</td></tr>'
        for example in info.examples
    )
    head = '<tr><th>Completion</th><th>Row and settings</th><th class="lab-right">Value</th></tr>'
    label = f"Examples of {as_html(info.label)}"
    return f'<table class="lab-table" aria-label="{label}"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def circumstances(example: Example) -> Iterator[str]:
    """What belongs to an example beside its completion."""
    if example.answer is not None:
        yield f"answer {example.answer}"
    if example.prompt:
        yield f"prompt {example.prompt}"
    yield from (f"{name} {_plain(cell)}" for name, cell in example.columns.items())
    if example.others:
        yield "others: " + ", ".join(example.others)
    if isinstance(example.tokens, tuple):
        yield "tokens " + " ".join(map(str, example.tokens))
    elif example.tokens is not None:
        yield f"{example.tokens} tokens"
    yield from (f"{name} = {_plain(value)}" for name, value in example.params.items())


def value_in_words(example: Example) -> str:
    return "missing" if example.value is None else f"{example.value:.3g}".replace("-", "−")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
