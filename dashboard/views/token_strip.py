"""One completion token by token: coloured text, the most extreme tokens listed, and the numbers of one of them beside.

The component (assets/token_strip.js) puts model text on the page as text only. Arrow keys go from token to token; the
place that is looked at is kept there, and only a click, in the text or in the list, or Enter tells the page,
so that it stands in the URL.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.style import asset
from dashboard.text import one_line, visible
from dashboard.token_measures import LOOKS, Floats, Measure
from dashboard.wording import number, percent, signed
from engine.runs.tokens import Tokens

MAX_TOKENS = 4000
NUM_EXTREME = 10
SHADES = 20  # on either side of none
PIECE_LIMIT = 400  # characters of one token

_strip = st.components.v2.component("grpo_lab.token_strip", js=asset("token_strip.js"), isolate_styles=False)


def token_strip(data: dict[str, Any], *, key: str, on_pick: Callable[[int], None]) -> None:
    """Show what `strip_data` made. on_pick hears the place, from 1, of a token that was clicked."""

    def picked() -> None:
        match st.session_state[key].get("picked"):
            case {"token": int(place)} if place > 0:
                on_pick(place)

    _strip(key=key, data=data, on_picked_change=picked)


def strip_data(
    tokens: Tokens, numbers: dict[str, Floats], measure: Measure | None, *, name: str, selected: int | None
) -> dict[str, Any]:
    """What the component shows. numbers: of token_measures.token_numbers; without a measure no colours.

    name: of the completion, also for screen readers. selected: a place from 1, or None.
    """
    count = min(len(tokens.ids), MAX_TOKENS)
    levels = np.zeros(len(tokens.ids)) if measure is None else measure.levels
    left = len(tokens.ids) - count
    return {
        "name": name,
        "total": len(tokens.ids),
        "signed": measure is not None and bool(measure.look.above),
        "pieces": [shown_piece(tokens, place) for place in range(count)],
        "special": [place for place in range(count) if tokens.special[place]],
        "levels": (levels[:count] * SHADES).round().astype(int).tolist(),
        "columns": _columns(tokens, numbers, count),
        "alternatives": [_alternatives(tokens, place) for place in range(count)],
        "listTitle": "" if measure is None else f"Most extreme: {measure.look.metric.label}",
        "list": [] if measure is None else _list(tokens, measure, count),
        "selected": selected if selected is not None and selected <= count else None,
        "note": f"and {left:,} more tokens: see the table" if left else "",
    }


def shown_piece(tokens: Tokens, place: int) -> str:
    """A token as text of its own: a newline is shown and breaks the line, a special one stands in ⟨ ⟩."""
    piece = tokens.pieces[place]
    text = visible(piece[:PIECE_LIMIT]) + ("…" if len(piece) > PIECE_LIMIT else "")
    if tokens.special[place]:
        return f"⟨{text or 'special'}⟩"
    return text.replace("\n", "⏎\n") or "∅"


def value_words(key: str, value: float) -> str:
    """A number of a token, with its sign where the sign has a meaning."""
    return signed(value, 3) if LOOKS[key].above and key != "ratio" else number(value)


def token_frame(tokens: Tokens, numbers: dict[str, Floats]) -> pd.DataFrame:
    """All numbers of all tokens, for a table."""
    frame = pd.DataFrame({"token": [visible(piece) for piece in tokens.pieces], "id": tokens.ids})
    if tokens.ref_logprobs is not None:
        frame["of the reference"] = tokens.ref_logprobs
    for key, values in numbers.items():
        frame[LOOKS[key].metric.label] = values
    if tokens.alternative_ids is not None:
        frame["alternatives"] = [
            " · ".join(f"{piece} {share}" for piece, share, _ in _alternatives(tokens, place))
            for place in range(len(tokens.ids))
        ]
    return frame.set_index(pd.RangeIndex(1, len(frame) + 1, name="#"))


def _columns(tokens: Tokens, numbers: dict[str, Floats], count: int) -> list[dict[str, Any]]:
    """What is known of each token, as words: [{"name", "values" [count]}]."""
    columns = [{"name": "id", "values": [str(token) for token in tokens.ids[:count].tolist()]}]
    for key, values in numbers.items():
        words = [value_words(key, value) for value in values[:count].tolist()]
        columns.append({"name": LOOKS[key].metric.label, "values": words})
        if key == "logprob":
            shares = np.exp(values[:count]).tolist()
            columns.append({"name": "Probability", "values": [percent(share) for share in shares]})
    if tokens.ref_logprobs is not None:
        words = [number(value) for value in tokens.ref_logprobs[:count].astype(float).tolist()]
        columns.append({"name": "Log-probability, reference", "values": words})
    return columns


def _alternatives(tokens: Tokens, place: int) -> list[tuple[str, str, bool]]:
    """(text, probability, whether it is the token itself), the likeliest first."""
    own = int(tokens.ids[place])
    return [
        (one_line(tokens.piece(token), 24) or "∅", percent(share), token == own)
        for token, share in tokens.alternatives(place)
    ]


def _list(tokens: Tokens, measure: Measure, count: int) -> list[dict[str, Any]]:
    return [
        {
            "place": place + 1,
            "text": one_line(shown_piece(tokens, place).replace("\n", ""), 20),
            "value": value_words(measure.key, float(measure.values[place])),
        }
        for place in measure.most_extreme(NUM_EXTREME)
    ]
