"""The status of a run as a word with a shape and a colour, the same on every page."""

from typing import Final

from engine.runs.status import State

# state: (shape, word, tone). The shapes differ, so that nothing rests on colour.
LOOKS: Final[dict[State, tuple[str, str, str]]] = {
    "new": ("○", "not started", "muted"),
    "starting": ("◔", "starting", "live"),
    "running": ("●", "running", "live"),
    "stopping": ("◑", "stopping", "live"),
    "stalled": ("▲", "stalled", "warn"),
    "finished": ("✔", "finished", "good"),
    "stopped": ("■", "stopped", "muted"),
    "failed": ("✖", "failed", "bad"),
    "interrupted": ("◆", "interrupted", "warn"),
    "imported": ("⇩", "imported", "muted"),
}


def chip_text(state: State) -> str:
    """Shape and word, for tables and other plain text."""
    shape, word, _ = LOOKS[state]
    return f"{shape} {word}"


def chip_html(state: State) -> str:
    """For st.html."""
    shape, word, tone = LOOKS[state]
    return f'<span class="lab-chip" data-tone="{tone}"><span aria-hidden="true">{shape}</span> {word}</span>'
