"""One completion token by token, each with a background as strong as the chosen number, and all numbers on hover.

Tokens are escaped text in st.html. The largest values are listed too, so that nothing hangs on colour or on a mouse.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.text import as_html, visible
from dashboard.wording import number, signed
from engine.glossary import METRICS, TERMS, Metric
from engine.runs.reader import Tokens

MAX_TOKENS = 4000
NUM_LARGEST = 5


@dataclass(frozen=True)
class Measure:
    """A number per token. `strength`: how dark its background is, 1 at `full`; `root` 0.5 lets small ones show."""

    metric: Metric
    values: NDArray[np.float64]
    full: float
    root: float = 1.0

    @property
    def strength(self) -> NDArray[np.float64]:
        return np.clip(np.abs(np.nan_to_num(self.values)) / self.full, 0, 1) ** self.root


def measures(tokens: Tokens) -> dict[str, Measure]:
    """What tokens can be coloured by: KL only with a reference, advantages only where each token has its own, and
    nothing at all in a discarded group. The scales are fixed, so that shades compare.
    """
    candidates = (
        ("advantage", TERMS["advantage"], tokens.advantages, 2.0, 1.0),
        ("kl", TERMS["token_kl"], tokens.kl, 1.0, 0.5),
        ("logprob", TERMS["logprob"], tokens.logprobs, 5.0, 1.0),
        ("entropy", METRICS["entropy"], tokens.entropies, 3.0, 1.0),
    )
    return {
        key: Measure(metric, values.astype(np.float64), full, root)
        for key, metric, values, full, root in candidates
        if values is not None
    }


def token_strip(tokens: Tokens, measure: Measure | None) -> str:
    """The tokens as HTML; without a measure on plain ground."""
    shades = np.zeros(len(tokens.pieces)) if measure is None else measure.strength
    strengths = (shades * 20).round() * 5  # twenty-one shades
    spans = [
        f'<span class="lab-token{" lab-special" if special else ""}" title="{as_html(_numbers(tokens, place))}"'
        f' style="--lab-strength:{strengths[place]:.0f}%">{_piece(piece)}</span>'
        for place, (piece, special) in enumerate(zip(tokens.pieces, tokens.special, strict=True))
        if place < MAX_TOKENS
    ]
    left = len(tokens.pieces) - len(spans)
    rest = f'<div class="lab-muted">and {left:,} more tokens: see the table</div>' if left else ""
    return f'<div class="lab-tokens">{"".join(spans)}</div>{rest}'


def largest_words(tokens: Tokens, measure: Measure) -> str:
    """The tokens with the strongest values, in words."""
    order = np.argsort(-measure.strength, kind="stable")[:NUM_LARGEST]
    return " · ".join(f"{visible(tokens.pieces[i])!r} (token {i + 1}) {number(measure.values[i])}" for i in order)


def token_frame(tokens: Tokens) -> pd.DataFrame:
    """All numbers of all tokens, for a table."""
    frame = pd.DataFrame({"token": [visible(piece) for piece in tokens.pieces], "id": tokens.ids})
    columns = (
        ("log-probability", tokens.logprobs), ("of the reference", tokens.ref_logprobs), ("KL", tokens.kl),
        ("entropy", tokens.entropies), ("advantage", tokens.advantages),
    )  # fmt: skip
    for name, values in columns:
        if values is not None:
            frame[name] = values
    return frame.set_index(pd.RangeIndex(1, len(frame) + 1, name="#"))


def _numbers(tokens: Tokens, place: int) -> str:
    lines = [f"token {place + 1}: {tokens.pieces[place]!r}, id {tokens.ids[place]}"]
    if tokens.logprobs is not None:
        lines.append(f"log-probability {number(float(tokens.logprobs[place]))}")
    if tokens.ref_logprobs is not None and tokens.kl is not None:
        lines.append(f"of the reference {number(float(tokens.ref_logprobs[place]))}")
        lines.append(f"KL {number(float(tokens.kl[place]))} nats")
    if tokens.entropies is not None:
        lines.append(f"entropy {number(float(tokens.entropies[place]))} nats")
    if tokens.advantages is not None:
        lines.append(f"advantage {signed(float(tokens.advantages[place]))}")
    return "\n".join(lines)


def _piece(piece: str) -> str:
    """A newline is shown, and breaks the line; a token of nothing is shown as such."""
    return as_html(piece).replace("\n", "⏎<br>") or "∅"
