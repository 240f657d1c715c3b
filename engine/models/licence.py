"""The licence that a model card names: the front matter of a folder's README.md. Light; what is not said is None."""

import re
from pathlib import Path

CARD = "README.md"
MAX_CARD_BYTES = 256 * 1024  # of a card's beginning; front matter with benchmark tables takes tens of KiB
MAX_LENGTH = 80

_LINE = re.compile(r"^(license|license_name):[ \t]*(.*?)[ \t]*$", re.M)
_ITEM = re.compile(r"\n-[ \t]+(\S[^\n]*)|\n[ \t]+-[ \t]+(\S[^\n]*)")


def card_licence(folder: Path) -> str | None:
    """Such as "apache-2.0", or the name of a licence of its own; None without a card, or when the card does not say."""
    try:
        with (folder / CARD).open("rb") as file:
            text = file.read(MAX_CARD_BYTES).decode("utf-8", errors="replace").replace("\r\n", "\n")
    except OSError:
        return None
    if not text.startswith("---\n"):
        return None
    found: dict[str, str | None] = {}
    front = text[4:].partition("\n---")[0]
    for line in _LINE.finditer(front):
        found.setdefault(line[1], _value(line[2], front[line.end() :]))
    named = found.get("license")
    return found.get("license_name") or named if named == "other" else named


def short_licence(value: object) -> str | None:
    """A licence as metadata names it, in at most MAX_LENGTH printable characters; None for what is no name."""
    if not isinstance(value, str):
        return None
    return "".join(c for c in value if c.isprintable()).strip()[:MAX_LENGTH] or None


def _value(rest: str, after: str) -> str | None:
    """What stands behind the colon: a name, a list in brackets, or the first entry of a list below."""
    if not rest:
        item = _ITEM.match(after)
        rest = (item[1] or item[2]) if item else ""
    return short_licence(rest.strip("[]").partition(",")[0].strip().strip("'\""))
